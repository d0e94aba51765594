#include "rollout_engine/snapshot/snapshot_json.h"

#include <cmath>

namespace sluice {
namespace {

constexpr double kExactIntegerMax = 9007199254740992.0;  // 2^53

/// A count as an integer where it is one: half the size of a stored look.
SnapshotJson ToJson(double number) {
  if (std::abs(number) < kExactIntegerMax && number == std::floor(number)) {
    return static_cast<std::int64_t>(number);
  }
  return number;
}

SnapshotJson ToJson(const RatioCounts& counts) {
  SnapshotJson rows = SnapshotJson::array();
  for (const RatioCount& count : counts) {
    rows.push_back(SnapshotJson::array({ToJson(count.n), ToJson(count.y)}));
  }
  return rows;
}

SnapshotJson ToJson(const JudgeConfig& config) {
  SnapshotJson limits = SnapshotJson::object();
  for (const Metric metric : kMetrics) {
    const std::optional<double> limit = config.limits[static_cast<std::size_t>(metric)];
    if (limit) limits[std::string(MetricName(metric))] = *limit;
  }
  SnapshotJson json = {{"limits", std::move(limits)},
                       {"alpha", config.alpha},
                       {"planned_looks", config.planned_looks},
                       {"epochs", config.epochs},
                       {"strata", config.strata},
                       {"tau", config.tau},
                       {"delta", config.delta},
                       {"interval_s", config.interval_s},
                       {"grace_looks", config.grace_looks}};
  for (const VerdictTest test : kVerdictTests) {
    const std::optional<double> delta = config.deltas[static_cast<std::size_t>(test)];
    if (delta) json["deltas"][std::string(VerdictTestName(test))] = *delta;
  }
  json["promote_alpha"] = config.promote_alpha;
  json["min_devices"] = config.min_devices;
  json["extendable"] = config.extendable;
  return json;
}

SnapshotJson ToJson(const JudgeState& state) {
  SnapshotJson json = {{"iref", state.iref}};
  if (!state.control) return json;
  SnapshotJson control = SnapshotJson::object();
  for (const auto& [key, c] : *state.control) {
    control[key] = {{"theta", c.theta}, {"V", c.variance}, {"m", c.m},
                    {"raw", c.raw},     {"x0", c.x0},      {"m0", c.m0}};
  }
  json["control"] = std::move(control);
  return json;
}

SnapshotJson ToJson(const JudgedDevice& device) {
  return {{"id", device.id},
          {"arm", device.arm == Arm::kTest ? "canary" : "control"},
          {"stratum", device.stratum},
          {"since_activation_s", ToJson(device.since_activation_s)},
          {"silence_s", ToJson(device.silence_s)},
          {"crashes", ToJson(device.crashes)},
          {"cum", ToJson(device.cum)},
          {"epoch", ToJson(device.epoch)},
          {"pre", device.pre ? ToJson(*device.pre) : SnapshotJson()}};
}

SnapshotJson ToJson(const VerdictResult& r) {
  SnapshotJson json = {{"status", r.ok ? "ok" : "insufficient"},
                       {"p0", r.p0},
                       {"x", r.x},
                       {"m", r.m},
                       {"x0", r.x0},
                       {"m0", r.m0}};
  if (!r.ok) return json;
  json["p_value"] = r.p_value;
  json["exceeds"] = r.exceeds;
  json["promotable"] = r.promotable;
  return json;
}

SnapshotJson ToJson(const RatioResult& r) {
  SnapshotJson json = {{"status", r.ok ? "ok" : "insufficient"}, {"alpha", r.alpha}};
  if (r.m) json["m"] = *r.m;
  if (!r.ok) return json;
  json.update({{"m_control", r.m_control},
               {"theta", r.theta},
               {"se", r.se},
               {"x", r.x},
               {"iref", r.iref},
               {"b_rollback", r.b_rollback},
               {"b_promote", r.b_promote},
               {"lcb", r.lcb},
               {"ucb", r.ucb},
               {"diff", r.diff},
               {"diff_lcb", r.diff_lcb},
               {"beta", r.beta},
               {"canary_raw", r.test_raw},
               {"control_raw", r.control_raw},
               {"promotable", r.promotable},
               {"exceeds", r.exceeds}});
  if (r.env_shared) json["env_shared"] = *r.env_shared;
  if (r.trimmed) {
    json["trimmed"] = *r.trimmed;
    json["broad"] = r.broad;
  }
  return json;
}

}  // namespace

namespace {

// The devices come last, which WriteInput relies on.
SnapshotJson WithDevices(const JudgeInput& input, SnapshotJson devices) {
  return {{"config", ToJson(input.config)}, {"look", input.look},
          {"elapsed_s", input.elapsed_s},   {"at_soak_end", input.at_soak_end},
          {"state", ToJson(input.state)},   {"devices", std::move(devices)}};
}

std::string OnOneLine(const SnapshotJson& json) {
  return json.dump(-1, ' ', false, SnapshotJson::error_handler_t::replace);
}

}  // namespace

SnapshotJson ToJson(const JudgeInput& input) {
  SnapshotJson devices = SnapshotJson::array();
  for (const JudgedDevice& device : input.devices) devices.push_back(ToJson(device));
  return WithDevices(input, std::move(devices));
}

void WriteInput(const JudgeInput& input, const std::function<void(std::string_view)>& write) {
  constexpr std::string_view kEnd = "]}";
  const std::string frame = OnOneLine(WithDevices(input, SnapshotJson::array()));
  write(std::string_view(frame).substr(0, frame.size() - kEnd.size()));
  for (std::size_t i = 0; i < input.devices.size(); ++i) {
    if (i > 0) write(",");
    write(OnOneLine(ToJson(input.devices[i])));
  }
  write(kEnd);
}

SnapshotJson ToJson(const JudgeOutput& output) {
  SnapshotJson results = SnapshotJson::object();
  for (const auto& [key, result] : output.results) {
    results[key] = std::visit([](const auto& one) { return ToJson(one); }, result);
  }
  return {{"decision", DecisionName(output.decision)},
          {"brake", output.brake},
          {"explanation", output.sentence},
          {"results", std::move(results)},
          {"state", ToJson(output.state)}};
}

}  // namespace sluice
