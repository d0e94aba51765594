#include "rollout_engine/core/judge_scope.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr double kRollBackShare = 0.5;  // of alpha; the rest is for the tests' approximations
constexpr double kTestsPerScope = 6;
constexpr std::int32_t kPromoteDevicesMin = 20;

/// What one look (or epoch) may spend of `budget`. A soak that may be extended keeps half for the
/// planned ones and half for all later ones, by a series that sums to 1.
double ShareOf(double budget, std::int32_t number, std::int32_t planned, bool extendable) {
  if (!extendable) return budget / planned;
  if (number <= planned) return budget / 2 / planned;
  const double beyond = number - planned;
  return budget / 2 / (beyond * (beyond + 1));
}

/// Nobody to compare with and nothing to compare with: the model's first release. A device that
/// ran another release without ever using it has no history.
bool IsFirstRelease(const JudgeInput& input, const LookTable& table) {
  if (input.state.control.has_value() && !input.state.control->empty()) return false;
  return !table.HasControl(LookTable::kFleet) && !table.HasHistory();
}

bool HasFormerControl(const JudgeInput& input, const Scope& scope) {
  if (!input.state.control.has_value()) return false;
  return std::ranges::all_of(kVerdictTests, [&](VerdictTest test) {
    return input.state.control->contains(VerdictKey(scope, test));
  });
}

Comparison ComparisonOf(const JudgeInput& input, const LookTable& table, const Scope& scope,
                        bool first_release) {
  if (table.HasControl(scope.index)) return Comparison::kConcurrent;
  if (first_release) return Comparison::kAbsolute;
  return HasFormerControl(input, scope) ? Comparison::kFormer : Comparison::kConcurrent;
}

}  // namespace

std::vector<Scope> SplitIntoScopes(const JudgeInput& input, const LookTable& table) {
  std::vector<Scope> scopes;
  scopes.push_back({.name = std::string(kFleetScope), .is_fleet = true});
  for (const std::string& stratum : input.config.strata)
    scopes.push_back({.name = stratum, .index = scopes.size()});
  const bool first_release = IsFirstRelease(input, table);
  for (Scope& scope : scopes) scope.comparison = ComparisonOf(input, table, scope, first_release);
  return scopes;
}

std::int32_t EpochOf(std::int32_t look, std::int32_t planned_looks, std::int32_t epochs) {
  const std::int64_t scaled = std::int64_t{look} * epochs;
  return static_cast<std::int32_t>((scaled + planned_looks - 1) / planned_looks);
}

ErrorBudget BudgetOf(const JudgeInput& input, bool is_fleet) {
  const JudgeConfig& config = input.config;
  const double scopes = is_fleet ? 1 : static_cast<double>(config.strata.size());
  const double budget = config.alpha * kRollBackShare / (kTestsPerScope * scopes);
  const std::int32_t epoch = EpochOf(input.look, config.planned_looks, config.epochs);
  return {
      .verdict = ShareOf(budget, input.look, config.planned_looks, config.extendable),
      .cumulative = budget * 0.5,
      .epoch = ShareOf(budget * 0.5, epoch, config.epochs, config.extendable),
  };
}

VerdictResult JudgeVerdictTest(const JudgeInput& input, const LookTable& table, const Scope& scope,
                               VerdictTest test) {
  const JudgeConfig& config = input.config;
  VerdictQuestion question{
      .scope = scope.index,
      .test = test,
      .comparison = scope.comparison,
      .delta = config.deltas[static_cast<std::size_t>(test)].value_or(config.delta),
      .alpha = BudgetOf(input, scope.is_fleet).verdict,
      .min_devices = std::max(kPromoteDevicesMin, config.min_devices),
  };
  if (scope.comparison == Comparison::kFormer) {
    question.former = &input.state.control->at(VerdictKey(scope, test));
  }
  return TestVerdicts(table, question);
}

std::string VerdictKey(const Scope& scope, VerdictTest test) {
  return scope.name + "/" + std::string(VerdictTestName(test));
}

std::string RatioKey(const Scope& scope, Metric metric, Window window) {
  return scope.name + "/" + std::string(MetricName(metric)) +
         (window == Window::kCumulative ? "/cumulative" : "/epoch");
}

}  // namespace sluice
