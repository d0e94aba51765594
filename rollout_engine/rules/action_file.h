// One entry of a rule's `do:`. Included by .cc files only.
#pragma once

#include <string>

#include "rollout_engine/config/yaml_tree.h"
#include "rollout_engine/rules/rule.h"

namespace sluice {

/// `- rollout.pause: { model: detector }`. `path` names the entry in errors. E_RULE_ACTION,
/// E_RULE_UNSAFE and as ParseRuleFile.
Result<ActionSpec> ReadAction(const YamlNode& node, const std::string& path,
                              const TemplateNames& names, bool allow_start);

}  // namespace sluice
