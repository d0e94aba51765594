#include "rollout_engine/config/rollout_yaml.h"

#include <algorithm>
#include <set>

#include "common/contract/topics.h"
#include "rollout_engine/config/yaml_reader.h"

namespace sluice {
namespace {

constexpr double kHoursMax = 366 * 24;  // of a stage
constexpr double kSecondsMax = 86'400;
constexpr double kCountMax = 1'000'000;
constexpr double kBytesMax = 9'007'199'254'740'992;  // 2^53: exact in a double
constexpr double kLatencyMsMax = 3'600'000;
constexpr int kMinutesPerDay = 24 * 60;

constexpr NumberRange kTargetRange{.low = 0, .high = 100, .low_allowed = false, .unit = "%"};
constexpr NumberRange kHoursRange{
    .low = 0, .high = kHoursMax, .low_allowed = false, .unit = "hours"};
constexpr NumberRange kMaxHoursRange{
    .low = 0, .high = 3 * kHoursMax, .low_allowed = false, .unit = "hours"};
constexpr NumberRange kLimitRange{.low = 0, .high = 1, .low_allowed = false, .high_allowed = false};
constexpr NumberRange kAllowanceRange{.low = 0, .high = 1, .high_allowed = false};
constexpr NumberRange kShareRange{.low = 0, .high = 1};
constexpr NumberRange kIntervalRange{
    .low = 5, .high = kSecondsMax, .whole = true, .unit = "seconds"};

Status ReadCriteria(const YamlNode& node, const std::string& path, SuccessCriteria& criteria) {
  SLUICE_ASSIGN(const YamlReader reader,
                YamlReader::Open(
                    node, path,
                    {"error_rate_max", "latency_p99_max_ms", "accuracy_drop_max",
                     "lost_device_rate_max", "crash_device_rate_max", "unhealthy_device_rate_max",
                     "install_failure_rate_max", "memory_increase_max_percent"}));
  SLUICE_TRY(reader.Number("error_rate_max", kLimitRange, criteria.error_rate_max));
  SLUICE_TRY(reader.Number("latency_p99_max_ms",
                           {.low = 0, .high = kLatencyMsMax, .low_allowed = false, .unit = "ms"},
                           criteria.latency_p99_max_ms));
  SLUICE_TRY(reader.Number("accuracy_drop_max", kLimitRange, criteria.accuracy_drop_max));
  SLUICE_TRY(reader.Number("lost_device_rate_max", kAllowanceRange, criteria.lost_device_rate_max));
  SLUICE_TRY(
      reader.Number("crash_device_rate_max", kAllowanceRange, criteria.crash_device_rate_max));
  SLUICE_TRY(reader.Number("unhealthy_device_rate_max", kAllowanceRange,
                           criteria.unhealthy_device_rate_max));
  SLUICE_TRY(
      reader.Number("install_failure_rate_max", kShareRange, criteria.install_failure_rate_max));
  SLUICE_TRY(reader.Number("memory_increase_max_percent", {.low = 0, .high = 10'000, .unit = "%"},
                           criteria.memory_increase_max_percent));
  return {};
}

/// A stage takes the criteria and the duration of the one before when it does not name its own.
Status ReadStage(const YamlNode& node, const std::string& path, const StageSpec* before,
                 StageSpec& stage) {
  SLUICE_ASSIGN(const YamlReader reader,
                YamlReader::Open(
                    node, path,
                    {"name", "target_percent", "duration_hours", "success_criteria", "min_devices",
                     "min_completion_percent", "max_duration_hours", "approval"}));
  if (before != nullptr) {
    stage.duration_ms = before->duration_ms;
    stage.criteria = before->criteria;
  }
  SLUICE_TRY(reader.Require("name"));
  SLUICE_TRY(reader.Require("target_percent"));
  SLUICE_TRY(reader.Id("name", stage.name));
  if (!IsTopicLevel(stage.name)) {
    return reader.Complain(ErrorCode::kBadId, "name",
                           Shown(stage.name) + "; allowed [A-Za-z0-9_-]{1,64}");
  }
  SLUICE_TRY(reader.Percent("target_percent", kTargetRange, stage.target));
  SLUICE_TRY(reader.Duration("duration_hours", kHoursRange, limits::kHour, stage.duration_ms));
  stage.max_duration_ms = 3 * stage.duration_ms;
  SLUICE_TRY(
      reader.Duration("max_duration_hours", kMaxHoursRange, limits::kHour, stage.max_duration_ms));
  if (stage.max_duration_ms < stage.duration_ms) {
    return reader.Complain(ErrorCode::kCfgRange, "max_duration_hours",
                           "shorter than the stage's duration_hours");
  }
  if (const YamlEntry* criteria = reader.Find("success_criteria")) {
    stage.criteria = {};
    SLUICE_TRY(ReadCriteria(criteria->value, reader.PathOf("success_criteria"), stage.criteria));
  }
  SLUICE_TRY(reader.Whole("min_devices", {.low = 1, .high = kCountMax}, stage.min_devices));
  SLUICE_TRY(reader.Percent("min_completion_percent", {.low = 0, .high = 100, .unit = "%"},
                            stage.min_completion));
  return reader.OneOf<Approval>(
      "approval",
      {{"none", Approval::kNone}, {"before", Approval::kBefore}, {"after", Approval::kAfter}},
      stage.approval);
}

Status CheckStageAgainstFormer(const StageSpec& stage, const StageSpec& former,
                               const std::string& path, int line) {
  if (stage.target > former.target) return {};
  return Fail(ErrorCode::kCfgOrder, path + ".target_percent, line " + std::to_string(line) +
                                        ": not above that of stage " + former.name +
                                        "; stages must grow");
}

Status ReadStages(const YamlReader& rollout, std::vector<StageSpec>& stages) {
  SLUICE_TRY(rollout.Require("stages"));
  const YamlNode& list = rollout.Find("stages")->value;
  if (list.kind != YamlNode::Kind::kSequence) {
    return rollout.Complain(ErrorCode::kYamlType, "stages", "expected a list of stages");
  }
  if (list.items.empty() || list.items.size() > kStagesMax) {
    return rollout.Complain(
        list.items.empty() ? ErrorCode::kCfgIncomplete : ErrorCode::kCfgRange, "stages",
        std::to_string(list.items.size()) + " stages; allowed 1 to " + std::to_string(kStagesMax));
  }
  std::set<std::string> names;
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    const YamlNode& item = list.items[i];
    const std::string path = "stages[" + std::to_string(i) + "]";
    StageSpec stage;
    SLUICE_TRY(ReadStage(item, path, stages.empty() ? nullptr : &stages.back(), stage));
    if (!stages.empty()) SLUICE_TRY(CheckStageAgainstFormer(stage, stages.back(), path, item.line));
    if (!names.insert(stage.name).second) {
      return Fail(ErrorCode::kCfgRange, path + ".name, line " + std::to_string(item.line) + ": \"" +
                                            stage.name +
                                            "\" is the name of two stages; rename one");
    }
    stages.push_back(std::move(stage));
  }
  if (stages.back().target == kAllMilliPercent) return {};
  return rollout.Complain(ErrorCode::kCfgIncomplete, "stages",
                          "the last stage must have target_percent 100");
}

Status ReadRate(const YamlNode& node, RateSpec& rate) {
  SLUICE_ASSIGN(const YamlReader reader, YamlReader::Open(node, "rate",
                                                          {"initial_devices", "factor", "every_sec",
                                                           "max_per_minute", "require_success"}));
  SLUICE_TRY(reader.Whole("initial_devices", {.low = 1, .high = kCountMax}, rate.initial_devices));
  SLUICE_TRY(reader.Number("factor", {.low = 1, .high = 10}, rate.factor));
  SLUICE_TRY(reader.Duration("every_sec", {.low = 1, .high = kSecondsMax, .unit = "seconds"},
                             limits::kSecond, rate.every_ms));
  SLUICE_TRY(reader.Whole("max_per_minute", {.low = 1, .high = kCountMax}, rate.max_per_minute));
  return reader.Boolean("require_success", rate.require_success);
}

Status ReadTransfer(const YamlNode& node, TransferSpec& transfer) {
  SLUICE_ASSIGN(const YamlReader reader, YamlReader::Open(node, "transfer",
                                                          {"budget_factor", "max_bytes_per_device",
                                                           "attempts", "concurrent_per_site"}));
  SLUICE_TRY(reader.Number("budget_factor", {.low = 1, .high = 100}, transfer.budget_factor));
  SLUICE_TRY(reader.Whole("max_bytes_per_device", {.low = 0, .high = kBytesMax, .unit = "bytes"},
                          transfer.max_bytes_per_device));
  SLUICE_TRY(reader.Whole("attempts", {.low = 1, .high = 1'000}, transfer.attempts));
  return reader.Whole("concurrent_per_site", {.low = 0, .high = kCountMax},
                      transfer.concurrent_per_site);
}

Status ReadActivation(const YamlNode& node, ActivationSpec& activation) {
  SLUICE_ASSIGN(
      const YamlReader reader,
      YamlReader::Open(node, "activation", {"mode", "min_inferences", "telemetry_interval_sec"}));
  SLUICE_TRY(reader.OneOf<ActivationMode>(
      "mode", {{"ask", ActivationMode::kAsk}, {"free", ActivationMode::kFree}}, activation.mode));
  SLUICE_TRY(
      reader.Whole("min_inferences", {.low = 0, .high = kCountMax}, activation.min_inferences));
  std::int64_t seconds = activation.telemetry_interval_ms / limits::kSecond;
  SLUICE_TRY(reader.Whole("telemetry_interval_sec",
                          {.low = 0, .high = kSecondsMax, .unit = "seconds"}, seconds));
  if (seconds != 0 && !kIntervalRange.Holds(static_cast<double>(seconds))) {
    return reader.Complain(ErrorCode::kCfgRange, "telemetry_interval_sec",
                           std::to_string(seconds) + "; allowed 0 or " + kIntervalRange.Text());
  }
  activation.telemetry_interval_ms = seconds * limits::kSecond;
  return {};
}

/// "HH:MM" as minutes of the day, or nothing.
std::optional<std::uint16_t> ParseMinute(std::string_view text) {
  const auto digit = [&](std::size_t i) { return text[i] - '0'; };
  if (text.size() != 5 || text[2] != ':') return std::nullopt;
  for (const std::size_t i : {0U, 1U, 3U, 4U}) {
    if (digit(i) < 0 || digit(i) > 9) return std::nullopt;
  }
  const int hour = digit(0) * 10 + digit(1);
  const int minute = digit(3) * 10 + digit(4);
  if (hour * 60 + minute >= kMinutesPerDay || minute > 59) return std::nullopt;
  return static_cast<std::uint16_t>(hour * 60 + minute);
}

Status ReadMinute(const YamlReader& reader, std::string_view key, std::uint16_t& minute) {
  SLUICE_TRY(reader.Require(key));
  std::string text;
  SLUICE_TRY(reader.Text(key, text));
  const std::optional<std::uint16_t> parsed = ParseMinute(text);
  if (!parsed.has_value()) {
    return reader.Complain(ErrorCode::kCfgRange, key,
                           Shown(text) + "; allowed \"00:00\" to \"23:59\"");
  }
  minute = *parsed;
  return {};
}

Status ReadWindow(const YamlNode& node, ActivationWindow& window) {
  SLUICE_ASSIGN(const YamlReader reader,
                YamlReader::Open(node, "maintenance_window", {"start", "end", "tz"}));
  if (node.entries.empty()) return {};  // {} = always open
  SLUICE_TRY(ReadMinute(reader, "start", window.open_minute));
  SLUICE_TRY(ReadMinute(reader, "end", window.close_minute));
  if (window.open_minute == window.close_minute) {
    return reader.Complain(ErrorCode::kCfgRange, "end",
                           "the same as start; write {} for a window that never closes");
  }
  enum class Zone { kDevice } zone = Zone::kDevice;
  return reader.OneOf<Zone>("tz", {{"device", Zone::kDevice}}, zone);
}

Status ReadRollback(const YamlNode& node, RollbackSpec& rollback) {
  SLUICE_ASSIGN(
      const YamlReader reader,
      YamlReader::Open(node, "rollback",
                       {"auto_rollback", "health_check_interval_sec", "decision",
                        "false_rollback_probability", "promote_confidence",
                        "tolerated_outlier_fraction", "epoch_minutes", "silent_after_intervals",
                        "per_hardware", "on_inconclusive", "scope", "confirm_deadline_sec"}));
  SLUICE_TRY(reader.Boolean("auto_rollback", rollback.auto_rollback));
  SLUICE_TRY(reader.Duration("health_check_interval_sec", kIntervalRange, limits::kSecond,
                             rollback.health_check_interval_ms));
  SLUICE_TRY(reader.OneOf<DecisionRule>(
      "decision",
      {{"evidence", DecisionRule::kEvidence}, {"point_estimate", DecisionRule::kPointEstimate}},
      rollback.decision));
  SLUICE_TRY(reader.Number("false_rollback_probability",
                           {.low = 0, .high = 0.5, .low_allowed = false},
                           rollback.false_rollback_probability));
  SLUICE_TRY(reader.Number("promote_confidence", {.low = 0.5, .high = 1, .high_allowed = false},
                           rollback.promote_confidence));
  SLUICE_TRY(reader.Number("tolerated_outlier_fraction", {.low = 0, .high = 0.5},
                           rollback.tolerated_outlier_fraction));
  SLUICE_TRY(reader.Duration("epoch_minutes", {.low = 1, .high = kMinutesPerDay, .unit = "minutes"},
                             limits::kMinute, rollback.epoch_ms));
  SLUICE_TRY(reader.Whole("silent_after_intervals", {.low = 1, .high = 1'000},
                          rollback.silent_after_intervals));
  SLUICE_TRY(reader.OneOf<PerHardware>("per_hardware",
                                       {{"rollback", PerHardware::kRollback},
                                        {"exclude_model", PerHardware::kExcludeModel},
                                        {"off", PerHardware::kOff}},
                                       rollback.per_hardware));
  SLUICE_TRY(reader.OneOf<OnInconclusive>(
      "on_inconclusive", {{"hold", OnInconclusive::kHold}, {"promote", OnInconclusive::kPromote}},
      rollback.on_inconclusive));
  SLUICE_TRY(reader.OneOf<RollBackScope>(
      "scope", {{"rollout", RollBackScope::kRollout}, {"stage", RollBackScope::kStage}},
      rollback.scope));
  return reader.Duration("confirm_deadline_sec", {.low = 1, .high = kSecondsMax, .unit = "seconds"},
                         limits::kSecond, rollback.confirm_deadline_ms);
}

Status ReadVariants(const YamlReader& rollout, std::vector<VariantSpec>& variants) {
  const YamlEntry* entry = rollout.Find("variants");
  if (entry == nullptr) return {};
  const YamlNode& list = entry->value;
  if (list.kind != YamlNode::Kind::kSequence || list.items.size() > kVariantsMax) {
    return rollout.Complain(
        ErrorCode::kYamlType, "variants",
        "expected a list of at most " + std::to_string(kVariantsMax) + " variants");
  }
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    const std::string path = "variants[" + std::to_string(i) + "]";
    SLUICE_ASSIGN(const YamlReader reader,
                  YamlReader::Open(list.items[i], path, {"version", "weight"}));
    VariantSpec variant;
    SLUICE_TRY(reader.Require("version"));
    SLUICE_TRY(reader.Id("version", variant.version));
    SLUICE_TRY(reader.Whole("weight", {.low = 1, .high = 1'000}, variant.weight));
    for (const VariantSpec& other : variants) {
      if (other.version != variant.version) continue;
      return reader.Complain(ErrorCode::kCfgRange, "version",
                             Shown(variant.version) + " is a variant already; name it once");
    }
    variants.push_back(std::move(variant));
  }
  if (variants.size() == 1) {
    return rollout.Complain(ErrorCode::kCfgRange, "variants",
                            "one variant is compared with nothing; name two or more, or none and "
                            "its release as model_version");
  }
  return {};
}

/// "hardware=jetson,site=a"
Status ReadSelector(const YamlReader& rollout, std::vector<SelectorTerm>& selector) {
  std::string text;
  SLUICE_TRY(rollout.Text("selector", text));
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const std::string term = text.substr(0, comma);
    const std::size_t equals = std::min(term.find('='), term.size());
    const std::string key = term.substr(0, equals);
    const std::string value = equals < term.size() ? term.substr(equals + 1) : "";
    const bool ends_in_comma = comma + 1 == text.size();
    if (!IsRegistryId(key) || !IsRegistryId(value) || ends_in_comma ||
        selector.size() >= limits::kAttributesMax) {
      return rollout.Complain(
          ErrorCode::kCfgRange, "selector",
          Shown(term) + "; allowed name=value terms of [A-Za-z0-9._-], at most " +
              std::to_string(limits::kAttributesMax) + " with commas between them");
    }
    selector.push_back({key, value});
    text.erase(0, comma + 1);
  }
  return {};
}

Status ReadSections(const YamlReader& rollout, RolloutSpec& spec) {
  const auto section = [&](std::string_view key, auto read, auto& target) -> Status {
    const YamlEntry* entry = rollout.Find(key);
    return entry == nullptr ? Status{} : read(entry->value, target);
  };
  SLUICE_TRY(section("rate", ReadRate, spec.rate));
  SLUICE_TRY(section("transfer", ReadTransfer, spec.transfer));
  SLUICE_TRY(section("activation", ReadActivation, spec.activation));
  SLUICE_TRY(section("maintenance_window", ReadWindow, spec.maintenance_window));
  return section("rollback", ReadRollback, spec.rollback);
}

Result<RolloutSpec> ReadRollout(const YamlNode& node) {
  SLUICE_ASSIGN(
      const YamlReader rollout,
      YamlReader::Open(node, "",
                       {"model_version", "salt", "selector", "variants", "holdback_percent",
                        "baseline_hours", "membership", "priority", "rate", "transfer",
                        "activation", "maintenance_window", "stages", "rollback"}));
  RolloutSpec spec;
  SLUICE_TRY(rollout.Require("model_version"));
  SLUICE_TRY(rollout.Id("model_version", spec.model_version));
  SLUICE_TRY(rollout.Text("salt", spec.salt));
  if (!spec.salt.empty()) SLUICE_TRY(rollout.Id("salt", spec.salt));
  SLUICE_TRY(ReadSelector(rollout, spec.selector));
  SLUICE_TRY(ReadVariants(rollout, spec.variants));
  SLUICE_TRY(
      rollout.Percent("holdback_percent", {.low = 0, .high = 99, .unit = "%"}, spec.holdback));
  SLUICE_TRY(rollout.Duration("baseline_hours", kHoursRange, limits::kHour, spec.baseline_ms));
  SLUICE_TRY(rollout.OneOf<Membership>(
      "membership", {{"joiners", Membership::kJoiners}, {"frozen", Membership::kFrozen}},
      spec.membership));
  SLUICE_TRY(rollout.Whole("priority", {.low = -1'000, .high = 1'000}, spec.priority));
  SLUICE_TRY(ReadSections(rollout, spec));
  SLUICE_TRY(ReadStages(rollout, spec.stages));
  return spec;
}

}  // namespace

Result<RolloutSpec> ParseRolloutYaml(std::string_view text) {
  SLUICE_ASSIGN(const YamlNode root, ParseYaml(text, {.bytes_max = kRolloutFileBytesMax,
                                                      .depth_max = kYamlDepthMax,
                                                      .nodes_max = kYamlNodesMax}));
  if (root.kind == YamlNode::Kind::kNull) {
    return Fail(ErrorCode::kCfgIncomplete, "rollout is missing, line 1; the file is empty");
  }
  SLUICE_ASSIGN(const YamlReader file, YamlReader::Open(root, "", {"rollout"}));
  SLUICE_TRY(file.Require("rollout"));
  return ReadRollout(file.Find("rollout")->value);
}

}  // namespace sluice
