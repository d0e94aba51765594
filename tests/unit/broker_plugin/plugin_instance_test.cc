#include "broker_plugin/plugin_instance.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker_plugin/limits.h"
#include "broker_plugin/partition.h"
#include "common/base/check.h"
#include "common/contract/codec.h"
#include "tests/support/contract_samples.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/broker_plugin/fake_chunk_service.h"
#include "tests/unit/broker_plugin/recording_broker.h"

namespace sluice::plugin {
namespace {

using namespace test_support;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kGood =
    "server hall-3\nengine_users engine\nadmin_users carol\noperator_users alice\n"
    "serving on\nobjects_dir /objects\n";

struct PluginInstanceTest : testing::Test {
  PluginInstanceTest() { Configure(kGood); }

  void Configure(std::string_view text) { directory.Write("plugin.conf", text); }
  PluginInstance& Load(bool with_chunks = true) {
    InstanceOptions options;
    options.options = {{"config", directory.File("plugin.conf")}};
    options.boot = "b00t";
    options.version = "0.1.0";
    if (with_chunks) {
      options.make_chunks = [this](const ServingConfig& serving, Broker&,
                                   const Clock&) -> Result<std::unique_ptr<ChunkService>> {
        if (serving.objects_dir == "/bad") return Fail(ErrorCode::kIo, "cannot open /bad");
        return std::make_unique<FakeChunkService>(chunks);
      };
    }
    instance = std::make_unique<PluginInstance>(broker, clock, std::move(options));
    return *instance;
  }

  static Client Of(std::string_view name) { return {name.data(), name, name}; }
  static std::string Up(std::string_view device, UpKind kind) {
    return BuildTopic(UpTopic{PartitionOfDevice(device), std::string(device), kind});
  }
  Verdict Fetch(std::string_view device) {
    return instance->OnMessage(Of(device), {Up(device, UpKind::kFetch), Encode(SampleFetch()), 0});
  }
  Verdict Telemetry(std::string_view device) {
    return instance->OnMessage(Of(device),
                               {Up(device, UpKind::kTelemetry), Encode(SampleTelemetry()), 0});
  }
  Verdict Acl(std::string_view user, Access access, std::string_view topic) {
    return instance->OnAclCheck(Of(user), {access, topic, {}, 1, false});
  }
  json Control(std::string_view user, std::string_view command) {
    instance->OnControl(Of(user),
                        AsBytes(R"({"commands":[{"command":")" + std::string(command) + "\"}]}"));
    const auto replies = broker.Take("/response");
    return replies.empty() ? json() : replies.back()["responses"][0];
  }
  /// What must hold while the plugin is closed, whatever closed it.
  void ExpectClosed() {
    EXPECT_EQ(Acl("cam-1", Access::kRead, "sluice-dev/v1/all/root"), Verdict::kDeny);
    EXPECT_EQ(Acl("engine", Access::kWrite, "sluice-dev/v1/all/root"), Verdict::kDeny);
    EXPECT_EQ(Acl("engine", Access::kWrite, "sluice/v1/server/hall-3/lease"), Verdict::kDeny);
    EXPECT_EQ(Telemetry("cam-1"), Verdict::kDrop);
    EXPECT_EQ(Fetch("cam-1"), Verdict::kDrop);
    // And the rest of the broker does not notice.
    EXPECT_EQ(Acl("bob", Access::kWrite, "plant/line/1"), Verdict::kDefer);
    EXPECT_EQ(Acl("bob", Access::kSubscribe, "#"), Verdict::kDefer);
    EXPECT_EQ(instance->OnMessage(Of("bob"), {"plant/line/1", {}, 1}), Verdict::kRoute);
    EXPECT_EQ(instance->OnBasicAuth(Of("bob")), Verdict::kDefer);
  }

  TemporaryDirectory directory;
  FakeClock clock;
  RecordingBroker broker;
  FakeChunks chunks;
  std::unique_ptr<PluginInstance> instance;
};

TEST_F(PluginInstanceTest, GivesAFetchToTheChunkServiceAndToNobodyElse) {
  Load();
  EXPECT_EQ(Fetch("cam-1"), Verdict::kDrop);
  EXPECT_THAT(chunks.fetched, ElementsAre("cam-1"));
}

TEST_F(PluginInstanceTest, RoutesAFetchThatNobodyInHereTakes) {
  Load();
  chunks.takes = false;
  EXPECT_EQ(Fetch("cam-1"), Verdict::kRoute);
  Load(false);
  EXPECT_EQ(Fetch("cam-1"), Verdict::kRoute);
}

TEST_F(PluginInstanceTest, ShowsTheChunkServiceNoFetchThatTheGuardRefuses) {
  Load();
  EXPECT_EQ(instance->OnMessage(Of("cam-1"), {Up("cam-1", UpKind::kFetch), AsBytes("junk"), 0}),
            Verdict::kDrop);
  EXPECT_EQ(
      instance->OnMessage(Of("cam-1"), {Up("cam-2", UpKind::kFetch), Encode(SampleFetch()), 0}),
      Verdict::kDrop);
  EXPECT_THAT(chunks.fetched, IsEmpty());
}

TEST_F(PluginInstanceTest, ServesNothingWhileTheBrokersTurnsDoNotCome) {
  Load();
  clock.Advance(limits::kTickSilenceMax);
  EXPECT_EQ(Fetch("cam-1"), Verdict::kRoute);
  EXPECT_EQ(Fetch("cam-1"), Verdict::kRoute);
  ASSERT_EQ(broker.logged.size(), 1U) << "said once";
  EXPECT_THAT(broker.logged[0].second, HasSubstr("per_listener_settings"));
  instance->OnTick();
  EXPECT_EQ(Fetch("cam-1"), Verdict::kDrop);
}

TEST_F(PluginInstanceTest, KeepsTheLeaseWhileItServes) {
  Load();
  instance->OnTick();
  auto leases = broker.Take("/lease");
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0]["serving"], true);
  EXPECT_EQ(leases[0]["bytes_per_s"], 11);
  EXPECT_EQ(Control("engine", "pauseServing"), (json{{"command", "pauseServing"}}));
  instance->OnTick();
  leases = broker.Take("/lease");
  ASSERT_EQ(leases.size(), 1U);
  EXPECT_EQ(leases[0]["serving"], false);
  EXPECT_EQ(chunks.ticks, 2);
}

TEST_F(PluginInstanceTest, ActsInAFewOfTheTurnsInWhichNothingIsToDo) {
  Load();
  for (std::uint32_t i = 0; i < 3 * limits::kIdleTurns; ++i) instance->OnTick();
  EXPECT_EQ(chunks.ticks, 3);
  chunks.jobs.emplace_back();
  for (int i = 0; i < 5; ++i) instance->OnTick();
  EXPECT_EQ(chunks.ticks, 3 + 5);
}

TEST_F(PluginInstanceTest, SaysThatItServesNothingWithoutAChunkService) {
  Load(false);
  instance->OnTick();
  EXPECT_EQ(broker.Take("/lease")[0]["serving"], false);
}

TEST_F(PluginInstanceTest, GoesOnWithoutServingWhenTheServiceCannotStart) {
  Configure("engine_users engine\nserving on\nobjects_dir /bad\n");
  Load();
  EXPECT_THAT(broker.logged.back().second, HasSubstr("E_IO: cannot open /bad"));
  EXPECT_EQ(Fetch("cam-1"), Verdict::kRoute);
  EXPECT_EQ(Telemetry("cam-1"), Verdict::kRoute);
}

TEST_F(PluginInstanceTest, KicksAtTheNextTurnAndNeverInsideACallback) {
  Load();
  broker.on_kick = [this](std::string_view name) { instance->OnDisconnect(Of(name)); };
  Telemetry("cam-1");
  instance->OnControl(Of("carol"),
                      AsBytes(R"({"commands":[{"command":"kickDevice","device":"cam-1"}]})"));
  EXPECT_THAT(broker.kicked, IsEmpty());
  instance->OnTick();
  EXPECT_THAT(broker.kicked, ElementsAre("cam-1"));
  instance->OnTick();
  EXPECT_EQ(broker.kicked.size(), 1U);
  EXPECT_THAT(chunks.gone, IsEmpty()) << "the key of another call";
}

TEST_F(PluginInstanceTest, TellsOfADisconnectedDevice) {
  Load();
  const Client device = Of("cam-1");
  instance->OnMessage(device, {Up("cam-1", UpKind::kTelemetry), Encode(SampleTelemetry()), 0});
  instance->OnDisconnect(device);
  EXPECT_THAT(chunks.gone, ElementsAre("cam-1"));
  const auto events = broker.Take("/event");
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["type"], "disconnect");
  EXPECT_EQ(events[0]["device"], "cam-1");
}

TEST_F(PluginInstanceTest, AnswersItsControlTopicToEngineAndAdministratorsOnly) {
  Load();
  EXPECT_EQ(Control("engine", "getStatus")["data"]["mode"], "open");
  EXPECT_EQ(Control("carol", "getStatus")["data"]["server"], "hall-3");
  for (const char* user : {"alice", "cam-1", "", "bob@corp"}) {
    EXPECT_TRUE(Control(user, "pauseServing").is_null()) << user;
  }
  EXPECT_FALSE(chunks.paused);
}

TEST_F(PluginInstanceTest, ReportsWhatItCounted) {
  Load();
  Telemetry("cam-1");
  instance->OnMessage(Of("cam-1"), {Up("cam-1", UpKind::kTelemetry), AsBytes("junk"), 0});
  Acl("cam-1", Access::kWrite, "sluice-dev/v1/all/root");
  const json data = Control("engine", "getStatus")["data"];
  EXPECT_EQ(data["devices"], 1);
  EXPECT_EQ(data["malformed"], 1);
  EXPECT_EQ(data["denied"], 1);
  EXPECT_EQ(data["serving"], 1);
  EXPECT_EQ(data["version"], "0.1.0");
}

TEST_F(PluginInstanceTest, QuarantinesByOrder) {
  Load();
  instance->OnControl(
      Of("engine"),
      AsBytes(
          R"({"commands":[{"command":"setDevicePolicy","device":"cam-1","quarantined":true}]})"));
  EXPECT_EQ(Telemetry("cam-1"), Verdict::kDrop);
  EXPECT_EQ(Telemetry("cam-2"), Verdict::kRoute);
  instance->OnControl(
      Of("engine"),
      AsBytes(
          R"({"commands":[{"command":"setDevicePolicy","device":"cam-1","quarantined":false}]})"));
  EXPECT_EQ(Telemetry("cam-1"), Verdict::kRoute);
}

TEST_F(PluginInstanceTest, ClosesOnABadConfigurationAndOpensOnceItIsGood) {
  Configure("engine_usrs engine\n");
  Load();
  EXPECT_EQ(broker.logged.size(), 1U);
  EXPECT_THAT(broker.logged[0].second, HasSubstr("line 1: no such key: engine_usrs"));
  ExpectClosed();
  EXPECT_TRUE(Control("engine", "getStatus").is_null());
  instance->OnTick();
  EXPECT_THAT(broker.published, IsEmpty());

  Configure(kGood);
  instance->OnReload();
  instance->OnTick();
  EXPECT_EQ(Telemetry("cam-1"), Verdict::kRoute);
  EXPECT_EQ(Fetch("cam-1"), Verdict::kDrop);
  EXPECT_EQ(broker.Take("/lease")[0]["serving"], true);
}

TEST_F(PluginInstanceTest, LeavesAnOpenBrokerOpenWhenItsConfigurationIsBad) {
  Configure("nonsense\nforeign_topics allow\nbasic_auth off\n");
  Load();
  EXPECT_EQ(Acl("bob", Access::kWrite, "plant/line/1"), Verdict::kAllow);
  EXPECT_EQ(Acl("cam-1", Access::kRead, "sluice-dev/v1/all/root"), Verdict::kDeny);
  EXPECT_FALSE(instance->wants_basic_auth());
}

TEST_F(PluginInstanceTest, KeepsTheFormerConfigurationWhenTheNewOneIsBad) {
  Load();
  Configure("nonsense\n");
  instance->OnReload();
  EXPECT_THAT(broker.logged.back().second, HasSubstr("former configuration stays"));
  EXPECT_EQ(Telemetry("cam-1"), Verdict::kRoute);
  EXPECT_THAT(std::string(Control("engine", "reloadConfig")["error"]),
              HasSubstr("E_CONFIG_UNKNOWN_KEY"));
}

TEST_F(PluginInstanceTest, TakesNewLimitsAndRolesAtAReload) {
  Load();
  Configure(std::string(kGood) + "device_prefix gate-\nmessages_burst 1\n");
  instance->OnReload();
  EXPECT_EQ(Acl("cam-1", Access::kRead, "sluice-dev/v1/all/root"), Verdict::kDeny);
  EXPECT_EQ(Telemetry("gate-1"), Verdict::kRoute);
  EXPECT_EQ(Telemetry("gate-1"), Verdict::kDrop);
  EXPECT_EQ(chunks.made, 1) << "nothing changed for the chunk service";
}

TEST_F(PluginInstanceTest, MakesTheChunkServiceAnewWhenItsSettingsChange) {
  Load();
  instance->OnControl(Of("engine"),
                      AsBytes(R"({"commands":[{"command":"blockObjects","objects":[")" +
                              std::string(64, 'a') + R"("],"seq":9}]})"));
  chunks.blocked.clear();
  Configure(std::string(kGood) + "turn_bytes 65536\n");
  instance->OnReload();
  EXPECT_EQ(chunks.made, 2);
  instance->OnTick();
  EXPECT_EQ(broker.Take("/lease")[0]["policy_seq"], 9);
  EXPECT_EQ(chunks.blocked.size(), 1U) << "the new service knows what was blocked";
}

TEST_F(PluginInstanceTest, HoldsTheNewestListOfBlockedObjectsAndTellsItsNumber) {
  Load();
  const auto block = [&](char digit, int seq) {
    instance->OnControl(
        Of("engine"),
        AsBytes(R"({"commands":[{"command":"blockObjects","objects":[")" + std::string(64, digit) +
                R"("],"seq":)" + std::to_string(seq) + "}]}"));
    return chunks.blocked.size();
  };
  EXPECT_EQ(block('a', 4), 1U);
  EXPECT_EQ(block('b', 4), 2U) << "a second part of the same list";
  instance->OnTick();
  EXPECT_EQ(broker.Take("/lease").back()["policy_seq"], 4);
  EXPECT_EQ(block('c', 5), 1U) << "a newer list replaces the former";
  EXPECT_EQ(block('d', 4), 1U) << "an older one comes too late";
  instance->OnTick();
  EXPECT_EQ(broker.Take("/lease").back()["policy_seq"], 5) << "told at once";
}

TEST_F(PluginInstanceTest, TellsTheChunkServiceWhenOthersUseTheBroker) {
  Load();
  Telemetry("cam-1");
  EXPECT_EQ(chunks.foreign, 1);
  Fetch("cam-1");
  EXPECT_EQ(chunks.foreign, 1) << "a fetch is no other's use";
}

TEST_F(PluginInstanceTest, DoesNotRenameAServerThatIsInUse) {
  Load();
  std::string renamed(kGood);
  renamed.replace(renamed.find("hall-3"), 6, "hall-4");
  Configure(renamed);
  instance->OnReload();
  EXPECT_THAT(broker.logged.back().second, HasSubstr("E_STATE: server:"));
  instance->OnTick();
  EXPECT_EQ(broker.Take("/lease")[0]["server"], "hall-3");
}

TEST_F(PluginInstanceTest, SwitchesItselfOffWhenTheChunkServiceThrows) {
  Load();
  chunks.throws = true;
  EXPECT_EQ(Fetch("cam-1"), Verdict::kDrop);
  EXPECT_TRUE(chunks.paused);
  EXPECT_THAT(broker.logged.back().second, HasSubstr("the chunk service is broken"));
  EXPECT_EQ(broker.Take("/event").back()["type"], "fault");
  ExpectClosed();
  const auto leases = broker.Take("/lease");
  ASSERT_FALSE(leases.empty());
  EXPECT_EQ(leases.back()["serving"], false);
  // Neither a turn nor a reload brings it back, and the lease goes on saying so.
  chunks.throws = false;
  instance->OnReload();
  clock.Advance(limits::kLeaseInterval);
  instance->OnTick();
  ExpectClosed();
  EXPECT_EQ(broker.Take("/lease").back()["serving"], false);
}

TEST_F(PluginInstanceTest, SwitchesItselfOffWhenACheckFails) {
  Load();
  SetCheckHandler(&ThrowCheckFailure);
  broker.on_kick = [](std::string_view) { SLUICE_CHECK(false); };
  instance->OnControl(Of("carol"),
                      AsBytes(R"({"commands":[{"command":"kickDevice","device":"cam-1"}]})"));
  instance->OnTick();
  SetCheckHandler(nullptr);
  EXPECT_THAT(broker.logged.back().second, HasSubstr("check failed: false at"));
  ExpectClosed();
}

TEST_F(PluginInstanceTest, SurvivesABrokerWithoutMemory) {
  Load();
  broker.throw_on_allocate = true;
  Acl("cam-1", Access::kWrite, "sluice-dev/v1/all/root");  // would publish an event
  ExpectClosed();
  instance->OnTick();
  instance->OnDisconnect(Of("cam-1"));
  instance->OnReload();
  ExpectClosed();
}

TEST_F(PluginInstanceTest, NeverThrowsOutOfACallback) {
  static_assert(noexcept(instance->OnAclCheck({}, {})));
  static_assert(noexcept(instance->OnBasicAuth({})));
  static_assert(noexcept(instance->OnMessage({}, {})));
  static_assert(noexcept(instance->OnDisconnect({})));
  static_assert(noexcept(instance->OnControl({}, {})));
  static_assert(noexcept(instance->OnTick()));
  static_assert(noexcept(instance->OnReload()));
  Load();
  instance->Fault("first");
  instance->Fault("second");
  EXPECT_THAT(broker.logged.back().second, HasSubstr("first"));
}

}  // namespace
}  // namespace sluice::plugin
