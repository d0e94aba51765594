// The scopes of a look (the fleet, then each stratum), what each is compared with, and what error
// it may spend.
#pragma once

#include <string>
#include <vector>

#include "rollout_engine/core/judge_tests.h"

namespace sluice {

inline constexpr std::string_view kFleetScope = "fleet";

struct Scope {
  std::string name;
  bool is_fleet = false;
  Comparison comparison = Comparison::kConcurrent;
  std::size_t index = LookTable::kFleet;  // in the table of the look
};
/// The fleet first, then the strata in the order of the configuration.
std::vector<Scope> SplitIntoScopes(const JudgeInput& input, const LookTable& table);

/// Error probability of each test of one scope at this look, such that all looks together spend
/// alpha / 2.
struct ErrorBudget {
  double verdict = 0;
  double cumulative = 0;
  double epoch = 0;
};
ErrorBudget BudgetOf(const JudgeInput& input, bool is_fleet);

/// The epoch that a look belongs to, from 1: ceil(look x epochs / planned looks).
std::int32_t EpochOf(std::int32_t look, std::int32_t planned_looks, std::int32_t epochs);

/// The result of one verdict test of a scope.
VerdictResult JudgeVerdictTest(const JudgeInput& input, const LookTable& table, const Scope& scope,
                               VerdictTest test);

std::string VerdictKey(const Scope& scope, VerdictTest test);
std::string RatioKey(const Scope& scope, Metric metric, Window window);

}  // namespace sluice
