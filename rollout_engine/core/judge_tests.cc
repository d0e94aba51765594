#include "rollout_engine/core/judge_tests.h"

#include <algorithm>
#include <cmath>

#include "common/base/check.h"
#include "rollout_engine/core/judge_bounds.h"

namespace sluice {
namespace {

constexpr double kRatioDevicesMin = 20;  // per arm
constexpr double kInferencesMin = 500;   // in the test arm
constexpr double kLabelledMin = 50;
constexpr std::int64_t kVerdictDevicesMin = 4;
constexpr double kVerdictPromoteP = 0.05;
constexpr double kVerdictCeiling = 0.99;  // a binomial parameter of 1 would excuse everything

/// What is compared with the limit, and what with the control.
struct Contrast {
  double theta = 0, variance = 0;
  double diff = 0, diff_variance = 0;
  double nu = 0;  // degrees of freedom
  double control_theta = 0;
  double control_raw = 0;
  double control_m = 0;
};

Contrast MakeContrast(const RatioEstimate& estimate, const RatioQuestion& question) {
  const ArmEstimate& test = estimate.test;
  const double test_variance = estimate.TestVariance();
  Contrast contrast{.theta = test.theta, .variance = test_variance, .nu = test.m - 1};
  if (question.comparison == Comparison::kAbsolute) return contrast;

  if (question.comparison == Comparison::kConcurrent) {
    contrast.control_theta = estimate.control->theta;
    contrast.control_raw = estimate.control->raw;
    contrast.control_m = estimate.control->m;
    contrast.diff_variance = estimate.DifferenceVariance();
  } else {
    contrast.control_theta = question.former->theta;
    contrast.control_raw = question.former->raw;
    contrast.control_m = question.former->m;
    contrast.diff_variance = test_variance + question.former->variance;
  }
  contrast.diff = test.theta - contrast.control_theta;
  if (question.metric == Metric::kAccuracyDrop) {  // a drop is how far the test arm is below
    contrast.diff = -contrast.diff;
    contrast.theta = contrast.diff;
    contrast.variance = contrast.diff_variance;
    contrast.nu = std::min(test.m, contrast.control_m) - 1;
  }
  return contrast;
}

/// The control, or the past, is as bad: the environment and not the model.
bool IsShared(const RatioEstimate& estimate, const RatioQuestion& question, double bound,
              double diff_lcb) {
  switch (question.comparison) {
    case Comparison::kAbsolute:
      return false;
    case Comparison::kFormer:
      if (estimate.self.has_value()) {
        return estimate.self->difference - bound * std::sqrt(estimate.self->variance) <= 0;
      }
      return diff_lcb <= 0;
    case Comparison::kConcurrent:
      return diff_lcb <= 0;
  }
  return false;
}

std::optional<RatioEstimate> EstimateFor(const LookTable& table, const RatioQuestion& question) {
  const auto sample = [&](Arm arm) {
    return table.Sample(question.scope, arm, question.metric, question.window);
  };
  if (question.comparison == Comparison::kConcurrent)
    return EstimateRatio(sample(Arm::kTest), sample(Arm::kControl));
  return EstimateLoneRatio(sample(Arm::kTest).list_rows());
}

/// Fills in what a criterion that exceeds its limit rests on: is it broad, or some devices only?
void JudgeBreadth(const LookTable& table, const RatioEstimate& estimate,
                  const RatioQuestion& question, const Contrast& contrast, RatioResult& result) {
  const bool accuracy = question.metric == Metric::kAccuracyDrop;
  const ArmSample test = table.Sample(question.scope, Arm::kTest, question.metric, question.window);
  result.trimmed = TrimmedRatio(test.list_rows(), estimate.cap, question.tau, !accuracy);
  const double rest = accuracy ? contrast.control_theta - *result.trimmed : *result.trimmed;
  result.broad = rest > question.limit;
}

bool IsEligible(const RatioEstimate& estimate, const RatioQuestion& question,
                const Contrast& contrast) {
  const bool control_is_enough =
      question.comparison == Comparison::kAbsolute || contrast.control_m >= kRatioDevicesMin;
  const double n_min = question.metric == Metric::kAccuracyDrop ? kLabelledMin : kInferencesMin;
  return control_is_enough && estimate.test.m >= kRatioDevicesMin && estimate.test.sum_n >= n_min;
}

RatioResult Bounds(const RatioEstimate& estimate, const RatioQuestion& question,
                   const Contrast& contrast) {
  const double information = 1 / contrast.variance;
  RatioResult result{.ok = true, .alpha = question.alpha};
  result.m = static_cast<std::int64_t>(estimate.test.m);
  result.m_control = static_cast<std::int64_t>(contrast.control_m);
  result.theta = contrast.theta;
  result.se = std::sqrt(contrast.variance);
  result.iref = question.iref.value_or(information);
  result.x = information / result.iref;
  result.b_rollback = StudentBound(AnytimeBound(result.x, question.alpha), contrast.nu);
  result.b_promote = StudentBound(AnytimeBound(result.x, question.promote_alpha), contrast.nu);
  result.lcb = contrast.theta - result.b_rollback * result.se;
  result.ucb = contrast.theta + result.b_promote * result.se;
  result.diff = contrast.diff;
  result.diff_lcb = contrast.diff - result.b_rollback * std::sqrt(contrast.diff_variance);
  result.beta = estimate.test.beta;
  result.test_raw = estimate.test.raw;
  result.control_raw = contrast.control_raw;
  return result;
}

/// Fail, pass or neither, from the bounds.
void Conclude(const RatioEstimate& estimate, const RatioQuestion& question, RatioResult& result) {
  result.exceeds = result.lcb > question.limit;
  result.promotable =
      result.ucb <= question.limit && estimate.test.m >= static_cast<double>(question.min_devices);
  if (question.metric == Metric::kAccuracyDrop) return;

  // The exact companion: with few events the normal bound alone would be too sure.
  const ArmEstimate& test = estimate.test;
  const double evidence = LogMixtureEvidence(question.limit, test.sum_y, test.sum_n);
  const double rate = test.sum_y / test.sum_n;
  const bool above = rate > question.limit && evidence >= std::log(1 / question.alpha);
  const bool below = rate < question.limit && evidence >= std::log(1 / question.promote_alpha);
  const bool shared = IsShared(estimate, question, result.b_rollback, result.diff_lcb);
  if (question.comparison != Comparison::kAbsolute) {
    result.env_shared = result.exceeds && above && shared;
  }
  result.exceeds = result.exceeds && above && !shared;
  result.promotable = result.promotable && below;
}

double AllowedRate(const VerdictResult& result, const VerdictQuestion& question) {
  if (question.comparison == Comparison::kAbsolute) return question.delta;
  const double control = static_cast<double>(result.x0 + 1) / static_cast<double>(result.m0 + 2);
  return std::min(kVerdictCeiling, control + question.delta);
}

}  // namespace

RatioAnswer TestRatio(const LookTable& table, const RatioQuestion& question) {
  SLUICE_CHECK((question.comparison == Comparison::kFormer) == (question.former != nullptr));
  RatioAnswer answer{.result = {.alpha = question.alpha}};
  const std::optional<RatioEstimate> estimate = EstimateFor(table, question);
  if (!estimate.has_value()) return answer;
  if (estimate->control.has_value()) {
    const ArmEstimate& control = *estimate->control;
    answer.control = FormerControl{
        .theta = control.theta, .variance = control.variance, .m = control.m, .raw = control.raw};
  }
  const Contrast contrast = MakeContrast(*estimate, question);
  answer.result.m = static_cast<std::int64_t>(estimate->test.m);
  if (!IsEligible(*estimate, question, contrast)) return answer;
  answer.result = Bounds(*estimate, question, contrast);
  Conclude(*estimate, question, answer.result);
  if (answer.result.exceeds) JudgeBreadth(table, *estimate, question, contrast, answer.result);
  return answer;
}

VerdictResult TestVerdicts(const LookTable& table, const VerdictQuestion& question) {
  const VerdictCount test = table.Verdicts(question.scope, Arm::kTest, question.test);
  VerdictCount control = table.Verdicts(question.scope, Arm::kControl, question.test);
  if (question.comparison == Comparison::kFormer) {
    control = {.m = static_cast<std::int64_t>(question.former->m0),
               .x = static_cast<std::int64_t>(question.former->x0)};
  }
  VerdictResult result{.x = test.x, .m = test.m, .x0 = control.x, .m0 = control.m};
  result.p0 = AllowedRate(result, question);
  if (result.m < kVerdictDevicesMin) return result;
  result.ok = true;
  result.p_value = BinomialTail(result.x, result.m, result.p0);
  result.exceeds = result.p_value <= question.alpha;
  result.promotable = result.p_value > kVerdictPromoteP && result.m >= question.min_devices;
  return result;
}

}  // namespace sluice
