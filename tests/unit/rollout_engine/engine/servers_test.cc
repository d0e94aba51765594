// The engine beside a broker whose plugin serves chunks: what it believes of it, and what it tells
// it.
#include <nlohmann/json.hpp>

#include "common/mqtt/memory_transport.h"
#include "tests/unit/rollout_engine/engine/fleet_fixture.h"

namespace sluice {
namespace {

using nlohmann::json;

/// A plugin as seen from outside: it says its lease and hears commands.
class FakePlugin final : private TransportEvents {
 public:
  explicit FakePlugin(MemoryBroker& broker) : transport_(broker, "plugin") {
    EXPECT_TRUE(transport_.Start({}, {{std::string(kServerControlTopic), Qos::k1}}, *this));
  }
  ~FakePlugin() override { transport_.Stop(); }

  void Renew() {
    const json lease = {{"server", "plant"},
                        {"boot", boot},
                        {"seq", ++seq_},
                        {"serving", true},
                        {"policy_seq", policy_seq}};
    const auto sent =
        transport_.Publish("sluice/v1/server/plant/lease", AsBytes(lease.dump()), Qos::k1, true);
    EXPECT_TRUE(sent) << sent.error().Line();
  }

  std::string boot = "b1";
  std::uint64_t policy_seq = 0;
  bool takes = true;
  std::vector<json> heard;

 private:
  void OnConnected() override {}
  void OnDisconnected(const Error&) override {}
  void OnMessage(MqttMessage message) override {
    heard.push_back(json::parse(AsText(message.payload)).at("commands").at(0));
    if (!takes) return;
    policy_seq = heard.back().at("seq");
    Renew();  // says at once that it has it
  }
  void OnPublished(std::uint64_t, bool) override {}

  MemoryTransport transport_;
  std::uint64_t seq_ = 0;
};

class Servers : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fleet_.StartEngine());
    v1_ = fleet_.Release("detector-v1", 1, Fleet::Artifact(1));
    fleet_.Release("detector-v2", 2, Fleet::Artifact(2));
    fleet_.Settle();
  }
  /// Time with renewals every five seconds.
  void PassAlive(std::int64_t ms) {
    for (std::int64_t passed = 0; passed < ms; passed += 5'000) {
      plugin_.Renew();
      fleet_.Pass(5'000);
    }
  }
  json EngineState() { return json::parse(fleet_.Retained("sluice/v1/engine/engine/state")); }
  /// A rollout whose payloads are on offer.
  void Offer(const std::string& rollout) {
    fleet_.AddDevices(20, v1_);
    ASSERT_TRUE(fleet_.Create(TwoStages("detector-v2"), rollout).ok());
    ASSERT_TRUE(fleet_.Operate("start", rollout).ok());
    fleet_.Settle();
  }

  Fleet fleet_;
  FakePlugin plugin_{fleet_.broker()};
  Digest v1_;
};

TEST_F(Servers, AreShownInTheEnginesState) {
  fleet_.Pass(2'000);
  EXPECT_EQ(EngineState().at("server_lease"), "none");
  EXPECT_EQ(EngineState().at("server_serving"), false);
  PassAlive(10'000);
  EXPECT_EQ(EngineState().at("server"), "plant");
  EXPECT_EQ(EngineState().at("server_lease"), "live");
  EXPECT_EQ(EngineState().at("server_serving"), true);
  fleet_.Pass(12'000);
  EXPECT_EQ(EngineState().at("server"), "plant");
  EXPECT_EQ(EngineState().at("server_lease"), "lapsed");
  EXPECT_EQ(EngineState().at("server_serving"), false);
}

TEST_F(Servers, AreNotBelievedByARetainedLeaseAlone) {
  PassAlive(5'000);
  fleet_.CrashEngine();
  fleet_.Pass(1'000);
  ASSERT_TRUE(fleet_.StartEngine());
  fleet_.Pass(2'000);
  EXPECT_EQ(EngineState().at("server_lease"), "none");
  plugin_.Renew();
  fleet_.Pass(2'000);
  EXPECT_EQ(EngineState().at("server_lease"), "live");
}

TEST_F(Servers, AreToldWhatIsBlockedWhenTheyAppearAndNotAgain) {
  PassAlive(20'000);
  ASSERT_EQ(plugin_.heard.size(), 1U);
  EXPECT_EQ(plugin_.heard[0].at("command"), "blockObjects");
  EXPECT_EQ(plugin_.heard[0].at("objects"), json::array());
}

TEST_F(Servers, AreToldAtOnceWhichPayloadsAnAbortWithdraws) {
  PassAlive(5'000);
  Offer("r");
  plugin_.heard.clear();
  const std::uint64_t before = plugin_.policy_seq;
  ASSERT_TRUE(fleet_.Operate("abort", "r").ok());
  fleet_.Settle();
  ASSERT_EQ(plugin_.heard.size(), 1U);
  EXPECT_FALSE(plugin_.heard[0].at("objects").empty());
  EXPECT_GT(plugin_.policy_seq, before);
  for (const std::string hex : plugin_.heard[0].at("objects"))
    EXPECT_TRUE(fleet_.objects().Has(*DigestFromHex(hex))) << hex;
}

TEST_F(Servers, AreToldAgainWhenTheyStartAnew) {
  PassAlive(5'000);
  Offer("r");
  ASSERT_TRUE(fleet_.Operate("abort", "r").ok());
  PassAlive(10'000);
  const json standing = plugin_.heard.back();
  plugin_.heard.clear();
  plugin_.boot = "b2";
  plugin_.policy_seq = 0;
  plugin_.Renew();
  fleet_.Settle();
  ASSERT_EQ(plugin_.heard.size(), 1U);
  EXPECT_EQ(plugin_.heard[0], standing);
}

TEST_F(Servers, AreToldEveryFiveSecondsUntilTheyHaveTakenIt) {
  plugin_.takes = false;
  PassAlive(20'000);
  EXPECT_EQ(plugin_.heard.size(), 5U);  // at 0, 5, .. 20 s
  plugin_.takes = true;
  PassAlive(20'000);
  EXPECT_EQ(plugin_.heard.size(), 6U);
}

TEST_F(Servers, AreToldAgainByAnEngineThatHasStartedAnew) {
  PassAlive(5'000);
  Offer("r");
  ASSERT_TRUE(fleet_.Operate("abort", "r").ok());
  const json standing = plugin_.heard.back();
  fleet_.Pass(1'000);
  fleet_.CrashEngine();
  ASSERT_TRUE(fleet_.StartEngine());
  plugin_.heard.clear();
  plugin_.Renew();
  fleet_.Settle();
  ASSERT_EQ(plugin_.heard.size(), 1U);
  EXPECT_EQ(plugin_.heard[0].at("objects"), standing.at("objects"));
  EXPECT_GT(plugin_.heard[0].at("seq"), standing.at("seq"));
}

TEST_F(Servers, AreSentNothingWhereThereAreNone) {
  Offer("r");
  ASSERT_TRUE(fleet_.Operate("abort", "r").ok());
  fleet_.Pass(10'000);
  EXPECT_TRUE(plugin_.heard.empty());
}

TEST_F(Servers, WaitForAConnectionWithoutKeepingTheEngineBusy) {
  plugin_.takes = false;
  plugin_.Renew();
  fleet_.Settle();
  ASSERT_EQ(plugin_.heard.size(), 1U);
  fleet_.broker().CutLink("engine");
  fleet_.Pass(6'000);  // past the moment to send it again
  ASSERT_TRUE(fleet_.engine().NextDeadline());
  EXPECT_GT(*fleet_.engine().NextDeadline(), fleet_.engine().Now());
  EXPECT_EQ(plugin_.heard.size(), 1U);
  fleet_.broker().RestoreLink("engine");
  fleet_.Pass(3'000);
  EXPECT_EQ(plugin_.heard.size(), 2U);
}

TEST_F(Servers, CannotConfuseTheEngineByNonsense) {
  MemoryTransport stranger(fleet_.broker(), "stranger");
  class Deaf final : public TransportEvents {
    void OnConnected() override {}
    void OnDisconnected(const Error&) override {}
    void OnMessage(MqttMessage) override {}
    void OnPublished(std::uint64_t, bool) override {}
  } deaf;
  ASSERT_TRUE(stranger.Start({}, {}, deaf));
  fleet_.Settle();
  const std::uint64_t before = fleet_.engine().counters().refused_messages;
  for (const char* text : {"{", "{}", R"({"server":"other"})"}) {
    ASSERT_TRUE(stranger.Publish("sluice/v1/server/plant/lease", AsBytes(text), Qos::k1, false));
  }
  fleet_.Pass(2'000);
  EXPECT_EQ(fleet_.engine().counters().refused_messages, before + 3);
  EXPECT_EQ(EngineState().at("server_lease"), "none");
  stranger.Stop();
}

}  // namespace
}  // namespace sluice
