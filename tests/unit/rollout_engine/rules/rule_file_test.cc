#include "rollout_engine/rules/rule_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rollout_engine/rules/limits.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view kWhole = R"(rules_version: 1
rules:
  - name: pause-on-line-stop
    on: { topic: "plant/+line/status", format: json, retained: ignore }
    when: payload.state == "STOPPED" && payload.confidence >= 0.8
    for: 30s
    once_per: { key: "${line}", every: 10m }
    do:
      - rollout.pause: { model: detector }
      - device.quarantine: { device: "${payload.device}" }
      - publish: { topic: "site/alerts/${line}", payload: { rule: "${rule.name}", line: "${line}" } }
      - log: "line ${line} stopped"
    on_error: publish
    mode: dry_run
)";

/// One rule with these lines after its topic.
std::string File(const std::string& lines, const std::string& topic = "plant/+line/status") {
  return "rules_version: 1\nrules:\n  - name: r\n    on: { topic: \"" + topic + "\" }\n" + lines;
}
const std::string kDo = "    do: [ { log: x } ]\n";

TEST(RuleFile, ReadsEverythingThatARuleMaySay) {
  const auto set = ParseRuleFile(kWhole);
  ASSERT_TRUE(set) << set.error().Line();
  ASSERT_EQ(set->rules.size(), 1u);
  const Rule& rule = set->rules[0];
  EXPECT_EQ(rule.name, "pause-on-line-stop");
  EXPECT_EQ(rule.topic.filter, "plant/+/status");
  EXPECT_EQ(rule.for_ms, 30'000);
  EXPECT_EQ(rule.once_per->every_ms, 600'000);
  EXPECT_EQ(rule.mode, RuleMode::kDryRun);
  EXPECT_EQ(rule.on_error, OnRuleError::kPublish);
  ASSERT_EQ(rule.actions.size(), 4u);
  EXPECT_EQ(rule.actions[0].kind, ActionKind::kPause);
  EXPECT_EQ(rule.actions[0].target_kind, TargetKind::kModel);
  EXPECT_EQ(rule.actions[1].target_kind, TargetKind::kDevice);
  EXPECT_THAT(set->Filters(), ElementsAre("plant/+/status"));
}

TEST(RuleFile, GivesARuleAnotherDigestWhenItSaysSomethingElseOnly) {
  const auto digest = [](const std::string& text) { return ParseRuleFile(text)->rules[0].digest; };
  const std::string plain = File("    when: payload.a == 1\n" + kDo);
  EXPECT_EQ(digest(plain), digest("# a comment\n" + plain));
  EXPECT_NE(digest(plain), digest(File("    when: payload.a == 2\n" + kDo)));
}

TEST(RuleFile, TakesNoFiltersOfRulesThatAreOff) {
  EXPECT_TRUE(ParseRuleFile(File("    mode: off\n" + kDo))->Filters().empty());
  EXPECT_TRUE(ParseRuleFile("rules_version: 1\nrules: []\n")->rules.empty());
}

struct BadFile {
  std::string file;
  ErrorCode code;
  std::string says;
};

TEST(RuleFile, RefusesWithCodeAndLine) {
  const std::vector<BadFile> bad = {
      {"rules: []\n", ErrorCode::kCfgIncomplete, "rules_version is missing, line 1"},
      {"rules_version: 2\nrules: []\n", ErrorCode::kCfgRange, "rules_version, line 1"},
      {"rules_version: 1\nrules: 5\n", ErrorCode::kYamlType, "rules, line 2"},
      {File("    wen: true\n" + kDo), ErrorCode::kYamlUnknownKey,
       "rules[0].wen, line 5; did you mean when?"},
      {File(""), ErrorCode::kCfgIncomplete, "rules[0].do is missing"},
      {File("    do: []\n"), ErrorCode::kCfgRange, "0 actions; allowed 1 to 6"},
      {File("    when: payload.a = 1\n" + kDo), ErrorCode::kRuleExpr,
       "rules[0].when, line 5: column 11"},
      {File("    for: 30s\n" + kDo), ErrorCode::kCfgIncomplete, "add `when`"},
      {File("    when: payload.a\n    for: 30\n" + kDo), ErrorCode::kCfgRange,
       "rules[0].for, line 6: \"30\"; allowed 1s to 7d"},
      {File("    once_per: { key: \"${nobody}\", every: 1m }\n" + kDo), ErrorCode::kRuleExpr,
       "rules[0].once_per.key, line 5"},
      {File("    mode: maybe\n" + kDo), ErrorCode::kCfgRange, "allowed enforce | dry_run | off"},
      {File(kDo, "plant/#/x"), ErrorCode::kTopic, "rules[0].on.topic, line 4"},
      {"rules_version: 1\nrules:\n  - name: r\n    on: { topic: a, retained: take }\n" + kDo,
       ErrorCode::kCfgRange, "rules[0].on.retained, line 4: \"take\"; allowed ignore"},
      {"rules_version: 1\nrules:\n  - name: \"a b\"\n    on: { topic: a }\n" + kDo,
       ErrorCode::kBadId, "rules[0].name, line 3"},
      {File("    do: [ { rollout.paus: { model: m } } ]\n"), ErrorCode::kRuleAction,
       "rules[0].do[0], line 5: no action \"rollout.paus\"; did you mean rollout.pause?"},
      {File("    do: [ { shell: reboot } ]\n"), ErrorCode::kRuleAction, "no action \"shell\""},
      {File("    do: [ { rollout.pause: { model: m, rollout: r } } ]\n"), ErrorCode::kCfgIncomplete,
       "name one of model, rollout"},
      {File("    do: [ { rollout.pause: {} } ]\n"), ErrorCode::kCfgIncomplete, "name one of"},
      {File("    do: [ log ]\n"), ErrorCode::kYamlType, "expected one action"},
      {File("    do: [ { log: \"${line\" } ]\n"), ErrorCode::kRuleExpr, "add }"}};
  for (const auto& [file, code, says] : bad) {
    const auto set = ParseRuleFile(file);
    ASSERT_FALSE(set) << file;
    EXPECT_EQ(set.error().code, code) << set.error().Line();
    EXPECT_THAT(set.error().text, HasSubstr(says)) << file;
  }
}

TEST(RuleFile, RefusesTwoRulesOfOneName) {
  const std::string rule = "  - name: r\n    on: { topic: a }\n" + kDo;
  const auto set = ParseRuleFile("rules_version: 1\nrules:\n" + rule + rule);
  ASSERT_FALSE(set);
  EXPECT_THAT(set.error().text, HasSubstr("\"r\" is the name of two rules (first at line 3)"));
}

TEST(RuleFile, StartsNothingWithoutLeave) {
  for (const std::string action : {"rollout.start", "rollout.resume"}) {
    const std::string lines = "    do: [ { " + action + ": { rollout: r-0001 } } ]\n";
    const auto refused = ParseRuleFile(File(lines));
    ASSERT_FALSE(refused) << action;
    EXPECT_EQ(refused.error().code, ErrorCode::kRuleUnsafe);
    EXPECT_TRUE(ParseRuleFile(File("    allow_start: true\n" + lines))) << action;
  }
}

TEST(RuleFile, RefusesActionsThatThisEngineCannotDoEvenWithLeave) {
  for (const std::string action : {"device.hold", "device.revert", "device.tag", "device.offer"}) {
    const auto set = ParseRuleFile(
        File("    allow_start: true\n    do: [ { " + action + ": { device: d } } ]\n"));
    ASSERT_FALSE(set) << action;
    EXPECT_EQ(set.error().code, ErrorCode::kRuleAction);
    EXPECT_THAT(set.error().text, HasSubstr("this version of the engine cannot do " + action));
  }
}

TEST(RuleFile, RefusesToListenToDevicesAndToTheEngine) {
  for (const std::string topic : {"#", "+/v1/up/#", "sluice-dev/v1/up/p00/d/hello", "+a/+b/+c",
                                  "sluice/v1/rollout/+/event", "sluice/v1/fleet/state"}) {
    const auto set = ParseRuleFile(File(kDo, topic));
    ASSERT_FALSE(set) << topic;
    EXPECT_EQ(set.error().code, ErrorCode::kRuleLoop) << set.error().Line();
  }
  for (const std::string topic :
       {"sluice/v1/trigger/line-stop", "sluice/v1/server/+server/event", "$SYS/broker/uptime"}) {
    EXPECT_TRUE(ParseRuleFile(File(kDo, topic))) << topic;
  }
  EXPECT_EQ(ParseRuleFile(File(kDo, "$share/g/a")).error().code, ErrorCode::kTopic);
}

TEST(RuleFile, RefusesAPublishThatARuleOrSluiceWouldHear) {
  const auto publish = [](const std::string& topic) {
    return "    do: [ { publish: { topic: \"" + topic + "\", payload: x } } ]\n";
  };
  for (const std::string topic :
       {"plant/7/status", "plant/${line}/status", "plant/x${line}/status", "sluice/v1/trigger/x",
        "sluice-dev/v1/all/order", "$SYS/x", "${line}/x", "plant/7/${payload.a}"}) {
    const auto set = ParseRuleFile(File(publish(topic)));
    ASSERT_FALSE(set) << topic;
    EXPECT_EQ(set.error().code, ErrorCode::kRuleLoop) << set.error().Line();
  }
  EXPECT_EQ(ParseRuleFile(File(publish("a/+/b"))).error().code, ErrorCode::kTopic);
  EXPECT_TRUE(ParseRuleFile(File(publish("site/alerts/${line}"))));
  EXPECT_TRUE(ParseRuleFile(File(publish("plant/7/alert"))));
  // Of one rule that another listens to.
  const auto other =
      ParseRuleFile(File(publish("site/alert")) +
                    "  - name: b\n    on: { topic: site/alert }\n    mode: off\n" + kDo);
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().text, HasSubstr("rule b listens to \"site/alert\""));
}

TEST(RuleFile, HasABoundedNumberOfRules) {
  std::string file = "rules_version: 1\nrules:\n";
  for (std::size_t i = 0; i <= limits::kRulesMax; ++i) {
    file += "  - { name: r" + std::to_string(i) + ", on: { topic: a }, do: [ { log: x } ] }\n";
  }
  EXPECT_EQ(ParseRuleFile(file).error().code, ErrorCode::kCfgRange);
}

}  // namespace
}  // namespace sluice
