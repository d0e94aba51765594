// RolloutSpec: what a rollout file says, every default filled in and every inherited value
// resolved.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/contract/directive.h"
#include "common/contract/limits.h"

namespace sluice {

/// 1/1000 %, so that 0.5 % of a fleet is exact arithmetic. 100,000 = 100 %.
using MilliPercent = std::int32_t;
inline constexpr MilliPercent kAllMilliPercent = 100'000;

/// A criterion without a value is not tested and not needed to promote. Rates are 0..1.
struct SuccessCriteria {
  std::optional<double> error_rate_max;
  std::optional<double> latency_p99_max_ms;
  std::optional<double> accuracy_drop_max;
  double lost_device_rate_max = 0.02;  // these three: above what the control arm shows
  double crash_device_rate_max = 0.02;
  double unhealthy_device_rate_max = 0.02;
  double install_failure_rate_max = 0.05;
  double memory_increase_max_percent = 20;

  /// What a Directive carries; 0 = the manifest's own limit.
  [[nodiscard]] std::uint32_t LatencyLimitUs() const {
    return static_cast<std::uint32_t>(std::lround(latency_p99_max_ms.value_or(0) * 1'000));
  }
  friend bool operator==(const SuccessCriteria&, const SuccessCriteria&) = default;
};

enum class Approval : std::uint8_t { kNone, kBefore, kAfter };

struct StageSpec {
  std::string name;
  MilliPercent target = kAllMilliPercent;  // cumulative share of the eligible devices
  std::int64_t duration_ms = limits::kDay;
  std::int64_t max_duration_ms = 3 * limits::kDay;
  SuccessCriteria criteria;
  std::int32_t min_devices = 20;
  MilliPercent min_completion = 80'000;
  Approval approval = Approval::kNone;
  friend bool operator==(const StageSpec&, const StageSpec&) = default;
};

/// How fast permits are given: waves of `initial_devices`, times `factor` every `every_ms`.
struct RateSpec {
  std::int32_t initial_devices = 20;
  double factor = 2;
  std::int64_t every_ms = 600 * limits::kSecond;
  std::int32_t max_per_minute = 1'000;
  bool require_success = true;  // a wave grows only when 80 % of the last one is healthy
  friend bool operator==(const RateSpec&, const RateSpec&) = default;
};

struct TransferSpec {
  double budget_factor = 1.25;
  std::uint64_t max_bytes_per_device = 0;  // 0 = no limit; wins over the factor
  std::int32_t attempts = 3;
  std::int32_t concurrent_per_site = 0;  // 0 = no limit
  friend bool operator==(const TransferSpec&, const TransferSpec&) = default;
};

struct ActivationSpec {
  ActivationMode mode = ActivationMode::kAsk;
  std::int32_t min_inferences = 100;
  std::int64_t telemetry_interval_ms = 0;  // 0 = the health check interval
  friend bool operator==(const ActivationSpec&, const ActivationSpec&) = default;
};

enum class Membership : std::uint8_t { kJoiners, kFrozen };
enum class DecisionRule : std::uint8_t { kEvidence, kPointEstimate };
enum class PerHardware : std::uint8_t { kRollback, kExcludeModel, kOff };
enum class OnInconclusive : std::uint8_t { kHold, kPromote };
enum class RollBackScope : std::uint8_t { kRollout, kStage };

struct RollbackSpec {
  bool auto_rollback = true;
  std::int64_t health_check_interval_ms = 300 * limits::kSecond;
  DecisionRule decision = DecisionRule::kEvidence;
  double false_rollback_probability = 0.01;  // per stage
  double promote_confidence = 0.95;
  double tolerated_outlier_fraction = 0.02;
  std::int64_t epoch_ms = 60 * limits::kMinute;
  std::int32_t silent_after_intervals = 3;
  PerHardware per_hardware = PerHardware::kRollback;
  OnInconclusive on_inconclusive = OnInconclusive::kHold;
  RollBackScope scope = RollBackScope::kRollout;
  std::int64_t confirm_deadline_ms = 900 * limits::kSecond;
  friend bool operator==(const RollbackSpec&, const RollbackSpec&) = default;
};

struct VariantSpec {
  std::string version;
  std::int32_t weight = 1;
  friend bool operator==(const VariantSpec&, const VariantSpec&) = default;
};

/// A device fits when each term equals its attribute; "hardware" is one of them.
struct SelectorTerm {
  std::string key;
  std::string value;
  friend bool operator==(const SelectorTerm&, const SelectorTerm&) = default;
};

struct RolloutSpec {
  std::string model_version;
  std::string salt;  // "" = the rollout's id
  std::vector<SelectorTerm> selector;
  std::vector<VariantSpec> variants;
  MilliPercent holdback = 0;
  std::int64_t baseline_ms = 24 * limits::kHour;
  Membership membership = Membership::kJoiners;
  std::int32_t priority = 0;
  RateSpec rate;
  TransferSpec transfer;
  ActivationSpec activation;
  ActivationWindow maintenance_window;  // in the device's local time
  std::vector<StageSpec> stages;        // targets rise, the last is 100 %
  RollbackSpec rollback;

  /// How many releases it compares; 1 = it just rolls one out.
  [[nodiscard]] std::size_t VariantCount() const { return variants.empty() ? 1 : variants.size(); }
  /// What devices of a variant install. With variants, model_version is the name of the comparison.
  [[nodiscard]] const std::string& ReleaseName(std::size_t variant) const {
    return variants.empty() ? model_version : variants[variant].version;
  }
  [[nodiscard]] std::int64_t TelemetryIntervalMs() const {
    return activation.telemetry_interval_ms > 0 ? activation.telemetry_interval_ms
                                                : rollback.health_check_interval_ms;
  }
  friend bool operator==(const RolloutSpec&, const RolloutSpec&) = default;
};

}  // namespace sluice
