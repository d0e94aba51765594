// Messages of others on a real Mosquitto, and what the rules of a real engine make of them.
#include <gtest/gtest.h>
#include <signal.h>

#include <fstream>
#include <thread>

#include "common/mqtt/paho_transport.h"
#include "demo/story.h"
#include "tests/support/recording_events.h"
#include "tests/support/temporary_directory.h"

namespace sluice {
namespace {

using demo::World;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr int kFleetDevices = 4;
constexpr auto kPollEvery = std::chrono::milliseconds(20);
constexpr const char* kExample = SLUICE_SOURCE_DIR "/demo/rules.yaml";

class RulesOnABroker : public ::testing::Test {
 protected:
  RulesOnABroker()
      : rules_(directory_.Write("rules.yaml", ReadText(kExample))),
        world_({.bin = SLUICE_BIN_DIR,
                .data = SLUICE_SOURCE_DIR "/data/optdigits.csv.gz",
                .dir = MakeDir(directory_.File("world")),
                .fleet_devices = kFleetDevices,
                .agent_devices = 0,
                .with_plugin = false,  // rules work on any broker
                .rules = rules_}) {}

  void SetUp() override {
    Require(world_.MakeKeys());
    std::filesystem::create_directory_symlink(SLUICE_DIGIT_MODELS, world_.dir() / "models");
    Require(world_.StartBroker());
    Require(world_.StartEngine());
    Require(world_.StartDevices());
    PahoOptions options;
    options.broker_url = world_.BrokerUrl();
    options.client_id = "plant";
    plant_ = std::make_unique<PahoTransport>(options, std::make_unique<SeededRandom>(1));
    Require(plant_->Start({}, {{"site/#"}}, heard_));
    ASSERT_TRUE(heard_.WaitForConnections(1));
    Require(demo::Publish(world_, "digits-v1"));
    const std::string file = directory_.Write(
        "rollout.yaml",
        "rollout:\n  model_version: digits-v1\n  stages:\n    - {name: all, target_percent: 100, "
        "duration_hours: 1, success_criteria: {error_rate_max: 0.5}}\n");
    rollout_ = Require(world_.Ask({"rollout", "create", "-f", file})).at("rid");
    Require(world_.Sluice({"rollout", "start", rollout_}));
    AwaitStatus("running");
  }

  void TearDown() override {
    if (plant_) plant_->Stop();
    if (!HasFailure()) return;
    std::cerr << ReadText((world_.dir() / "log" / "sluiced.log").string()) << "\n";
  }

  static std::string MakeDir(const std::string& path) {
    std::filesystem::create_directory(path);
    return path;
  }
  static std::string ReadText(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void Require(const Status& status) {
    if (!status) throw std::runtime_error(status.error().Line());
  }
  template <class T>
  static T Require(Result<T> result) {
    if (!result) throw std::runtime_error(result.error().Line());
    return *std::move(result);
  }

  template <class Condition>
  void Await(const std::string& what, Condition condition) {
    for (const auto deadline = Clock::now() + test_support::kPatience; Clock::now() < deadline;) {
      if (condition()) return;
      std::this_thread::sleep_for(kPollEvery);  // another process's time
    }
    FAIL() << "never " << what;
  }
  std::string Status() { return Require(world_.Ask({"rollout", "get", rollout_})).at("status"); }
  void AwaitStatus(const std::string& status) {
    Await(status, [&] { return Status() == status; });
  }
  void Say(const std::string& topic, const std::string& payload, bool retain = false) {
    const auto id = plant_->Publish(topic, AsBytes(payload), Qos::k1, retain);
    ASSERT_TRUE(id.has_value()) << id.error().Line();
    ASSERT_TRUE(heard_.WaitFor([&](const auto& record) { return record.published.contains(*id); }));
  }
  std::int64_t Fired() {
    return Require(world_.Ask({"engine", "status"})).at("rules_fired").get<std::int64_t>();
  }
  json EventsOf(const std::string& by) {
    json events = json::array();
    const json all = Require(world_.Ask({"rollout", "events", rollout_}));
    for (const json& event : all.at("items")) {
      if (event.at("by") == by) events.push_back(event);
    }
    return events;
  }

  test_support::TemporaryDirectory directory_;
  test_support::RecordingEvents heard_;
  std::string rules_;
  World world_;
  std::unique_ptr<PahoTransport> plant_;
  std::string rollout_;
};

TEST_F(RulesOnABroker, AMessageOnAnUnrelatedTopicPausesARunningRollout) {
  Say("plant/7/status", R"({"state":"RUNNING","confidence":1})");
  Say("plant/8/status", R"({"state":"STOPPED","confidence":0.5})");
  Say("plant/9/status", R"({"state":"STOPPED","confidence":0.9})");
  AwaitStatus("paused");
  ASSERT_TRUE(heard_.WaitForMessages(1));
  const auto messages = heard_.Snapshot().messages;
  EXPECT_EQ(messages[0].topic, "site/alerts/model");
  EXPECT_EQ(AsText(messages[0].payload), R"({"rule":"pause-on-line-stop","line":"9"})");
  const json events = EventsOf("rule:pause-on-line-stop");
  ASSERT_EQ(events.size(), 1u) << events;
  EXPECT_EQ(events[0].at("via"), "rule");
  EXPECT_EQ(events[0].at("type"), "pause");
  EXPECT_EQ(events[0].at("why"), "a message on plant/9/status");
  EXPECT_EQ(Fired(), 1);
}

TEST_F(RulesOnABroker, ARepeatedOrRetainedMessageHasNoSecondEffect) {
  const std::string stopped = R"({"id":"stop-1","state":"STOPPED","confidence":0.9})";
  Say("plant/7/status", stopped);
  AwaitStatus("paused");
  Require(world_.Sluice({"rollout", "resume", rollout_}));
  Say("plant/7/status", stopped);
  Say("plant/6/status", R"({"state":"STOPPED","confidence":0.9})", true);
  // Live, if retained on the broker: it is this subscriber's first sight of it.
  AwaitStatus("paused");
  Require(world_.Sluice({"rollout", "resume", rollout_}));
  Require(world_.Kill("sluiced"));
  Require(world_.Restart("sluiced"));
  Await("back", [&] {
    const auto engine = world_.Ask({"engine", "status"});
    return engine && engine->value("broker_connected", false);
  });
  // The broker hands the retained one over again, and the repeat comes once more.
  Say("plant/7/status", stopped);
  Say("plant/7/status", R"({"id":"stop-2","state":"RUNNING","confidence":0.9})");
  Say("sluice/v1/trigger/roll-back", R"({"rollout":"no-such"})");
  Await("past all of these", [&] { return Fired() == 2; });  // the repeat and the trigger
  EXPECT_EQ(Status(), "running");
  EXPECT_EQ(EventsOf("rule:pause-on-line-stop").size(), 2u);
}

TEST_F(RulesOnABroker, AReloadChangesWhatIsListenedToAndABadFileChangesNothing) {
  const std::string moved =
      "rules_version: 1\nrules:\n"
      "  - { name: moved, on: { topic: \"hall/+hall/alarm\" }, do: [ { rollout.pause: { model: "
      "digits "
      "} } ] }\n";
  directory_.Write("rules.yaml", "rules_version: 1\nrules: [ { name: x } ]\n");
  const auto refused = world_.Sluice({"rules", "reload"});
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().text.find("the rules stay as they were"), std::string::npos)
      << refused.error().Line();
  EXPECT_EQ(Require(world_.Ask({"engine", "status"})).at("rules"), 3);

  directory_.Write("rules.yaml", moved);
  EXPECT_EQ(Require(world_.Sluice({"rules", "reload"})),
            "rules reload_rules: 1 rules on 1 filters\n");
  Say("plant/7/status", R"({"state":"STOPPED","confidence":0.9})");
  // Until the broker has granted the new filter it sends nothing, so say it until it is heard.
  int said = 0;
  Await("paused", [&] {
    Say("hall/1/alarm", "{\"n\":" + std::to_string(++said) + "}");
    return Status() == "paused";
  });
  EXPECT_EQ(EventsOf("rule:pause-on-line-stop").size(), 0u);

  directory_.Write("rules.yaml", ReadText(kExample));
  Require(world_.Signal("sluiced", SIGHUP));
  Await("three rules again", [&] {
    return Require(world_.Ask({"engine", "status"})).at("rules") == 3;
  });
}

}  // namespace
}  // namespace sluice
