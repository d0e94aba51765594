// meta.yaml: what a publisher writes down about a release, read strictly.
#pragma once

#include <string_view>

#include "rollout_engine/registry/bundle.h"

namespace sluice {

struct ReleaseMeta {
  ReleaseDraft draft;        // without name, times and release_seq; paths as written
  std::int64_t life_ms = 0;  // expires_days
};

/// Fills a draft from the file's text. Keys, all optional: model, fleet, format, runtime_abi,
/// min_agent, security_epoch, floor_epoch, hardware, metrics, validation {file,
/// accuracy_tolerance}, limits {error_rate_max, latency_p99_max_ms, accuracy_drop_max},
/// expires_days (180), and `artifacts`, a list of {file, hardware, format, runtime_abi, accuracy}
/// for several groups of hardware. `hardware`, `format` and `runtime_abi` at the top are the
/// artifacts' defaults. E_YAML_*, E_CFG_RANGE, E_CFG_INCOMPLETE, each with path and line.
Result<ReleaseMeta> ParseReleaseMeta(std::string_view yaml);

}  // namespace sluice
