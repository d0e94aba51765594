// Why a rule would or would not act on one message, for people who try a file out.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "rollout_engine/rules/rule_evaluation.h"

namespace sluice {

struct RuleExplanation {
  struct Named {
    std::string name;
    std::string value;  // as JSON; "missing"
  };
  const Rule* rule = nullptr;
  std::vector<Named> captures;
  std::vector<Named> values;  // that `when` refers to
  bool holds = false;
  std::string once_key;
  std::vector<RuleAction> actions;  // when it holds
  Status problem;                   // what keeps it from acting
};

/// Every rule whose topic covers the message, off ones too. E_STATE for a message that no rule is
/// ever given: retained, or on Sluice's own topics. `now_s` is what expressions call now.
Result<std::vector<RuleExplanation>> ExplainRules(const RuleSet& set, const RuleMessage& message,
                                                  double now_s);

}  // namespace sluice
