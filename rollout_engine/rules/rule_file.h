// Rule files: YAML in, a checked set of rules out, or one error with its line.
#pragma once

#include <string_view>

#include "rollout_engine/rules/rule.h"

namespace sluice {

/// A file is good as a whole or refused as a whole. E_YAML_*, E_CFG_RANGE, E_CFG_INCOMPLETE,
/// E_BAD_ID, E_TOPIC; E_RULE_EXPR (with the column), E_RULE_ACTION (unknown, or not in this
/// version), E_RULE_UNSAFE (wants allow_start), E_RULE_LOOP (would hear itself or Sluice).
Result<RuleSet> ParseRuleFile(std::string_view text);

}  // namespace sluice
