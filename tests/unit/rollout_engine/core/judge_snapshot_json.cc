#include "tests/unit/rollout_engine/core/judge_snapshot_json.h"

#include <algorithm>
#include <cmath>
#include <fstream>

namespace sluice {
namespace {

using nlohmann::json;

RatioCounts CountsFromJson(const json& rows) {
  RatioCounts counts;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = {rows.at(i).at(0).get<double>(), rows.at(i).at(1).get<double>()};
  }
  return counts;
}

json JsonFromResult(const VerdictResult& result) {
  json out = {{"status", result.ok ? "ok" : "insufficient"},
              {"p0", result.p0},
              {"x", result.x},
              {"m", result.m},
              {"x0", result.x0},
              {"m0", result.m0}};
  if (!result.ok) return out;
  out["p_value"] = result.p_value;
  out["exceeds"] = result.exceeds;
  out["promotable"] = result.promotable;
  return out;
}

json JsonFromResult(const RatioResult& result) {
  json out = {{"status", result.ok ? "ok" : "insufficient"}, {"alpha", result.alpha}};
  if (result.m.has_value()) out["m"] = *result.m;
  if (!result.ok) return out;
  out.update({{"m_control", result.m_control},
              {"theta", result.theta},
              {"se", result.se},
              {"x", result.x},
              {"iref", result.iref},
              {"b_rollback", result.b_rollback},
              {"b_promote", result.b_promote},
              {"lcb", result.lcb},
              {"ucb", result.ucb},
              {"diff", result.diff},
              {"diff_lcb", result.diff_lcb},
              {"beta", result.beta},
              {"canary_raw", result.test_raw},
              {"control_raw", result.control_raw},
              {"promotable", result.promotable},
              {"exceeds", result.exceeds}});
  if (result.env_shared.has_value()) out["env_shared"] = *result.env_shared;
  if (result.trimmed.has_value()) {
    out["trimmed"] = *result.trimmed;
    out["broad"] = result.broad;
  }
  return out;
}

}  // namespace

json ReadJson(const std::filesystem::path& path) {
  std::ifstream in(path);
  return json::parse(in);
}

JudgeInput JudgeInputFromJson(const json& in) {
  JudgeInput input;
  const json& config = in.at("config");
  for (const Metric metric : kMetrics) {
    const std::string name(MetricName(metric));
    if (config.at("limits").contains(name)) {
      input.config.limits[static_cast<std::size_t>(metric)] =
          config.at("limits").at(name).get<double>();
    }
  }
  input.config.alpha = config.at("alpha");
  input.config.planned_looks = config.at("planned_looks");
  input.config.epochs = config.at("epochs");
  input.config.strata = config.at("strata").get<std::vector<std::string>>();
  input.config.tau = config.at("tau");
  input.config.delta = config.at("delta");
  input.config.interval_s = config.at("interval_s");
  input.config.grace_looks = config.at("grace_looks");
  input.look = in.at("look");
  input.elapsed_s = in.at("elapsed_s");
  input.at_soak_end = in.at("at_soak_end");
  input.state.iref = in.at("state").at("iref").get<std::map<std::string, double>>();
  for (const json& row : in.at("devices")) {
    JudgedDevice device{.id = row.at("id"),
                        .arm = row.at("arm") == "canary" ? Arm::kTest : Arm::kControl,
                        .stratum = row.at("stratum"),
                        .since_activation_s = row.at("since_activation_s"),
                        .silence_s = row.at("silence_s"),
                        .crashes = row.at("crashes"),
                        .cum = CountsFromJson(row.at("cum")),
                        .epoch = CountsFromJson(row.at("epoch"))};
    if (!row.at("pre").is_null()) device.pre = CountsFromJson(row.at("pre"));
    input.devices.push_back(std::move(device));
  }
  return input;
}

json JsonFromJudgeOutput(const JudgeOutput& output) {
  json results = json::object();
  for (const auto& [key, result] : output.results) {
    results[key] = std::visit([](const auto& one) { return JsonFromResult(one); }, result);
  }
  return {{"decision", DecisionName(output.decision)},
          {"brake", output.brake},
          {"explanation", output.sentence},
          {"results", results},
          {"state", {{"iref", output.state.iref}}}};
}

std::string FirstDifference(const json& expected, const json& actual, double tolerance,
                            const std::string& path) {
  if (expected.is_object() && actual.is_object()) {
    for (const auto& [key, value] : expected.items()) {
      if (!actual.contains(key)) return path + "/" + key + " is missing";
      const std::string difference =
          FirstDifference(value, actual.at(key), tolerance, path + "/" + key);
      if (!difference.empty()) return difference;
    }
    for (const auto& [key, value] : actual.items()) {
      if (!expected.contains(key)) return path + "/" + key + " is not expected";
    }
    return "";
  }
  if (expected.is_number() && actual.is_number()) {
    const double a = expected.get<double>();
    const double b = actual.get<double>();
    if (std::abs(a - b) <= tolerance * std::max(std::abs(a), std::abs(b))) return "";
  }
  return expected == actual ? "" : path + ": " + expected.dump() + " != " + actual.dump();
}

}  // namespace sluice
