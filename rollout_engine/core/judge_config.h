// What a rollout file asks of the judge in one stage.
#pragma once

#include <string>
#include <vector>

#include "rollout_engine/core/judge_snapshot.h"
#include "rollout_engine/core/rollout_spec.h"

namespace sluice {

/// p99 over the limit <=> more than this share of the inferences is slower than the limit.
inline constexpr double kSlowShareMax = 0.01;

/// `strata` = the hardware models that are judged on their own. REQUIRES: spec.stages[stage].
JudgeConfig MakeJudgeConfig(const RolloutSpec& spec, std::int32_t stage,
                            std::vector<std::string> strata);

}  // namespace sluice
