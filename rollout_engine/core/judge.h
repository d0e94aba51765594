// The judge: one look at a stage's devices gives a decision, the statistics behind it and the
// sentence for people.
#pragma once

#include "rollout_engine/core/judge_snapshot.h"
#include "rollout_engine/core/look_table.h"

namespace sluice {

/// Rolls back only on what is shown violated, promotes only on what is shown satisfied. Pure and
/// deterministic. REQUIRES: 0 <= y <= n and finite numbers, alpha and limits in (0, 1), delta and
/// tau in [0, 1), counts >= 1.
JudgeOutput Judge(const JudgeInput& input);
/// The same of devices that were read elsewhere; `input.devices` is not.
JudgeOutput Judge(const JudgeInput& input, const LookTable& table);

/// The rule `decision: point_estimate`: the last interval's ratios (the epoch windows) against the
/// limits, literally, beside the same verdict tests. An interval without data holds.
JudgeOutput JudgePointEstimate(const JudgeInput& input);
JudgeOutput JudgePointEstimate(const JudgeInput& input, const LookTable& table);

}  // namespace sluice
