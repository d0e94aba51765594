#include "rollout_engine/rules/rule_engine.h"

#include <gtest/gtest.h>

#include <set>

#include "rollout_engine/rules/limits.h"
#include "rollout_engine/rules/rule_file.h"

namespace sluice {
namespace {

constexpr std::int64_t kWallStart = 1'790'000'000'000;

class RulesAtWork : public testing::Test {
 protected:
  /// Rules of one trigger topic each, by these lines.
  void Load(const std::string& lines, const std::string& topic = "plant/+line/status") {
    LoadFile("rules_version: 1\nrules:\n" + RuleText("r", lines, topic));
  }
  static std::string RuleText(const std::string& name, const std::string& lines,
                              const std::string& topic) {
    return "  - name: " + name + "\n    on: { topic: \"" + topic + "\" }\n" + lines;
  }
  void LoadFile(const std::string& file) {
    auto set = ParseRuleFile(file);
    ASSERT_TRUE(set) << set.error().Line();
    engine_.Replace(std::move(*set));
  }
  RuleOutput Say(std::string_view topic, std::string_view payload, bool retained = false) {
    RuleOutput output;
    engine_.Take({.topic = topic, .payload = payload, .retained = retained}, Now(), output);
    return output;
  }
  RuleOutput Wait(std::int64_t ms) {
    now_ms_ += ms;
    RuleOutput output;
    engine_.FireDue(Now(), output);
    return output;
  }
  RuleTime Now() const { return {BootMs{now_ms_}, WallMs{kWallStart + now_ms_}}; }

  RuleEngine engine_;
  std::int64_t now_ms_ = 0;
};

const std::string kStopped = "    when: payload.state == 'STOPPED'\n";
const std::string kPause = "    do: [ { rollout.pause: { model: detector } } ]\n";

TEST_F(RulesAtWork, IntendTheActionOfAMatchingMessage) {
  Load(kStopped +
       "    do:\n"
       "      - rollout.pause: { model: \"${payload.model}\" }\n"
       "      - publish: { topic: \"alerts/${line}\", payload: { line: \"${line}\" } }\n");
  const RuleOutput output = Say("plant/7/status", R"({"state":"STOPPED","model":"detector"})");
  ASSERT_EQ(output.actions.size(), 2u);
  EXPECT_EQ(output.actions[0].kind, ActionKind::kPause);
  EXPECT_EQ(output.actions[0].target_kind, TargetKind::kModel);
  EXPECT_EQ(output.actions[0].target, "detector");
  EXPECT_EQ(output.actions[0].trigger_topic, "plant/7/status");
  EXPECT_EQ(output.actions[1].topic, "alerts/7");
  EXPECT_EQ(output.actions[1].payload, R"({"line":"7"})");
  EXPECT_NE(output.actions[0].id, output.actions[1].id);
  EXPECT_TRUE(Say("plant/7/status", R"({"state":"RUNNING"})").actions.empty());
  EXPECT_TRUE(Say("plant/7/speed", R"({"state":"STOPPED"})").actions.empty());
}

TEST_F(RulesAtWork, IgnoreRetainedMessagesAndSluicesOwnWords) {
  Load(kPause, "plant/#");
  EXPECT_TRUE(Say("plant/7", "{}", true).actions.empty());
  EXPECT_EQ(engine_.counters().retained, 1u);
  Load(kPause, "sluice/v1/#");
  EXPECT_TRUE(Say("sluice/v1/rollout/r-0001/state", "{}").actions.empty());
  EXPECT_TRUE(Say("sluice/v1/server/s1/lease", "{}").actions.empty());
  EXPECT_EQ(engine_.counters().echoes, 2u);
  EXPECT_EQ(Say("sluice/v1/trigger/x", "{}").actions.size(), 1u);
  EXPECT_EQ(Say("sluice/v1/server/s1/event", R"({"type":"fault"})").actions.size(), 1u);
}

TEST_F(RulesAtWork, TakeEqualContentWithinAMinuteAsOneTrigger) {
  Load(kPause);
  const RuleOutput first = Say("plant/7/status", R"({"n":1})");
  ASSERT_EQ(first.actions.size(), 1u);
  EXPECT_TRUE(Say("plant/7/status", R"({"n":1})").actions.empty());
  Wait(59'999);
  EXPECT_TRUE(Say("plant/7/status", R"({"n":1})").actions.empty());
  EXPECT_EQ(engine_.counters().duplicates, 2u);
  EXPECT_EQ(Say("plant/7/status", R"({"n":2})").actions.size(), 1u);
  EXPECT_EQ(Say("plant/8/status", R"({"n":1})").actions.size(), 1u);
  Wait(1);
  const RuleOutput again = Say("plant/7/status", R"({"n":1})");
  ASSERT_EQ(again.actions.size(), 1u);
  EXPECT_NE(again.actions[0].id, first.actions[0].id);
}

TEST_F(RulesAtWork, KnowATriggerByItsIdForSevenDays) {
  Load(kPause);
  const RuleOutput first = Say("plant/7/status", R"({"id":"t-1","n":1})");
  ASSERT_EQ(first.actions.size(), 1u);
  Wait(6LL * 24 * 3'600'000);
  EXPECT_TRUE(Say("plant/7/status", R"({"id":"t-1","n":2})").actions.empty());
  EXPECT_EQ(Say("plant/7/status", R"({"id":"t-2","n":2})").actions.size(), 1u);
}

TEST_F(RulesAtWork, GiveATriggerTheSameIdAfterARestart) {
  Load(kPause);
  const Digest first = Say("plant/7/status", R"({"id":5})").actions.at(0).id;
  engine_ = RuleEngine();
  Load(kPause);
  now_ms_ += 1'000'000;
  const Digest again = Say("plant/7/status", R"({"id":5})").actions.at(0).id;
  EXPECT_EQ(first, again);
  EXPECT_EQ(OperationIdOf(first, "r-0001"), OperationIdOf(again, "r-0001"));
  EXPECT_NE(OperationIdOf(first, "r-0001"), OperationIdOf(first, "r-0002"));
  EXPECT_EQ(OperationIdOf(first, "r-0001").size(), 53u);
}

TEST_F(RulesAtWork, FireAConditionOnceItHasHeldLongEnough) {
  Load(kStopped + "    for: 30s\n" + kPause);
  EXPECT_TRUE(Say("plant/7/status", R"({"state":"STOPPED"})").actions.empty());
  ASSERT_TRUE(engine_.NextDeadline());
  EXPECT_EQ(engine_.NextDeadline()->ms, 30'000);
  Wait(10'000);
  Say("plant/7/status", R"({"state":"STOPPED","n":2})");
  EXPECT_EQ(engine_.NextDeadline()->ms, 30'000) << "the clock runs from the first";
  EXPECT_TRUE(Wait(19'999).actions.empty());
  EXPECT_EQ(Wait(1).actions.size(), 1u);
  EXPECT_FALSE(engine_.NextDeadline());
  Say("plant/7/status", R"({"state":"STOPPED","n":3})");
  EXPECT_FALSE(engine_.NextDeadline()) << "it fired and still holds";
}

TEST_F(RulesAtWork, StartAForAnewWhenTheConditionWasFalse) {
  Load(kStopped + "    for: 30s\n" + kPause);
  Say("plant/7/status", R"({"state":"STOPPED","n":1})");
  Wait(29'000);
  Say("plant/7/status", R"({"state":"RUNNING"})");
  EXPECT_FALSE(engine_.NextDeadline());
  EXPECT_TRUE(Wait(60'000).actions.empty());
  Say("plant/7/status", R"({"state":"STOPPED","n":2})");
  EXPECT_EQ(Wait(30'000).actions.size(), 1u);
}

TEST_F(RulesAtWork, KeepAForOfEachTopicApart) {
  Load(kStopped + "    for: 30s\n" + kPause);
  Say("plant/7/status", R"({"state":"STOPPED"})");
  Say("plant/8/status", R"({"state":"STOPPED"})");
  Say("plant/7/status", R"({"state":"RUNNING"})");
  const RuleOutput output = Wait(30'000);
  ASSERT_EQ(output.actions.size(), 1u);
  EXPECT_EQ(output.actions[0].trigger_topic, "plant/8/status");
}

TEST_F(RulesAtWork, FireWhatHasHeldBeforeALateMessageEndsIt) {
  Load(kStopped + "    for: 30s\n" + kPause);
  Say("plant/7/status", R"({"state":"STOPPED"})");
  now_ms_ += 31'000;
  EXPECT_EQ(Say("plant/7/status", R"({"state":"RUNNING"})").actions.size(), 1u);
}

TEST_F(RulesAtWork, StartEveryForAnewAfterAReload) {
  Load(kStopped + "    for: 30s\n" + kPause);
  Say("plant/7/status", R"({"state":"STOPPED"})");
  Load(kStopped + "    for: 30s\n" + kPause);
  EXPECT_FALSE(engine_.NextDeadline());
  EXPECT_EQ(engine_.holds(), 0u);
}

TEST_F(RulesAtWork, RememberAcrossAReloadWhatTheyDid) {
  Load("    once_per: { key: \"${line}\", every: 10m }\n" + kPause);
  EXPECT_EQ(Say("plant/7/status", R"({"n":1})").actions.size(), 1u);
  Load("    once_per: { key: \"${line}\", every: 10m }\n" + kPause);
  EXPECT_TRUE(Say("plant/7/status", R"({"n":2})").actions.empty());
}

TEST_F(RulesAtWork, ActOncePerKeyAndTime) {
  Load("    once_per: { key: \"${line}\", every: 10m }\n" + kPause);
  EXPECT_EQ(Say("plant/7/status", R"({"n":1})").actions.size(), 1u);
  EXPECT_EQ(Say("plant/8/status", R"({"n":1})").actions.size(), 1u);
  Wait(599'999);
  EXPECT_TRUE(Say("plant/7/status", R"({"n":2})").actions.empty());
  EXPECT_EQ(engine_.counters().once_per, 1u);
  Wait(1);
  EXPECT_EQ(Say("plant/7/status", R"({"n":3})").actions.size(), 1u);
}

TEST_F(RulesAtWork, DoSixActionsAMinuteAndSayWhenMoreWereWanted) {
  Load(kPause);
  std::size_t actions = 0, problems = 0;
  for (int i = 0; i < 100; ++i) {
    const RuleOutput output = Say("plant/7/status", "{\"n\":" + std::to_string(i) + "}");
    actions += output.actions.size();
    problems += output.problems.size();
    for (const RuleProblem& problem : output.problems)
      EXPECT_EQ(problem.error.code, ErrorCode::kRateLimited);
  }
  EXPECT_EQ(actions, 6u);
  EXPECT_EQ(problems, 6u);
  EXPECT_EQ(engine_.counters().problems, 94u);
  Wait(60'000);
  EXPECT_EQ(Say("plant/7/status", R"({"n":99})").actions.size(), 1u);
}

TEST_F(RulesAtWork, DoSixtyActionsAMinuteInAll) {
  std::string file = "rules_version: 1\nrules:\n";
  for (int i = 0; i < 20; ++i) file += RuleText("r" + std::to_string(i), kPause, "a");
  LoadFile(file);
  std::size_t actions = 0;
  for (int i = 0; i < 6; ++i)
    actions += Say("a", "{\"n\":" + std::to_string(i) + "}").actions.size();
  EXPECT_EQ(actions, 60u);
}

TEST_F(RulesAtWork, DoAllActionsOfATriggerOrNone) {
  Load("    do: [ { log: a }, { log: b }, { log: c }, { log: d } ]\n");
  EXPECT_EQ(Say("plant/7/status", R"({"n":1})").actions.size(), 4u);
  EXPECT_EQ(Say("plant/7/status", R"({"n":2})").actions.size(), 0u);
}

TEST_F(RulesAtWork, OnlySayWhatTheyWouldDoInADryRunAndNothingWhenOff) {
  Load("    mode: dry_run\n" + kPause);
  const RuleOutput output = Say("plant/7/status", "{}");
  ASSERT_EQ(output.actions.size(), 1u);
  EXPECT_TRUE(output.actions[0].dry_run);
  Load("    mode: off\n" + kPause);
  EXPECT_TRUE(Say("plant/7/status", R"({"n":1})").actions.empty());
}

TEST_F(RulesAtWork, ReportWhatKeepsThemFromActing) {
  Load("    on_error: publish\n    do: [ { rollout.pause: { model: \"${payload.model}\" } } ]\n");
  const RuleOutput no_json = Say("plant/7/status", "STOPPED");
  ASSERT_EQ(no_json.problems.size(), 1u);
  EXPECT_EQ(no_json.problems[0].error.code, ErrorCode::kRuleValue);
  EXPECT_EQ(no_json.problems[0].on_error, OnRuleError::kPublish);
  EXPECT_EQ(no_json.problems[0].trigger_topic, "plant/7/status");
  EXPECT_EQ(Say("plant/7/status", "{}").problems.at(0).error.code, ErrorCode::kRuleValue);
  EXPECT_EQ(Say("plant/7/status", R"({"model":"a b"})").problems.at(0).error.code,
            ErrorCode::kBadId);
  EXPECT_TRUE(Say("plant/7/status", R"({"model":"detector"})").problems.empty());
}

TEST_F(RulesAtWork, NeverPublishToMoreLevelsThanTheFileSays) {
  Load("    do: [ { publish: { topic: \"alerts/${payload.to}\", payload: x } } ]\n");
  for (const char* const to : {"a/b", "+", "#", "x#"}) {
    const RuleOutput output = Say("plant/7/status", R"({"to":")" + std::string(to) + R"("})");
    EXPECT_TRUE(output.actions.empty()) << to;
    EXPECT_EQ(output.problems.at(0).error.code, ErrorCode::kTopic) << to;
  }
  EXPECT_EQ(Say("plant/7/status", R"({"to":"a"})").actions.at(0).topic, "alerts/a");
}

TEST_F(RulesAtWork, ReadPlainTextWhenTheFileSaysSo) {
  LoadFile(
      "rules_version: 1\nrules:\n  - name: r\n    on: { topic: a, format: text }\n"
      "    when: payload == 'STOPPED'\n" +
      kPause);
  EXPECT_EQ(Say("a", "STOPPED").actions.size(), 1u);
  EXPECT_TRUE(Say("a", "{}").actions.empty());
}

TEST_F(RulesAtWork, KnowTheClientOfAnEventOfTheBrokerAndOfNothingElse) {
  Load(
      "    when: client.id == 'cam-1'\n    do: [ { device.quarantine: { device: \"${client.id}\" } "
      "} ]\n",
      "sluice/v1/server/+server/event");
  const std::string_view event = R"({"type":"malformed","device":"cam-1"})";
  const RuleOutput output = Say("sluice/v1/server/s1/event", event);
  ASSERT_EQ(output.actions.size(), 1u);
  EXPECT_EQ(output.actions[0].target, "cam-1");
  Load("    when: client.id == 'cam-1'\n" + kPause);
  EXPECT_TRUE(Say("plant/7/status", event).actions.empty());
}

TEST_F(RulesAtWork, HoldABoundedNumberOfConditions) {
  Load(kStopped + "    for: 30s\n" + kPause);
  for (std::size_t i = 0; i <= limits::kHoldsMax; ++i) {
    const RuleOutput output =
        Say("plant/" + std::to_string(i) + "/status", R"({"state":"STOPPED"})");
    ASSERT_EQ(output.problems.size(), i < limits::kHoldsMax ? 0u : 1u);
  }
  EXPECT_EQ(engine_.holds(), limits::kHoldsMax);
  Wait(30'000);  // all are spent, so they make room
  EXPECT_TRUE(Say("plant/x/status", R"({"state":"STOPPED"})").problems.empty());
  EXPECT_EQ(engine_.holds(), limits::kHoldsMax);
}

}  // namespace
}  // namespace sluice
