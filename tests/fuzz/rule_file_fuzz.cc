// Any text as a rule file: refused on one line, or a set within its limits whose rules take any
// message.
#include "common/base/check.h"
#include "rollout_engine/rules/limits.h"
#include "rollout_engine/rules/rule_engine.h"
#include "rollout_engine/rules/rule_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  auto set = ParseRuleFile(AsText({data, size}));
  if (!set) {
    SLUICE_CHECK(set.error().text.find('\n') == std::string::npos);
    return 0;
  }
  SLUICE_CHECK(set->rules.size() <= limits::kRulesMax);
  for (const Rule& rule : set->rules)
    SLUICE_CHECK(!rule.actions.empty() && rule.actions.size() <= limits::kActionsPerRuleMax);
  RuleEngine engine(std::move(*set));
  RuleOutput output;
  std::int64_t now_ms = 0;
  for (const std::string_view payload : {R"({"state":"STOPPED","id":"a"})", "{}", "no json"}) {
    for (const std::string_view topic : {"plant/7/status", "a", "sluice/v1/trigger/x"}) {
      now_ms += 1'000;
      engine.Take({.topic = topic, .payload = payload}, {BootMs{now_ms}, WallMs{now_ms}}, output);
    }
  }
  SLUICE_CHECK(output.actions.size() <= limits::kActionsPerWindow);
  return 0;
}
