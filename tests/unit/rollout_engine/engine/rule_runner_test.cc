// Rules from the message on the broker to what becomes of a rollout.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "common/mqtt/memory_transport.h"
#include "tests/support/recording_events.h"
#include "tests/unit/rollout_engine/engine/fleet_fixture.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string RuleFile(const std::string& name, const std::string& topic, const std::string& lines) {
  return "rules_version: 1\nrules:\n  - name: " + name + "\n    on: { topic: \"" + topic +
         "\" }\n" + lines;
}
const std::string kPauseModel = "    do: [ { rollout.pause: { model: detector } } ]\n";

class RulesOfAFleet : public testing::Test {
 protected:
  void Start(const std::string& file) {
    fleet_.rule_file = file;
    ASSERT_TRUE(fleet_.StartEngine());
    ASSERT_TRUE(plant_.Start({}, {{"site/#"}, {"sluice/v1/rule/#"}}, heard_));
    fleet_.Settle();
  }
  /// "r" brings v2 to devices that run v1.
  void StartRollout() {
    const Digest v1 = fleet_.Release("detector-v1", 1, Fleet::Artifact(1));
    fleet_.Release("detector-v2", 2, Fleet::Artifact(2));
    fleet_.AddDevices(8, v1);
    ASSERT_TRUE(fleet_.Create(TwoStages("detector-v2"), "r").ok());
    ASSERT_TRUE(fleet_.Operate("start", "r").ok());
    ASSERT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);
  }
  void Say(const std::string& topic, const std::string& payload, bool retain = false) {
    ASSERT_TRUE(plant_.Publish(topic, AsBytes(payload), Qos::k1, retain));
    fleet_.Settle();
  }
  Outcome Reload(const std::string& file, const std::string& id = "reload-0001") {
    fleet_.rule_file = file;
    const Outcome outcome = fleet_.engine().Execute(
        {.id = id, .subject = Subject::kEngine, .op = "reload_rules", .by = "ops", .via = "http"});
    fleet_.Settle();
    return outcome;
  }
  std::vector<RolloutNote> NotesBy(const std::string& by) {
    std::vector<RolloutNote> notes = *RolloutLog::Notes(fleet_.store(), "r", std::nullopt, 1'000);
    std::erase_if(notes, [&](const RolloutNote& note) { return note.by != by; });
    return notes;
  }
  std::vector<std::string> News() {
    std::vector<std::string> lines;
    for (const RuleNews& news : fleet_.rule_news) lines.push_back(news.text);
    return lines;
  }

  Fleet fleet_;
  test_support::RecordingEvents heard_;
  MemoryTransport plant_{fleet_.broker(), "plant"};
};

TEST_F(RulesOfAFleet, PauseARunningRolloutOfTheModelThroughTheOperationsLayer) {
  Start(RuleFile("stop", "plant/+line/status",
                 "    when: payload.state == 'STOPPED'\n" + kPauseModel));
  StartRollout();
  Say("plant/7/status", R"({"state":"RUNNING"})");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);
  Say("plant/7/status", R"({"state":"STOPPED"})");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kPaused);
  EXPECT_EQ(fleet_.rollout("r").why, "paused by rule:stop: a message on plant/7/status");
  const auto notes = NotesBy("rule:stop");
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_EQ(notes[0].via, "rule");
  EXPECT_EQ(notes[0].type, "pause");
  EXPECT_EQ(notes[0].why, "a message on plant/7/status");
  EXPECT_THAT(notes[0].op_id, HasSubstr("rule-"));
  EXPECT_THAT(News(), ElementsAre("rule stop: rollout.pause: rollout r is paused"));
}

TEST_F(RulesOfAFleet, AnswerARepeatedTriggerWithTheStoredOutcomeEvenAfterARestart) {
  const std::string file = RuleFile("stop", "plant/status", kPauseModel);
  Start(file);
  StartRollout();
  Say("plant/status", R"({"id":"t1"})");
  ASSERT_EQ(fleet_.StatusOf("r"), RolloutStatus::kPaused);
  ASSERT_TRUE(fleet_.Operate("resume", "r").ok());
  Say("plant/status", R"({"id":"t1"})");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);
  fleet_.CrashEngine();
  ASSERT_TRUE(fleet_.StartEngine());
  Say("plant/status", R"({"id":"t1"})");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);
  EXPECT_EQ(NotesBy("rule:stop").size(), 1u);
  Say("plant/status", R"({"id":"t2"})");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kPaused);
}

TEST_F(RulesOfAFleet, IgnoreRetainedTriggers) {
  const std::string file = RuleFile("stop", "plant/status", kPauseModel);
  fleet_.rule_file = file;
  ASSERT_TRUE(plant_.Start({}, {}, heard_));
  fleet_.broker().Deliver();
  ASSERT_TRUE(plant_.Publish("plant/status", AsBytes("{}"), Qos::k1, true));
  fleet_.broker().Deliver();
  ASSERT_TRUE(fleet_.StartEngine());
  StartRollout();
  EXPECT_EQ(fleet_.engine().rules().counters().retained, 1u);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);
}

TEST_F(RulesOfAFleet, ActOnTriggersOfForeignRuleEngines) {
  Start(RuleFile("stop", "sluice/v1/trigger/line-stop", kPauseModel));
  StartRollout();
  Say("sluice/v1/trigger/line-stop", "{}");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kPaused);
}

TEST_F(RulesOfAFleet, WakeTheEngineWhenAConditionHasHeldLongEnough) {
  Start(
      RuleFile("stop", "plant/status", "    when: payload.stopped\n    for: 30s\n" + kPauseModel));
  StartRollout();
  Say("plant/status", R"({"stopped":true})");
  fleet_.Pass(29'000);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);
  fleet_.Pass(1'000);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kPaused);
}

TEST_F(RulesOfAFleet, ResumeOnlyWhatARulePausedAndNobodyTouchedSince) {
  Start(
      "rules_version: 1\nrules:\n"
      "  - { name: stop, on: { topic: stop }, do: [ { rollout.pause: { model: detector } } ] }\n"
      "  - { name: go, on: { topic: go }, allow_start: true, do: [ { rollout.resume: { rollout: r "
      "} } ] }\n");
  StartRollout();
  Say("stop", "1");
  Say("go", "1");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);
  Say("stop", "2");
  EXPECT_FALSE(fleet_.Operate("pause", "r").ok()) << "a person wants it paused, too";
  Say("go", "2");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kPaused);
  EXPECT_THAT(News().back(), HasSubstr("E_DENIED: rollout.resume: rollout r was not paused by"));
  ASSERT_TRUE(fleet_.Operate("resume", "r").ok());
  ASSERT_TRUE(fleet_.Operate("pause", "r").ok());
  Say("go", "3");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kPaused);
}

TEST_F(RulesOfAFleet, StartOnlyWithLeaveAndNeverWhatWasAborted) {
  Start(RuleFile("go", "go",
                 "    allow_start: true\n    do: [ { rollout.start: { rollout: q } } ]\n"));
  StartRollout();
  ASSERT_TRUE(fleet_.Operate("abort", "r").ok());
  ASSERT_TRUE(fleet_.Create(TwoStages("detector-v2"), "q").ok());
  Say("go", "1");
  EXPECT_EQ(fleet_.StatusOf("q"), RolloutStatus::kRunning);
  ASSERT_TRUE(fleet_.Operate("abort", "q").ok());
  Say("go", "2");
  EXPECT_EQ(fleet_.StatusOf("q"), RolloutStatus::kAborted);
}

TEST_F(RulesOfAFleet, RollBackRunningRolloutsAndNoneThatAreOver) {
  Start(RuleFile("back", "back", "    do: [ { rollout.roll_back: { model: detector } } ]\n"));
  StartRollout();
  ASSERT_TRUE(fleet_.Operate("abort", "r").ok());
  Say("back", "1");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kAborted);
  EXPECT_THAT(News().back(), HasSubstr("no rollout of it that this could be done to"));
}

TEST_F(RulesOfAFleet, QuarantineADevice) {
  Start(RuleFile("bad", "sluice/v1/server/+server/event",
                 "    when: payload.type == 'malformed'\n"
                 "    do: [ { device.quarantine: { device: \"${client.id}\" } } ]\n"));
  StartRollout();
  Say("sluice/v1/server/s1/event", R"({"type":"malformed","device":"dev-003"})");
  EXPECT_EQ(fleet_.engine().devices().Find("dev-003")->quarantine,
            "quarantined by rule:bad: a message on sluice/v1/server/s1/event");
  Say("sluice/v1/server/s1/event", R"({"type":"malformed","device":"nobody"})");
  EXPECT_THAT(News().back(), HasSubstr("E_NOT_FOUND: device.quarantine: no device nobody"));
}

TEST_F(RulesOfAFleet, PublishAndReportProblemsOnTheBroker) {
  Start(RuleFile("tell", "plant/+line",
                 "    on_error: publish\n    do:\n"
                 "      - publish: { topic: \"site/${line}\", payload: { n: \"${payload.n}\" } }\n"
                 "      - log: \"line ${line}\"\n"));
  Say("plant/7", R"({"n":5})");
  Say("plant/7", "no json");
  const auto messages = heard_.Snapshot().messages;
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].topic, "site/7");
  EXPECT_EQ(AsText(messages[0].payload), R"({"n":5})");
  EXPECT_EQ(messages[1].topic, "sluice/v1/rule/tell/error");
  const auto event = nlohmann::json::parse(AsText(messages[1].payload));
  EXPECT_EQ(event.at("code"), "E_RULE_VALUE");
  EXPECT_EQ(event.at("rule"), "tell");
  EXPECT_EQ(event.at("topic"), "plant/7");
  EXPECT_EQ(News().at(1), "rule tell: line 7");
  EXPECT_FALSE(fleet_.broker().Retained("site/7"));
}

TEST_F(RulesOfAFleet, ChangeNothingInADryRun) {
  Start(RuleFile("stop", "plant/status", "    mode: dry_run\n" + kPauseModel));
  StartRollout();
  Say("plant/status", "{}");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);
  EXPECT_THAT(News(), ElementsAre("rule stop, dry run: would rollout.pause model detector"));
}

TEST_F(RulesOfAFleet, ListenToOtherTopicsAfterAReloadOnTheSameConnection) {
  Start(RuleFile("stop", "old/status", kPauseModel));
  StartRollout();
  const Outcome outcome = Reload(RuleFile("stop", "new/status", kPauseModel));
  EXPECT_TRUE(outcome.ok()) << outcome.message;
  EXPECT_EQ(outcome.message, "1 rules on 1 filters");
  Say("old/status", "{}");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);
  EXPECT_EQ(fleet_.engine().rules().counters().messages, 0u) << "the broker sends it no more";
  Say("new/status", "{}");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kPaused);
}

TEST_F(RulesOfAFleet, KeepTheOldSetWhenTheNewFileIsBad) {
  Start(RuleFile("stop", "plant/status", kPauseModel));
  StartRollout();
  const Outcome outcome = Reload(RuleFile("stop", "plant/status", "    do: [ { shell: x } ]\n"));
  EXPECT_EQ(outcome.code, ErrorCode::kRuleAction);
  EXPECT_THAT(outcome.message, HasSubstr("the rules stay as they were: rules[0].do[0], line 5"));
  Say("plant/status", "{}");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kPaused);
}

TEST_F(RulesOfAFleet, AreNotReloadedTwiceUnderOneId) {
  Start(RuleFile("stop", "plant/status", kPauseModel));
  const std::string other = RuleFile("other", "other/status", kPauseModel);
  ASSERT_TRUE(Reload(other).ok());
  ASSERT_TRUE(Reload("rules_version: 1\nrules: []\n").ok());
  EXPECT_EQ(fleet_.engine().rules().rules().rules.size(), 1u);
}

TEST_F(RulesOfAFleet, ABadFileIsNoStart) {
  fleet_.rule_file = "rules: []\n";
  const Status started = fleet_.StartEngine();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kCfgIncomplete);
}

TEST_F(RulesOfAFleet, AFilterThatTheBrokerRefusesEndsNoConnection) {
  fleet_.broker().RefuseFilter("plant/secret");
  Start(RuleFile("stop", "plant/secret", kPauseModel));
  StartRollout();
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);
}

TEST_F(RulesOfAFleet, WithoutAFileThereIsNothingToReload) {
  ASSERT_TRUE(fleet_.StartEngine());
  const Outcome outcome = fleet_.engine().Execute(
      {.id = "reload-0001", .subject = Subject::kEngine, .op = "reload_rules"});
  EXPECT_EQ(outcome.code, ErrorCode::kState);
  EXPECT_THAT(News(), IsEmpty());
}

}  // namespace
}  // namespace sluice
