// The rollout file: strict YAML to a RolloutSpec and back, every error with its code, path and
// line.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "rollout_engine/core/rollout_spec.h"

namespace sluice {

inline constexpr std::size_t kRolloutFileBytesMax = 64 * 1024;
inline constexpr int kYamlDepthMax = 16;
inline constexpr std::size_t kYamlNodesMax = 10'000;
inline constexpr std::size_t kStagesMax = 32;
inline constexpr std::size_t kVariantsMax = 8;

/// E_YAML_LIMIT, _SYNTAX, _ALIAS, _DEPTH, _DUPLICATE, _UNKNOWN_KEY, _TYPE; E_CFG_RANGE, _ORDER,
/// _INCOMPLETE; E_BAD_ID. The text reads "PATH, line N: what was seen; what is allowed".
Result<RolloutSpec> ParseRolloutYaml(std::string_view text);

/// The spec with every value written out. ParseRolloutYaml(PrintRolloutYaml(spec)) == spec for
/// every spec that ParseRolloutYaml returned.
std::string PrintRolloutYaml(const RolloutSpec& spec);

}  // namespace sluice
