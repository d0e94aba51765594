#include "rollout_engine/rules/rule_explanation.h"

#include <gtest/gtest.h>

#include "rollout_engine/rules/rule_file.h"

namespace sluice {
namespace {

RuleSet Rules() {
  auto set = ParseRuleFile(R"(rules_version: 1
rules:
  - name: stop
    on: { topic: "plant/+line/status" }
    when: payload.state == "STOPPED" and payload.gone > 1 or line == "7"
    once_per: { key: "${line}", every: 10m }
    do: [ { rollout.pause: { model: "${payload.model}" } } ]
  - name: other
    on: { topic: "other" }
    mode: off
    do: [ { log: x } ]
)");
  EXPECT_TRUE(set) << set.error().Line();
  return std::move(*set);
}

TEST(RuleExplanation, ShowsValuesAndWhatWouldBeDone) {
  const RuleSet set = Rules();
  const auto explained =
      ExplainRules(set, {.topic = "plant/7/status", .payload = R"({"state":"UP","model":"m"})"}, 0);
  ASSERT_TRUE(explained);
  ASSERT_EQ(explained->size(), 1u);
  const RuleExplanation& rule = explained->at(0);
  EXPECT_EQ(rule.rule->name, "stop");
  EXPECT_EQ(rule.captures.at(0).value, "7");
  ASSERT_EQ(rule.values.size(), 3u);
  EXPECT_EQ(rule.values[0].value, "\"UP\"");
  EXPECT_EQ(rule.values[1].value, "missing");
  EXPECT_TRUE(rule.holds);
  EXPECT_EQ(rule.once_key, "7");
  EXPECT_EQ(rule.actions.at(0).target, "m");
}

TEST(RuleExplanation, SaysWhatKeepsARuleFromActing) {
  const RuleSet set = Rules();
  const auto explained = ExplainRules(set, {.topic = "plant/7/status", .payload = "{}"}, 0);
  ASSERT_TRUE(explained);
  EXPECT_EQ(explained->at(0).problem.error().code, ErrorCode::kRuleValue);
  EXPECT_TRUE(explained->at(0).holds);
  EXPECT_EQ(ExplainRules(set, {.topic = "plant/8/status", .payload = "no"}, 0)
                ->at(0)
                .problem.error()
                .code,
            ErrorCode::kRuleValue);
}

TEST(RuleExplanation, FindsRulesThatAreOffAndNoneForOthersTopics) {
  const RuleSet set = Rules();
  EXPECT_EQ(ExplainRules(set, {.topic = "other", .payload = "{}"}, 0)->size(), 1u);
  EXPECT_TRUE(ExplainRules(set, {.topic = "unknown", .payload = "{}"}, 0)->empty());
}

TEST(RuleExplanation, TakesAnotherClientForAnEventOfTheBrokerOnly) {
  const auto set = ParseRuleFile(R"(rules_version: 1
rules:
  - { name: a, on: { topic: "sluice/v1/server/+server/event" }, when: client.id == "c", do: [ { log: x } ] }
  - { name: b, on: { topic: "plant" }, when: client.id == "c", do: [ { log: x } ] }
)");
  ASSERT_TRUE(set) << set.error().Line();
  const auto holds = [&](std::string_view topic) {
    return ExplainRules(*set, {.topic = topic, .payload = "{}", .client_id = "c"}, 0)->at(0).holds;
  };
  EXPECT_TRUE(holds("sluice/v1/server/s1/event"));
  EXPECT_FALSE(holds("plant"));
}

TEST(RuleExplanation, RefusesMessagesThatNoRuleIsGiven) {
  const RuleSet set = Rules();
  EXPECT_EQ(
      ExplainRules(set, {.topic = "other", .payload = "{}", .retained = true}, 0).error().code,
      ErrorCode::kState);
  EXPECT_EQ(ExplainRules(set, {.topic = "sluice/v1/fleet/state", .payload = "{}"}, 0).error().code,
            ErrorCode::kState);
}

}  // namespace
}  // namespace sluice
