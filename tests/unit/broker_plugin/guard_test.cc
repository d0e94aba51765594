#include "broker_plugin/guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <new>

#include "broker_plugin/limits.h"
#include "broker_plugin/partition.h"
#include "common/contract/codec.h"
#include "tests/support/contract_samples.h"
#include "tests/unit/broker_plugin/recording_broker.h"

namespace {
// Counted, to show that the busiest path makes none.
std::size_t allocations = 0;
}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace sluice::plugin {
namespace {

using namespace test_support;
using testing::ElementsAre;
using testing::IsEmpty;

struct GuardTest : testing::Test {
  GuardTest() {
    config.engine_users = {"engine"};
    events.SetServer("hall-3");
  }

  static Client Of(std::string_view name, const void* key = nullptr) {
    return {key != nullptr ? key : name.data(), name, name};
  }
  static std::string Up(std::string_view device, UpKind kind) {
    return BuildTopic(UpTopic{PartitionOfDevice(device), std::string(device), kind});
  }
  Verdict Acl(const Client& client, Access access, std::string_view topic, std::string_view payload,
              int qos, bool retain) {
    return guard.OnAclCheck(client, {access, topic, AsBytes(payload), qos, retain}, clock.Boot());
  }
  Verdict Send(std::string_view device, UpKind kind, ByteView payload, int qos) {
    return guard.OnMessage(Of(device), {Up(device, kind), payload, qos}, clock.Boot()).verdict;
  }
  Verdict Telemetry(std::string_view device) {
    return Send(device, UpKind::kTelemetry, good_telemetry, 0);
  }
  Verdict Malformed(std::string_view device) {
    return Send(device, UpKind::kTelemetry, AsBytes("junk"), 0);
  }
  /// Reads as a device would, to see whether it is shut out.
  Verdict Hears(std::string_view device) {
    return Acl(Of(device), Access::kRead, "sluice-dev/v1/all/root", "", 0, false);
  }

  FakeClock clock;
  RecordingBroker broker;
  Events events{broker, clock, "b00t"};
  PluginConfig config;
  Guard guard{config, events, clock.Boot()};
  Bytes good_telemetry = Encode(SampleTelemetry());
  Bytes good_hello = Encode(SampleHello());
};

TEST_F(GuardTest, RoutesAGoodMessageOfEachKind) {
  EXPECT_EQ(Send("cam-1", UpKind::kHello, good_hello, 1), Verdict::kRoute);
  EXPECT_EQ(Send("cam-1", UpKind::kReport, Encode(SampleReport()), 1), Verdict::kRoute);
  EXPECT_EQ(Telemetry("cam-1"), Verdict::kRoute);
  EXPECT_EQ(Send("cam-1", UpKind::kPresence, AsBytes("online"), 1), Verdict::kRoute);
  EXPECT_EQ(Send("cam-1", UpKind::kFetch, Encode(SampleFetch()), 0), Verdict::kRoute);
}

TEST_F(GuardTest, HandsOutADevicesFetch) {
  const MessageDecision decision = guard.OnMessage(
      Of("cam-1"), {Up("cam-1", UpKind::kFetch), Encode(SampleFetch()), 0}, clock.Boot());
  ASSERT_TRUE(decision.fetch.has_value());
  EXPECT_EQ(decision.device, "cam-1");
  EXPECT_EQ(*decision.fetch, SampleFetch());
}

TEST_F(GuardTest, LetsWhatIsNotOursPassUnseen) {
  const MessageDecision decision =
      guard.OnMessage({}, {"plant/line/1", AsBytes("anything"), 2}, clock.Boot());
  EXPECT_EQ(decision.verdict, Verdict::kRoute);
  EXPECT_EQ(guard.cached_policies(), 0U);
  EXPECT_EQ(Acl({}, Access::kWrite, "plant/line/1", "x", 0, false), Verdict::kDefer);
  EXPECT_EQ(guard.cached_policies(), 0U);
}

TEST_F(GuardTest, DropsAnotherDevicesTopicEvenWithoutAnAcl) {
  EXPECT_EQ(guard.OnMessage(Of("cam-1"), {Up("cam-2", UpKind::kHello), good_hello, 1}, clock.Boot())
                .verdict,
            Verdict::kDrop);
}

TEST_F(GuardTest, ChecksWhatABridgeBringsAndLetsTheGoodPass) {
  const Client bridge{"bridge", "", "site-7"};
  const auto verdict = [&](const std::string& topic, ByteView payload) {
    return guard.OnMessage(bridge, {topic, payload, 1}, clock.Boot()).verdict;
  };
  EXPECT_EQ(verdict(Up("cam-1", UpKind::kHello), good_hello), Verdict::kRoute);
  EXPECT_EQ(verdict(Up("cam-1", UpKind::kHello), AsBytes("junk")), Verdict::kDrop);
  const int wrong = (PartitionOfDevice("cam-1") + 1) % 64;
  EXPECT_EQ(verdict(BuildTopic(UpTopic{wrong, "cam-1", UpKind::kHello}), good_hello),
            Verdict::kDrop);
  EXPECT_EQ(verdict("sluice-dev/v1/up/p00/x", good_hello), Verdict::kDrop);
  EXPECT_EQ(verdict("sluice-dev/v1/down/cam-1/directive", AsBytes("signed")), Verdict::kRoute);
}

TEST_F(GuardTest, DropsAQos0MessageOverTheLimit) {
  for (std::uint32_t i = 0; i < limits::kMessagesBurst; ++i) {
    ASSERT_EQ(Telemetry("cam-1"), Verdict::kRoute) << i;
  }
  EXPECT_EQ(Telemetry("cam-1"), Verdict::kDrop);
  EXPECT_EQ(guard.counters().over_limit_dropped, 1U);
  clock.Advance(1'000);
  int routed = 0;
  for (int i = 0; i < 50; ++i) routed += Telemetry("cam-1") == Verdict::kRoute ? 1 : 0;
  EXPECT_EQ(routed, 20);
  EXPECT_EQ(broker.Take("/event").front()["type"], "rate");
}

TEST_F(GuardTest, RefusesAQos1MessageOverTheLimitSoThatItIsKept) {
  for (std::uint32_t i = 0; i < limits::kMessagesBurst; ++i) Telemetry("cam-1");
  EXPECT_EQ(Send("cam-1", UpKind::kHello, good_hello, 1), Verdict::kRefuse);
  EXPECT_EQ(Send("cam-1", UpKind::kPresence, AsBytes("online"), 1), Verdict::kRefuse);
  EXPECT_EQ(guard.counters().over_limit_refused, 2U);
}

TEST_F(GuardTest, KeepsTheLimitOverANewConnection) {
  for (std::uint32_t i = 0; i < limits::kMessagesBurst; ++i) Telemetry("cam-1");
  guard.OnDisconnect(Of("cam-1"));
  EXPECT_EQ(Telemetry("cam-1"), Verdict::kDrop);
}

TEST_F(GuardTest, LetsNoDeviceEatAnothersLimit) {
  for (int i = 0; i < 10'000; ++i) Telemetry("cam-1");
  EXPECT_EQ(Telemetry("cam-2"), Verdict::kRoute);
}

TEST_F(GuardTest, CountsBytesAsWellAsMessages) {
  config.rates.up_bytes_per_s = 4'096;
  guard.OnConfigChanged();
  const auto allowed = 4'096 / good_hello.size();
  for (std::size_t i = 0; i < allowed; ++i) {
    ASSERT_EQ(Send("cam-1", UpKind::kHello, good_hello, 1), Verdict::kRoute) << i;
  }
  EXPECT_EQ(Send("cam-1", UpKind::kHello, good_hello, 1), Verdict::kRefuse);
}

TEST_F(GuardTest, GivesFetchesALimitOfTheirOwn) {
  for (std::uint32_t i = 0; i < limits::kMessagesBurst; ++i) Telemetry("cam-1");
  const Bytes fetch = Encode(SampleFetch());
  for (std::uint32_t i = 0; i < limits::kFetchesPerS; ++i) {
    ASSERT_EQ(Send("cam-1", UpKind::kFetch, fetch, 0), Verdict::kRoute) << i;
  }
  EXPECT_EQ(Send("cam-1", UpKind::kFetch, fetch, 0), Verdict::kDrop);
}

TEST_F(GuardTest, QuarantinesAfterTenMalformedMessagesInAMinute) {
  for (std::uint32_t i = 1; i < limits::kMalformedMax; ++i) {
    EXPECT_EQ(Malformed("cam-1"), Verdict::kDrop);
  }
  EXPECT_EQ(guard.quarantined(), 0U);
  EXPECT_THAT(guard.TakeKicks(), IsEmpty());
  EXPECT_EQ(Malformed("cam-1"), Verdict::kDrop);
  EXPECT_EQ(guard.quarantined(), 1U);
  EXPECT_THAT(guard.TakeKicks(), ElementsAre("cam-1"));
  EXPECT_EQ(Telemetry("cam-1"), Verdict::kDrop);
  EXPECT_EQ(Hears("cam-1"), Verdict::kDeny);
  EXPECT_EQ(guard.OnBasicAuth(Of("cam-1"), clock.Boot()), Verdict::kDeny);
  // Nobody else is.
  EXPECT_EQ(Telemetry("cam-2"), Verdict::kRoute);
  EXPECT_EQ(guard.OnBasicAuth(Of("cam-2"), clock.Boot()), Verdict::kDefer);
  std::vector<std::string> types;
  for (const auto& event : broker.Take("/event")) types.push_back(event["type"]);
  EXPECT_THAT(types, ElementsAre("malformed", "quarantined", "denied"));
}

TEST_F(GuardTest, ForgivesMalformedMessagesThatAreFarApart) {
  for (int i = 0; i < 50; ++i) {
    Malformed("cam-1");
    clock.Advance(limits::kMinute / 8);
  }
  EXPECT_EQ(guard.quarantined(), 0U);
}

TEST_F(GuardTest, CountsATooLongMessageAsMalformed) {
  const std::string topic = Up("cam-1", UpKind::kTelemetry);
  for (std::uint32_t i = 0; i < limits::kMalformedMax; ++i) {
    EXPECT_EQ(Acl(Of("cam-1"), Access::kWrite, topic, std::string(2'049, 'x'), 0, false),
              Verdict::kDeny);
  }
  EXPECT_EQ(guard.quarantined(), 1U);
  // An engine's is denied and no more than that.
  for (int i = 0; i < 20; ++i) {
    Acl(Of("engine"), Access::kWrite, "sluice-dev/v1/all/root", std::string(70'000, 'x'), 1, true);
  }
  EXPECT_EQ(guard.quarantined(), 1U);
}

TEST_F(GuardTest, EndsAQuarantineByTimeOrByOrder) {
  guard.Quarantine("cam-1", 60, "ordered", clock.Boot());
  guard.Quarantine("cam-2", 3'600, "ordered", clock.Boot());
  clock.Advance(60'000);
  EXPECT_EQ(Hears("cam-1"), Verdict::kAllow);
  EXPECT_EQ(Hears("cam-2"), Verdict::kDeny);
  EXPECT_TRUE(guard.LiftQuarantine("cam-2"));
  EXPECT_EQ(Hears("cam-2"), Verdict::kAllow);
  EXPECT_FALSE(guard.LiftQuarantine("cam-2"));
}

TEST_F(GuardTest, LetsAQuarantinedDevicesWillSayThatItIsGone) {
  guard.Quarantine("cam-1", 60, "ordered", clock.Boot());
  const std::string presence = Up("cam-1", UpKind::kPresence);
  EXPECT_EQ(Acl(Of("cam-1"), Access::kWrite, presence, "offline", 1, true), Verdict::kAllow);
  EXPECT_EQ(Acl(Of("cam-1"), Access::kWrite, presence, "online", 1, true), Verdict::kDeny);
}

TEST_F(GuardTest, KicksAQuarantinedDeviceThatComesBack) {
  guard.Quarantine("cam-1", 60, "ordered", clock.Boot());
  guard.TakeKicks();
  Acl(Of("cam-1"), Access::kSubscribe, "sluice-dev/v1/all/root", "", 0, false);
  EXPECT_THAT(guard.TakeKicks(), ElementsAre("cam-1"));
}

TEST_F(GuardTest, KicksWhoCannotBeADeviceButActsLikeOne) {
  EXPECT_EQ(
      Acl(Of("cam-1/cmd"), Access::kWrite, "sluice-dev/v1/up/p00/cam-1/cmd/hello", "", 1, false),
      Verdict::kDeny);
  EXPECT_THAT(guard.TakeKicks(), ElementsAre("cam-1/cmd"));
  // Anonymous connections are refused, never kicked: they share their missing name.
  EXPECT_EQ(Acl({"k", "", "x"}, Access::kWrite, "sluice-dev/v1/all/root", "", 1, false),
            Verdict::kDeny);
  EXPECT_THAT(guard.TakeKicks(), IsEmpty());
}

TEST_F(GuardTest, LeavesWhoOnlyHoldsAWideFilterInPeace) {
  const Client dashboard = Of("bob@corp");
  EXPECT_EQ(Acl(dashboard, Access::kSubscribe, "#", "", 0, false), Verdict::kDefer);
  EXPECT_EQ(Acl(dashboard, Access::kRead, "sluice-dev/v1/down/cam-1/chunk", "", 0, false),
            Verdict::kDeny);
  EXPECT_THAT(guard.TakeKicks(), IsEmpty());
  EXPECT_TRUE(broker.published.empty());
}

TEST_F(GuardTest, RefusesANamedDeviceWithABadIdentityWhenItConnects) {
  EXPECT_EQ(guard.OnBasicAuth(Of("cam-1/cmd"), clock.Boot()), Verdict::kDeny);
  config.device_prefixes = {"cam-"};
  guard.OnConfigChanged();
  EXPECT_EQ(guard.OnBasicAuth(Of("cam-1/cmd"), clock.Boot()), Verdict::kDeny);
  EXPECT_EQ(guard.OnBasicAuth(Of("bob@corp"), clock.Boot()), Verdict::kDefer);
  EXPECT_EQ(guard.OnBasicAuth(Of(""), clock.Boot()), Verdict::kDefer);
  EXPECT_EQ(guard.OnBasicAuth(Of("engine"), clock.Boot()), Verdict::kDefer);
}

TEST_F(GuardTest, TellsOfAWillThatWasRefused) {
  Telemetry("cam-1");
  EXPECT_EQ(guard.OnDisconnect(Of("cam-1")), "cam-1");
  EXPECT_EQ(Acl(Of("cam-1"), Access::kWrite, Up("cam-2", UpKind::kPresence), "offline", 1, true),
            Verdict::kDeny);
  EXPECT_EQ(guard.counters().wills_refused, 1U);
  EXPECT_EQ(broker.Take("/event").back()["type"], "will");
  EXPECT_EQ(guard.cached_policies(), 0U) << "what is gone leaves nothing behind";
}

TEST_F(GuardTest, TakesNoLaterWriteForAWill) {
  // What shows that the address is another client's by now, one a round.
  const std::vector<std::function<void()>> signs = {
      [&] { guard.OnTurn(); },
      [&] { Acl(Of("cam-3"), Access::kWrite, "plant/line/1", "", 0, false); },
      [&] { Hears("cam-1"); },
      [&] { Telemetry("cam-3"); },
      [&] { guard.OnBasicAuth(Of("cam-1"), clock.Boot()); },
  };
  for (const auto& sign : signs) {
    Telemetry("cam-1");
    guard.OnDisconnect(Of("cam-1"));
    sign();
    Acl(Of("cam-1"), Access::kWrite, Up("cam-2", UpKind::kPresence), "offline", 1, true);
  }
  EXPECT_EQ(guard.counters().wills_refused, 0U);
  EXPECT_EQ(guard.counters().denied, signs.size());
}

TEST_F(GuardTest, KnowsADeviceThatLosesItsClientIdBeforeItGoes) {
  Telemetry("cam-1");
  Client gone = Of("cam-1");
  gone.client_id = {};
  EXPECT_EQ(guard.OnDisconnect(gone), "cam-1");
}

TEST_F(GuardTest, SaysNothingOfOneThatNeverActedAsADevice) {
  Acl(Of("nodered"), Access::kSubscribe, "#", "", 0, false);
  EXPECT_EQ(guard.OnDisconnect(Of("nodered")), std::nullopt);
  EXPECT_EQ(guard.OnDisconnect({"probe", "", ""}), std::nullopt);
}

TEST_F(GuardTest, IsNotFooledByAnAddressThatAnotherClientGot) {
  const int address = 0;
  const std::string_view first = "cam-1";
  EXPECT_EQ(
      Acl(Of(first, &address), Access::kSubscribe, "sluice-dev/v1/down/cam-1/chunk", "", 0, false),
      Verdict::kAllow);
  EXPECT_EQ(Acl(Of("cam-2", &address), Access::kSubscribe, "sluice-dev/v1/down/cam-1/chunk", "", 0,
                false),
            Verdict::kDeny);
  EXPECT_EQ(guard.cached_policies(), 1U);
}

TEST_F(GuardTest, JudgesAnewAfterAReload) {
  EXPECT_EQ(Hears("cam-1"), Verdict::kAllow);
  config.device_prefixes = {"gate-"};
  guard.OnConfigChanged();
  EXPECT_EQ(Hears("cam-1"), Verdict::kDeny);
}

TEST_F(GuardTest, RemembersABoundedNumberOfConnections) {
  std::vector<std::uint8_t> addresses(limits::kCachedPoliciesMax + 10);
  for (const std::uint8_t& address : addresses) {
    ASSERT_EQ(Acl(Of("cam-1", &address), Access::kRead, "sluice-dev/v1/all/root", "", 0, false),
              Verdict::kAllow);
  }
  EXPECT_LE(guard.cached_policies(), limits::kCachedPoliciesMax);
  const std::string long_name(60'000, 'a');
  Acl(Of(long_name), Access::kRead, "sluice-dev/v1/all/root", "", 0, false);
  EXPECT_LE(guard.cached_policies(), limits::kCachedPoliciesMax);
}

TEST_F(GuardTest, RemembersABoundedNumberOfDevicesAndForgetsTheIdle) {
  std::string name;
  const auto touch = [&](std::size_t i) {
    name = "d" + std::to_string(i);
    return guard
        .OnMessage({&name, name, name}, {Up(name, UpKind::kTelemetry), good_telemetry, 0},
                   clock.Boot())
        .verdict;
  };
  for (std::size_t i = 0; i < limits::kDeviceStatesMax; ++i) touch(i);
  EXPECT_EQ(guard.devices(), limits::kDeviceStatesMax);
  // The crowd shares one limit.
  std::size_t routed = 0;
  for (std::size_t i = 0; i < 500; ++i) {
    routed += touch(limits::kDeviceStatesMax + i) == Verdict::kRoute ? 1 : 0;
  }
  EXPECT_EQ(routed, limits::kMessagesBurst);
  EXPECT_EQ(guard.devices(), limits::kDeviceStatesMax);
  clock.Advance(limits::kDeviceStateIdle);
  EXPECT_EQ(touch(limits::kDeviceStatesMax), Verdict::kRoute);
  EXPECT_EQ(guard.devices(), 1U);
}

TEST_F(GuardTest, ChecksADeliveryWithoutAllocating) {
  guard.Quarantine("cam-9", 60, "ordered", clock.Boot());  // the dearer path
  const std::string topic = "sluice-dev/v1/down/cam-1/chunk";
  const Client client = Of("cam-1");
  ASSERT_EQ(Acl(client, Access::kRead, topic, "", 0, false), Verdict::kAllow);
  const std::size_t before = allocations;
  for (int i = 0; i < 1'000; ++i) Acl(client, Access::kRead, topic, "", 0, false);
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace sluice::plugin
