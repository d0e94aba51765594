// A rehearsal: what the judge would say at the end of each soak if the release were exactly as good
// as what runs now. Tells before the start what a stage can find and whether it can decide at all.
#pragma once

#include <string>
#include <vector>

#include "rollout_engine/core/look.h"

namespace sluice {

/// What one criterion can show of one scope at the end of a stage's soak.
struct RehearsedCriterion {
  std::string criterion;
  std::string scope;    // "fleet" or a hardware
  bool judged = false;  // there are devices and history enough to say the rest
  std::int64_t devices = 0;
  double observed = 0;  // today
  double limit = 0;
  /// The smallest true value that would be rolled back: limit + b sqrt(V) with V from the devices'
  /// own history; of what counts devices, the smallest share. Above 1 = none.
  double detectable = 0;
  bool promotable = false;
};

struct RehearsedStage {
  std::vector<std::string> devices;          // of the stage's own cohort
  std::vector<RehearsedCriterion> criteria;  // cumulative windows
  Decision decision = Decision::kHold;       // of the worst variant
  std::string sentence;                      // of that
};

/// By the rule that the file names. Several variants are compared in the first stage; later ones
/// take one of them for the winner. History counts as it is, without the correction by a history
/// of its own: a real look is at least as sharp. E_CFG_NO_DEVICES.
Result<std::vector<RehearsedStage>> Rehearse(RolloutSpec spec, const Started& started,
                                             const FleetTelemetry& fleet, BootMs now);

}  // namespace sluice
