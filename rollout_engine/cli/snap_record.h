// SNAPPED.snap.json: what `sluice delta snap` did to each tensor, and the steps that it took.
#pragma once

#include <string>
#include <string_view>

#include "rollout_engine/payload/snap.h"

namespace sluice {

struct SnapRecord {
  Digest base;      // what it was snapped onto
  Digest original;  // before
  Digest snapped;   // after: what is evaluated, signed and shipped
  double step_sigmas = 0;
  std::vector<SnappedTensor> tensors;
  friend bool operator==(const SnapRecord&, const SnapRecord&) = default;
};

std::string SnapRecordToJson(const SnapRecord& record);
/// E_CFG_INCOMPLETE or E_CFG_RANGE with the member that is missing or wrong.
Result<SnapRecord> ParseSnapRecord(std::string_view json);

}  // namespace sluice
