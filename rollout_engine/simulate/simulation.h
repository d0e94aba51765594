// Many simulated runs of a stage by one rule, and what can be said of the rule after them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "rollout_engine/simulate/stage_run.h"

namespace sluice {

struct SimulationOptions {
  SimulatedStage stage;
  std::int32_t runs = 100;
  std::uint64_t seed = 1;
  std::int32_t threads = 1;
};

struct SimulationSummary {
  std::int32_t runs = 0;
  std::int32_t rolled_back = 0, held = 0, promoted = 0;
  /// The upper end of the one-sided 95 % interval of the share that is rolled back.
  double rolled_back_upper95 = 1;
  /// Over the runs that were rolled back; -1 = none was.
  double minutes_median = -1, minutes_max = -1;
  double exposed_median = 0, exposed_max = 0;
  /// Promoted although at least four of the exposed devices were affected: fewer cannot be judged.
  std::int32_t promoted_with_evidence = 0;
};

/// Called after each run with the number of those that are done, by one thread at a time.
using RunObserver = std::function<void(std::int32_t done)>;

/// Spreads the runs over threads; the results do not depend on how many.
std::vector<StageRunResult> SimulateRuns(const SimulationOptions& options, const Scenario& scenario,
                                         DecisionRule rule, const RunObserver& observe = nullptr);
SimulationSummary Summarise(const std::vector<StageRunResult>& results);

/// The largest share under which at most `events` of `trials` still have a probability of 5 %
/// (Clopper and Pearson, one-sided).
double UpperBound95(std::int32_t events, std::int32_t trials);

}  // namespace sluice
