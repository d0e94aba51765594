// Suspects: which devices the finding of a look comes from, for people to look at.
#pragma once

#include <string>
#include <vector>

#include "rollout_engine/core/judge_snapshot.h"

namespace sluice {

struct Suspects {
  std::string scope;                 // of the finding: "fleet", a hardware, "" = there is none
  std::vector<std::string> devices;  // that speak for it the loudest first, at most kSuspectsMax
};
inline constexpr std::size_t kSuspectsMax = 20;

/// Of a ratio: the tolerated share of devices (tau) that weigh most. Of what counts devices: those
/// that it counts.
Suspects FindSuspects(const JudgeInput& input, const JudgeOutput& output);

}  // namespace sluice
