// One simulated run of one stage: cohort, ramp and judge of the engine on a synthetic fleet.
#pragma once

#include <cstdint>
#include <functional>

#include "rollout_engine/core/judge_snapshot.h"
#include "rollout_engine/core/rollout_spec.h"
#include "rollout_engine/simulate/scenario.h"

namespace sluice {

struct SimulatedStage {
  RolloutSpec spec;
  std::int32_t stage = 0;
  std::size_t fleet = 10'000;
  /// Fewer than the engine takes (kControlDevicesMax): the same verdicts, with a little less power,
  /// in a fraction of the time.
  std::size_t control_max = 2'000;
};

enum class StageEnd : std::uint8_t { kPromoted, kHeld, kRolledBack };

struct StageRunResult {
  StageEnd end = StageEnd::kHeld;
  double minutes = 0;  // since the first activation
  std::size_t exposed = 0;
  std::size_t affected = 0;  // of them, those that the release is bad for
  std::int32_t looks = 0;
  friend bool operator==(const StageRunResult&, const StageRunResult&) = default;
};

/// Called after each look of a run.
using LookObserver = std::function<void(const JudgeInput&, const JudgeOutput&)>;

/// Pure: the same arguments give the same result. REQUIRES: spec.stages[stage], fleet >= 1.
StageRunResult RunStage(const SimulatedStage& stage, const Scenario& scenario, DecisionRule rule,
                        std::uint64_t seed, const LookObserver& observe = nullptr);

}  // namespace sluice
