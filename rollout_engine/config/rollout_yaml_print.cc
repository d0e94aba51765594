// PrintRolloutYaml: a spec as the file that gives it back.
#include <array>
#include <charconv>

#include "rollout_engine/config/rollout_yaml.h"

namespace sluice {
namespace {

/// The shortest decimal that reads back as the same double, never with an exponent.
std::string Number(double value) {
  std::array<char, 400> text;
  const auto end =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  return std::string(text.data(), end.ptr);
}

std::string InUnits(std::int64_t ms, std::int64_t unit_ms) {
  return Number(static_cast<double>(ms) / static_cast<double>(unit_ms));
}

std::string Percent(MilliPercent percent) { return Number(percent / 1'000.0); }

std::string Quoted(const std::string& text) { return "\"" + text + "\""; }

std::string Truth(bool value) { return value ? "true" : "false"; }

std::string TimeOfDay(std::uint16_t minute) {
  const auto two = [](int value) { return (value < 10 ? "0" : "") + std::to_string(value); };
  return two(minute / 60) + ":" + two(minute % 60);
}

/// Lines of "key: value" at one depth.
class Lines {
 public:
  explicit Lines(std::string indent) : indent_(std::move(indent)) {}
  void Add(const std::string& key, const std::string& value) {
    text_ += indent_ + key + ": " + value + "\n";
  }
  void AddNumber(const std::string& key, double value) { Add(key, Number(value)); }
  void AddNumber(const std::string& key, const std::optional<double>& value) {
    if (value.has_value()) Add(key, Number(*value));
  }
  void AddWhole(const std::string& key, std::int64_t value) { Add(key, std::to_string(value)); }
  void Open(const std::string& key) { text_ += indent_ + key + ":\n"; }
  void Append(const std::string& text) { text_ += text; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string indent_;
  std::string text_;
};

std::string PrintCriteria(const SuccessCriteria& criteria) {
  Lines lines("        ");
  lines.AddNumber("error_rate_max", criteria.error_rate_max);
  lines.AddNumber("latency_p99_max_ms", criteria.latency_p99_max_ms);
  lines.AddNumber("accuracy_drop_max", criteria.accuracy_drop_max);
  lines.AddNumber("lost_device_rate_max", criteria.lost_device_rate_max);
  lines.AddNumber("crash_device_rate_max", criteria.crash_device_rate_max);
  lines.AddNumber("unhealthy_device_rate_max", criteria.unhealthy_device_rate_max);
  lines.AddNumber("install_failure_rate_max", criteria.install_failure_rate_max);
  lines.AddNumber("memory_increase_max_percent", criteria.memory_increase_max_percent);
  return lines.text();
}

std::string PrintStage(const StageSpec& stage) {
  constexpr std::array kApprovals = {"none", "before", "after"};
  Lines lines("      ");
  lines.Add("target_percent", Percent(stage.target));
  lines.Add("duration_hours", InUnits(stage.duration_ms, limits::kHour));
  lines.Open("success_criteria");
  lines.Append(PrintCriteria(stage.criteria));
  lines.AddWhole("min_devices", stage.min_devices);
  lines.Add("min_completion_percent", Percent(stage.min_completion));
  lines.Add("max_duration_hours", InUnits(stage.max_duration_ms, limits::kHour));
  lines.Add("approval", kApprovals[static_cast<std::size_t>(stage.approval)]);
  return "    - name: " + Quoted(stage.name) + "\n" + lines.text();
}

std::string PrintRollback(const RollbackSpec& rollback) {
  constexpr std::array kDecisions = {"evidence", "point_estimate"};
  constexpr std::array kPerHardware = {"rollback", "exclude_model", "off"};
  constexpr std::array kInconclusive = {"hold", "promote"};
  constexpr std::array kScopes = {"rollout", "stage"};
  Lines lines("    ");
  lines.Add("auto_rollback", Truth(rollback.auto_rollback));
  lines.Add("health_check_interval_sec",
            InUnits(rollback.health_check_interval_ms, limits::kSecond));
  lines.Add("decision", kDecisions[static_cast<std::size_t>(rollback.decision)]);
  lines.AddNumber("false_rollback_probability", rollback.false_rollback_probability);
  lines.AddNumber("promote_confidence", rollback.promote_confidence);
  lines.AddNumber("tolerated_outlier_fraction", rollback.tolerated_outlier_fraction);
  lines.Add("epoch_minutes", InUnits(rollback.epoch_ms, limits::kMinute));
  lines.AddWhole("silent_after_intervals", rollback.silent_after_intervals);
  lines.Add("per_hardware", kPerHardware[static_cast<std::size_t>(rollback.per_hardware)]);
  lines.Add("on_inconclusive", kInconclusive[static_cast<std::size_t>(rollback.on_inconclusive)]);
  lines.Add("scope", kScopes[static_cast<std::size_t>(rollback.scope)]);
  lines.Add("confirm_deadline_sec", InUnits(rollback.confirm_deadline_ms, limits::kSecond));
  return lines.text();
}

std::string PrintSelector(const std::vector<SelectorTerm>& selector) {
  std::string text;
  for (const SelectorTerm& term : selector)
    text += (text.empty() ? "" : ",") + term.key + "=" + term.value;
  return Quoted(text);
}

std::string PrintVariants(const std::vector<VariantSpec>& variants) {
  std::string text;
  for (const VariantSpec& variant : variants) {
    text += (text.empty() ? "" : ", ") + std::string("{version: ") + Quoted(variant.version) +
            ", weight: " + std::to_string(variant.weight) + "}";
  }
  return "[" + text + "]";
}

std::string PrintWindow(const ActivationWindow& window) {
  if (window.open_minute == window.close_minute) return "{}";
  return "{start: " + Quoted(TimeOfDay(window.open_minute)) +
         ", end: " + Quoted(TimeOfDay(window.close_minute)) + ", tz: device}";
}

std::string PrintRate(const RateSpec& rate) {
  return "{initial_devices: " + std::to_string(rate.initial_devices) +
         ", factor: " + Number(rate.factor) +
         ", every_sec: " + InUnits(rate.every_ms, limits::kSecond) +
         ", max_per_minute: " + std::to_string(rate.max_per_minute) +
         ", require_success: " + Truth(rate.require_success) + "}";
}

std::string PrintTransfer(const TransferSpec& transfer) {
  return "{budget_factor: " + Number(transfer.budget_factor) +
         ", max_bytes_per_device: " + std::to_string(transfer.max_bytes_per_device) +
         ", attempts: " + std::to_string(transfer.attempts) +
         ", concurrent_per_site: " + std::to_string(transfer.concurrent_per_site) + "}";
}

std::string PrintActivation(const ActivationSpec& activation) {
  return std::string("{mode: ") + (activation.mode == ActivationMode::kAsk ? "ask" : "free") +
         ", min_inferences: " + std::to_string(activation.min_inferences) +
         ", telemetry_interval_sec: " + InUnits(activation.telemetry_interval_ms, limits::kSecond) +
         "}";
}

}  // namespace

std::string PrintRolloutYaml(const RolloutSpec& spec) {
  Lines lines("  ");
  lines.Add("model_version", Quoted(spec.model_version));
  lines.Add("salt", Quoted(spec.salt));
  lines.Add("selector", PrintSelector(spec.selector));
  lines.Add("variants", PrintVariants(spec.variants));
  lines.Add("holdback_percent", Percent(spec.holdback));
  lines.Add("baseline_hours", InUnits(spec.baseline_ms, limits::kHour));
  lines.Add("membership", spec.membership == Membership::kJoiners ? "joiners" : "frozen");
  lines.AddWhole("priority", spec.priority);
  lines.Add("rate", PrintRate(spec.rate));
  lines.Add("transfer", PrintTransfer(spec.transfer));
  lines.Add("activation", PrintActivation(spec.activation));
  lines.Add("maintenance_window", PrintWindow(spec.maintenance_window));
  lines.Open("stages");
  for (const StageSpec& stage : spec.stages) lines.Append(PrintStage(stage));
  lines.Open("rollback");
  lines.Append(PrintRollback(spec.rollback));
  return "rollout:\n" + lines.text();
}

}  // namespace sluice
