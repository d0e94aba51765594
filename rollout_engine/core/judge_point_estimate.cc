// The literal rule that other rollout tools have: the last interval's figure against the limit, no
// uncertainty.
#include "rollout_engine/core/judge.h"
#include "rollout_engine/core/judge_scope.h"
#include "rollout_engine/core/judge_sentence.h"

namespace sluice {
namespace {

struct ArmSum {
  double n = 0;
  double y = 0;
  std::int64_t m = 0;
  [[nodiscard]] double Ratio() const { return n > 0 ? y / n : 0; }
};

ArmSum SumOf(const ArmSample& sample) {
  return {.n = sample.SumN(), .y = sample.SumY(), .m = static_cast<std::int64_t>(sample.Rows())};
}

/// Without data on a side that the metric needs: not ok.
RatioResult Compare(const LookTable& table, const Scope& scope, Metric metric, double limit) {
  const ArmSum test = SumOf(table.Sample(scope.index, Arm::kTest, metric, Window::kEpoch));
  const ArmSum control = SumOf(table.Sample(scope.index, Arm::kControl, metric, Window::kEpoch));
  const bool accuracy = metric == Metric::kAccuracyDrop;
  RatioResult result;
  result.m = test.m;
  result.m_control = control.m;
  if (test.n <= 0 || (accuracy && control.n <= 0)) return result;
  result.ok = true;
  result.test_raw = test.Ratio();
  result.control_raw = control.Ratio();
  result.diff =
      accuracy ? result.control_raw - result.test_raw : result.test_raw - result.control_raw;
  result.theta = accuracy ? result.diff : result.test_raw;
  result.lcb = result.ucb = result.theta;
  result.exceeds = result.broad = result.theta > limit;
  result.promotable = !result.exceeds;
  return result;
}

std::string PointSentence(const Scope& scope, Metric metric, const RatioResult& result,
                          double limit) {
  const std::string where = scope.is_fleet ? "" : " in hardware model " + scope.name;
  return std::string(MetricName(metric)) + " " + Fixed4(result.theta) +
         (result.exceeds ? " > " : " <= ") + Shortest6(limit) + " in the last interval on " +
         std::to_string(*result.m) + " devices" + where + " (point estimate)";
}

void NoteFail(const Scope& scope, std::string sentence, JudgeOutput& output) {
  if (output.decision != Decision::kRollBack) output.sentence = std::move(sentence);
  output.decision = Decision::kRollBack;
  if (scope.is_fleet) {
    output.fleet_fails = true;
  } else if (output.failed_strata.empty() || output.failed_strata.back() != scope.name) {
    output.failed_strata.push_back(scope.name);
  }
}

void JudgeScope(const JudgeInput& input, const LookTable& table, const Scope& scope,
                JudgeOutput& output, std::vector<std::string>& without_data) {
  for (const Metric metric : kMetrics) {
    const std::optional<double> limit = input.config.limits[static_cast<std::size_t>(metric)];
    if (!limit.has_value() ||
        (scope.comparison != Comparison::kConcurrent && metric == Metric::kAccuracyDrop)) {
      continue;
    }
    const RatioResult result = Compare(table, scope, metric, *limit);
    const std::string key = RatioKey(scope, metric, Window::kEpoch);
    if (!result.ok && scope.is_fleet) without_data.push_back(key);
    if (result.exceeds) {
      NoteFail(scope, "rolled back because " + PointSentence(scope, metric, result, *limit),
               output);
    }
    output.results.emplace_back(key, result);
  }
  for (const VerdictTest test : kVerdictTests) {
    const VerdictResult result = JudgeVerdictTest(input, table, scope, test);
    if (result.ok && result.exceeds) {
      const Finding finding{.scope = &scope, .name = VerdictTestName(test), .verdict = &result};
      NoteFail(scope, RolledBackSentence(finding, input.elapsed_s), output);
    }
    output.results.emplace_back(VerdictKey(scope, test), result);
  }
}

}  // namespace

JudgeOutput JudgePointEstimate(const JudgeInput& input) {
  const SnapshotDevices devices(input);
  return JudgePointEstimate(input, LookTable(input.config, devices));
}

JudgeOutput JudgePointEstimate(const JudgeInput& input, const LookTable& table) {
  JudgeOutput output;
  output.state = input.state;
  std::vector<std::string> without_data;
  for (const Scope& scope : SplitIntoScopes(input, table))
    JudgeScope(input, table, scope, output, without_data);
  if (output.decision == Decision::kRollBack) return output;
  output.brake = !without_data.empty();
  if (!input.at_soak_end) {
    output.sentence = "soaking: no criterion over its limit in the last interval (point estimate)";
  } else if (without_data.empty()) {
    output.decision = Decision::kPromote;
    output.sentence =
        "promoted: every criterion within limits in the last interval (point estimate)";
  } else {
    output.decision = Decision::kHold;
    output.hold_cause = HoldCause::kNotShown;
    output.sentence = NotShownSentence(without_data);
  }
  return output;
}

}  // namespace sluice
