// Several releases against one control, and several rollouts at once, as devices and operators meet
// them.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <set>

#include "rollout_engine/engine/keys.h"
#include "tests/unit/rollout_engine/engine/fleet_fixture.h"

namespace sluice {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr char kVariants[] = R"(
rollout:
  model_version: "detector-v2"
  variants: [{version: detector-v2-int8, weight: 1}, {version: detector-v2-fp16, weight: 1}]
  rate: {initial_devices: 100}
  stages:
    - name: compare
      target_percent: 50
      duration_hours: 0.01
      success_criteria: {error_rate_max: 0.01, accuracy_drop_max: 0.05}
    - {name: general, target_percent: 100, duration_hours: 0.01}
  rollback: {health_check_interval_sec: 5, confirm_deadline_sec: 30}
)";

class EngineVariants : public testing::Test {
 protected:
  /// 120 devices run v1; "r" compares int8 with fp16.
  void SetUp() override {
    ASSERT_TRUE(fleet_.StartEngine());
    const Digest v1 = fleet_.Release("detector-v1", 1, Fleet::Artifact(1));
    fleet_.Release("detector-v2-int8", 2, Fleet::Artifact(2));
    fleet_.Release("detector-v2-fp16", 3, Fleet::Artifact(3));
    fleet_.AddDevices(120, v1);
    for (int i = 0; i < 4; ++i) {
      fleet_.InferAll();
      fleet_.Pass(5'000);
    }
    const Outcome created = fleet_.Create(kVariants, "r");
    ASSERT_TRUE(created.ok()) << created.message;
    const Outcome started = fleet_.Operate("start", "r");
    ASSERT_TRUE(started.ok()) << started.message;
    fleet_.Pass(2'000);
  }
  /// Time passes while all work; int8 is right more often than the others, `bad` errs.
  void Work(int seconds, const std::string& bad = "") {
    for (int s = 0; s < seconds; s += 5) {
      for (auto& device : fleet_.devices()) {
        const std::uint32_t correct = device->release() == "detector-v2-int8" ? 198 : 190;
        device->Infer(200, device->release() == bad ? 20 : 0, 0, correct);
      }
      fleet_.Settle();
      fleet_.Pass(5'000);
    }
  }
  std::vector<std::string> Notes() {
    const std::vector<RolloutNote> notes =
        *RolloutLog::Notes(fleet_.store(), "r", std::nullopt, 1'000);
    std::vector<std::string> texts;
    for (const RolloutNote& note : notes) texts.push_back(note.why);
    return texts;
  }
  json Topic(const std::string& topic) {
    const std::string text = fleet_.Retained("sluice/v1/" + topic);
    EXPECT_FALSE(text.empty()) << topic;
    return text.empty() ? json::object() : json::parse(text);
  }

  Fleet fleet_;
};

TEST_F(EngineVariants, BringTheMoreAccurateOneToEverybody) {
  const int int8 = fleet_.CountOn("detector-v2-int8");
  const int fp16 = fleet_.CountOn("detector-v2-fp16");
  EXPECT_EQ(int8 + fp16, 60);
  EXPECT_GT(int8, 20);
  EXPECT_GT(fp16, 20);
  Work(20);
  json variant = Topic("rollout/r/variant/1/state");
  EXPECT_EQ(variant.at("version"), "detector-v2-int8");
  EXPECT_EQ(variant.at("status"), "testing");
  EXPECT_EQ(variant.at("devices"), int8);
  EXPECT_EQ(variant.at("test_n"), int8);
  EXPECT_EQ(variant.at("control_n"), 60);
  EXPECT_LT(variant.at("accuracy_drop_test").get<double>(),
            Topic("rollout/r/variant/2/state").at("accuracy_drop_test").get<double>());
  EXPECT_EQ(Topic("rollout/r/state").at("release"), "detector-v2");
  Work(300);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kCompleted) << fleet_.rollout("r").why;
  EXPECT_EQ(fleet_.CountOn("detector-v2-int8"), 120);
  EXPECT_EQ(fleet_.rollout("r").winner, 0);
  EXPECT_EQ(Topic("rollout/r/variant/1/state").at("status"), "won");
  EXPECT_EQ(Topic("rollout/r/variant/2/state").at("status"), "outdone");
  EXPECT_EQ(Topic("rollout/r/state").at("release"), "detector-v2-int8");
  EXPECT_THAT(Notes(), Contains(HasSubstr("variant detector-v2-int8 goes on")));
}

TEST_F(EngineVariants, TakeTheWorseOneBackAndGoOnWithTheOther) {
  Work(60, "detector-v2-int8");
  EXPECT_EQ(fleet_.CountOn("detector-v2-int8"), 0);
  EXPECT_GT(fleet_.CountOn("detector-v2-fp16"), 20);
  EXPECT_THAT(Notes(), Contains(HasSubstr("variant detector-v2-int8 is dropped: rolled back at")));
  Work(300, "detector-v2-int8");
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kCompleted) << fleet_.rollout("r").why;
  EXPECT_EQ(fleet_.CountOn("detector-v2-fp16"), 120);
  EXPECT_EQ(Topic("rollout/r/variant/1/state").at("status"), "dropped");
}

TEST_F(EngineVariants, RevertADeviceThatWasAwayWhenItsVariantWasDropped) {
  const auto away =
      std::find_if(fleet_.devices().begin(), fleet_.devices().end(),
                   [](const auto& device) { return device->release() == "detector-v2-int8"; });
  fleet_.broker().CutLink((*away)->id());
  Work(60, "detector-v2-int8");
  ASSERT_EQ(fleet_.CountOn("detector-v2-int8"), 1);
  fleet_.CrashEngine();
  ASSERT_TRUE(fleet_.StartEngine());
  fleet_.broker().RestoreLink((*away)->id());
  fleet_.Pass(5'000);
  EXPECT_EQ(fleet_.CountOn("detector-v2-int8"), 0);
}

TEST_F(EngineVariants, GiveANewcomerTheOneThatWon) {
  Work(320);
  ASSERT_EQ(fleet_.StatusOf("r"), RolloutStatus::kCompleted) << fleet_.rollout("r").why;
  auto& late = fleet_.AddDevice({.id = "late", .hardware = "edge-a", .installed = {}});
  late.Start();
  fleet_.Pass(5'000);
  EXPECT_EQ(late.release(), "detector-v2-int8");
}

TEST_F(EngineVariants, KeepEveryLookOfEachWithItsInputAndTheLastOverARestart) {
  Work(20);
  for (const std::int32_t variant : {0, 1}) {
    const std::string key =
        RolloutLog::DecisionKey("r", {.stage = 0, .look = 2, .variant = variant});
    const auto record = fleet_.store().Get(key);
    ASSERT_TRUE(record && *record) << key;
    const json look = json::parse(AsText(**record));
    EXPECT_EQ(look.at("name"), "r/0/2/" + std::to_string(variant));
    EXPECT_EQ(look.at("input").at("look"), 2);
    EXPECT_EQ(look.at("expected").at("decision"), "CONTINUE");
    EXPECT_TRUE(look.at("input_sha256").is_string());
  }
  const auto looks = fleet_.engine().runner().LastLooks("r");
  fleet_.CrashEngine();
  ASSERT_TRUE(fleet_.StartEngine());
  ASSERT_EQ(fleet_.engine().runner().LastLooks("r").size(), 2U);
  EXPECT_EQ(fleet_.engine().runner().LastLooks("r").at(1).look, looks.at(1).look);
}

TEST_F(EngineVariants, AreRefusedWhenTheyAreOfDifferentModelsOrUnknown) {
  std::string file = kVariants;
  file.replace(file.find("detector-v2-fp16"), 16, "detector-v2-fp32");
  EXPECT_EQ(fleet_.Create(file, "r2").code, ErrorCode::kNoSuchVersion);
}

// ---- several rollouts at once ----

class SeveralRollouts : public testing::Test {
 protected:
  /// Thirty devices at each of the sites a, b and c run v1; v2 and v3 are published.
  void SetUp() override {
    ASSERT_TRUE(fleet_.StartEngine());
    v1_ = fleet_.Release("detector-v1", 1, Fleet::Artifact(1));
    fleet_.Release("detector-v2", 2, Fleet::Artifact(2));
    fleet_.Release("detector-v3", 3, Fleet::Artifact(3));
    for (int i = 0; i < 90; ++i) {
      test_support::FakeDevice::Setup setup;
      setup.id = "dev-" + std::to_string(100 + i);
      setup.attributes = {{"site", std::string(1, static_cast<char>('a' + i % 3))}};
      setup.installed = v1_;
      fleet_.AddDevice(std::move(setup)).Start();
    }
    fleet_.Settle();
  }
  void StartOn(const std::string& id, const std::string& site, const std::string& release,
               int priority = 0) {
    std::string file = TwoStages(release);
    const std::string more = "\n  priority: " + std::to_string(priority) +
                             (site.empty() ? "" : "\n  selector: \"site=" + site + "\"");
    file.insert(file.find("\n  rate:"), more);
    const Outcome created = fleet_.Create(file, id);
    ASSERT_TRUE(created.ok()) << created.message;
    const Outcome started = fleet_.Operate("start", id);
    ASSERT_TRUE(started.ok()) << started.message;
  }
  void FailInstallsAt(char site) {
    for (int i = site - 'a'; i < 90; i += 3) fleet_.device(i).fails_with = "E_VALIDATION";
  }

  Fleet fleet_;
  Digest v1_;
};

TEST_F(SeveralRollouts, AreAllFrozenWhenTwoOfThemHoldAtOnce) {
  FailInstallsAt('a');
  FailInstallsAt('b');
  StartOn("on-c", "c", "detector-v2");
  StartOn("on-a", "a", "detector-v2");
  fleet_.Pass(2'000);
  ASSERT_EQ(fleet_.StatusOf("on-a"), RolloutStatus::kHolding);
  EXPECT_EQ(fleet_.StatusOf("on-c"), RolloutStatus::kRunning);
  StartOn("on-b", "b", "detector-v2");
  fleet_.Pass(2'000);
  ASSERT_EQ(fleet_.StatusOf("on-b"), RolloutStatus::kHolding);
  EXPECT_EQ(fleet_.StatusOf("on-c"), RolloutStatus::kPaused);
  EXPECT_THAT(fleet_.rollout("on-c").why,
              HasSubstr("paused by the engine: on-a, on-b hold or roll back at once"));
  // Whoever resumes it has the last word, until another one stops.
  ASSERT_TRUE(fleet_.Operate("resume", "on-c").ok());
  fleet_.Pass(20'000);
  EXPECT_EQ(fleet_.StatusOf("on-c"), RolloutStatus::kRunning);
}

TEST_F(SeveralRollouts, LeaveADeviceToTheOneThatHasItUnlessTheOtherComesFirst) {
  StartOn("low", "", "detector-v2");
  fleet_.Pass(2'000);
  const int taken = fleet_.CountOn("detector-v2");
  ASSERT_EQ(taken, 23);
  ASSERT_TRUE(fleet_.Create(TwoStages("detector-v3"), "equal").ok());
  EXPECT_EQ(fleet_.Operate("start", "equal").code, ErrorCode::kRolloutActive);
  StartOn("high", "", "detector-v3", 5);
  fleet_.Pass(2'000);
  // What the first one has reached stays with it; the rest is the second one's.
  EXPECT_EQ(fleet_.CountOn("detector-v2"), taken);
  EXPECT_EQ(fleet_.rollout("low").members.size(), static_cast<std::size_t>(taken));
  EXPECT_EQ(fleet_.rollout("high").members.size(), static_cast<std::size_t>(90 - taken));
  EXPECT_EQ(fleet_.CountOn("detector-v3"), 17);  // a quarter of them
}

TEST_F(SeveralRollouts, BringNothingToDevicesThatTheirSelectorLeavesOut) {
  StartOn("on-a", "a", "detector-v2");
  ASSERT_TRUE(fleet_.Operate("promote", "on-a").ok());
  fleet_.Pass(3'000);
  ASSERT_TRUE(fleet_.Operate("promote", "on-a").ok());
  ASSERT_EQ(fleet_.StatusOf("on-a"), RolloutStatus::kCompleted);
  for (auto& device : fleet_.devices()) device->SayHello();
  fleet_.Pass(10'000);
  EXPECT_EQ(fleet_.CountOn("detector-v2"), 30);
  EXPECT_EQ(fleet_.CountOn("detector-v1"), 60);
}

TEST_F(SeveralRollouts, CountADeviceInNoArmRightAfterAnotherHasUpdatedIt) {
  StartOn("first", "a", "detector-v2");
  ASSERT_TRUE(fleet_.Operate("promote", "first").ok());
  fleet_.Pass(3'000);
  ASSERT_TRUE(fleet_.Operate("promote", "first").ok());
  ASSERT_EQ(fleet_.StatusOf("first"), RolloutStatus::kCompleted);
  ASSERT_EQ(fleet_.CountOn("detector-v2"), 30);
  fleet_.CrashEngine();  // a new process knows it too
  ASSERT_TRUE(fleet_.StartEngine());
  for (auto& device : fleet_.devices()) device->SayHello();
  fleet_.Pass(1'000);
  StartOn("second", "", "detector-v3");
  int unsettled = 0;
  for (const auto& [id, member] : fleet_.rollout("second").members) {
    if (!member.settles_at) continue;
    ++unsettled;
    EXPECT_LE(*member.settles_at, fleet_.engine().Now() + 36'000) << "no longer than a stage";
  }
  EXPECT_EQ(unsettled, 30);
}

TEST_F(SeveralRollouts, DoNotTakeAnAnnouncedSilenceForALostDevice) {
  StartOn("r", "", "detector-v2");
  fleet_.Pass(2'000);
  const auto updated =
      std::find_if(fleet_.devices().begin(), fleet_.devices().end(),
                   [](const auto& device) { return device->release() == "detector-v2"; });
  (*updated)->hello.next_contact_s = 600;
  (*updated)->SayHello();
  fleet_.Pass(1'000);
  fleet_.broker().CutLink((*updated)->id());
  fleet_.Pass(60'000);
  const json rollout = json::parse(fleet_.Retained("sluice/v1/rollout/r/state"));
  EXPECT_EQ(rollout.at("lost"), 22) << "all others of the stage are silent without a word";
  const std::string topic = "sluice/v1/device/" + (*updated)->id() + "/state";
  EXPECT_EQ(json::parse(fleet_.Retained(topic)).at("waiting"), "sleeping");
}

}  // namespace
}  // namespace sluice
