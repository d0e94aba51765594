#include "rollout_engine/core/judge_config.h"

#include <utility>

#include "rollout_engine/core/rollout.h"

namespace sluice {

JudgeConfig MakeJudgeConfig(const RolloutSpec& spec, std::int32_t stage_index,
                            std::vector<std::string> strata) {
  const StageSpec& stage = spec.stages[static_cast<std::size_t>(stage_index)];
  const SuccessCriteria& criteria = stage.criteria;
  const RollbackSpec& rules = spec.rollback;
  JudgeConfig config;
  config.limits[static_cast<std::size_t>(Metric::kErrorRate)] = criteria.error_rate_max;
  if (criteria.latency_p99_max_ms.has_value()) {
    config.limits[static_cast<std::size_t>(Metric::kLatencyExceed)] = kSlowShareMax;
  }
  config.limits[static_cast<std::size_t>(Metric::kAccuracyDrop)] = criteria.accuracy_drop_max;
  config.deltas = {criteria.lost_device_rate_max, criteria.crash_device_rate_max,
                   criteria.unhealthy_device_rate_max};
  config.alpha = rules.false_rollback_probability;
  config.promote_alpha = 1 - rules.promote_confidence;
  config.planned_looks = PlannedLooks(spec, stage_index);
  config.epochs = PlannedEpochs(spec, stage_index);
  config.tau = rules.tolerated_outlier_fraction;
  config.interval_s = static_cast<double>(rules.health_check_interval_ms) / 1'000;
  config.grace_looks = rules.silent_after_intervals;
  config.min_devices = stage.min_devices;
  config.extendable = stage.max_duration_ms > stage.duration_ms;
  config.strata = std::move(strata);
  return config;
}

}  // namespace sluice
