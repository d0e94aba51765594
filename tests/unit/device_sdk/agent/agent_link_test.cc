#include <gmock/gmock.h>

#include <set>

#include "tests/unit/device_sdk/agent/agent_world.h"

namespace sluice::device {
namespace {

using testing::ElementsAre;

constexpr std::size_t kLinkArtifactSize = 300'000;

class AgentLink : public testing::Test {
 protected:
  void SetUp() override {
    world_.InstallFirst(v1_);
    world_.Start();
    world_.Run(1'000);
  }
  AgentWorld world_;
  PublishedRelease v1_ = world_.engine.Publish("v1", ModelBytes(kGoodModel, kLinkArtifactSize, 1));
  PublishedRelease v2_ = world_.engine.Publish("v2", ModelBytes(kGoodModel, kLinkArtifactSize, 2));
};

TEST_F(AgentLink, SaysOnlineThenHelloAtEachConnect) {
  EXPECT_THAT(world_.engine.presence, ElementsAre("online"));
  ASSERT_EQ(world_.engine.hellos.size(), 1u);
  const Hello hello = world_.engine.hellos[0];
  EXPECT_EQ(hello.hardware, kHardware);
  EXPECT_EQ(hello.active_slot, 0);
  ASSERT_EQ(hello.slots.size(), 2u);
  EXPECT_EQ(hello.slots[0].artifact, v1_.manifest.artifact_sha256);
  EXPECT_EQ(hello.root_version, 1u);
  world_.broker.Kick(kDevice);
  world_.Run(5'000);
  EXPECT_THAT(world_.engine.presence, ElementsAre("online", "offline", "online"));
  ASSERT_EQ(world_.engine.hellos.size(), 2u);
  EXPECT_NE(world_.engine.hellos[1].nonce, hello.nonce);
}

TEST_F(AgentLink, SaysHelloAgainUntilItIsAnsweredAndReconnectsEachThirdTime) {
  world_.engine.answers = false;
  world_.broker.Kick(kDevice);
  world_.Run(20 * limits::kMinute);
  EXPECT_GE(world_.engine.hellos.size(), 5u);
  EXPECT_GE(world_.engine.presence.size(), 5u) << "at least one new connection was made";
  world_.engine.answers = true;
  world_.Run(10 * limits::kMinute);
  const std::size_t answered = world_.engine.hellos.size();
  world_.Run(10 * limits::kMinute);
  EXPECT_EQ(world_.engine.hellos.size(), answered) << "an answered device is quiet";
}

TEST_F(AgentLink, AsksForAnAnswerBeforeItFetchesOnAnOldOne) {
  world_.clock.boot_ms += 25 * limits::kHour;
  const std::size_t before = world_.engine.hellos.size();
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntilReport("confirmed"));
  EXPECT_GT(world_.engine.hellos.size(), before);
}

TEST_F(AgentLink, AsksForAnotherPermitWhenItsAnnouncementIsLost) {
  int announcements = 0;
  world_.broker.SetFaultPolicy([&](const Hop& hop) {
    Fate fate;
    const auto report = Decode<Report>(hop.message.payload);
    const bool announces = report && report->state == ReportState::kActivating;
    if (announces && ++announcements == 1) fate.copies = 0;
    return fate;
  });
  world_.engine.Send(world_.engine.InstallOf(v2_));
  EXPECT_TRUE(world_.RunUntilReport("confirmed", 2 * limits::kMinute));
  EXPECT_GE(announcements, 2);
}

TEST_F(AgentLink, UsesAPermitOnceHoweverOftenItsAnswerIsReplayed) {
  std::set<std::uint64_t> announcements;  // their report numbers: one may be sent again
  world_.broker.SetFaultPolicy([&](const Hop& hop) {
    Fate fate;
    const auto report = Decode<Report>(hop.message.payload);
    if (report && report->state == ReportState::kActivating) {
      announcements.insert(report->seq);
      world_.engine.answers = false;
      fate.copies = 0;
    }
    return fate;
  });
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntil(UpdateState::kReady));
  world_.Run(10'000);
  ASSERT_EQ(announcements.size(), 1u);
  world_.engine.SendRaw(world_.engine.directive_topic(), world_.engine.last_answer);
  world_.Run(40'000);
  EXPECT_EQ(announcements.size(), 1u)
      << "no second switch is announced on the permit that was used";
}

TEST_F(AgentLink, CountsTheLastMinutesOfAReleaseUnderItsOwnActivation) {
  world_.Run(12'000);
  const std::uint32_t activation = world_.Inspect().record.activation;
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntil(UpdateState::kTrial));
  world_.Run(6'000);
  std::uint32_t most = 0;
  for (const Telemetry& telemetry : world_.engine.telemetry) {
    const bool of_v1 = telemetry.release_id == v1_.manifest.artifact_sha256.Prefix64();
    EXPECT_EQ(telemetry.activation, of_v1 ? activation : activation + 1);
    if (!of_v1) continue;
    EXPECT_GE(telemetry.inferences, most);
    most = telemetry.inferences;
  }
  EXPECT_GT(most, 500u);
}

TEST_F(AgentLink, InstallsOverALossyLink) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    AgentWorld world;
    SeededRandom faults(seed);
    world.broker.SetFaultPolicy([&faults](const Hop& hop) {
      Fate fate;
      fate.delay_ms = static_cast<std::int64_t>(faults.Below(200));
      const bool may_be_lost = hop.message.qos == Qos::k0;
      if (may_be_lost && faults.Below(10) == 0) fate.copies = 0;
      if (faults.Below(20) == 0) fate.copies = 2;
      return fate;
    });
    world.InstallFirst(v1_);
    world.Start();
    const auto v2 = world.engine.Publish("v2", v2_.artifact);
    world.Run(3'000);
    world.engine.Send(world.engine.InstallOf(v2));
    ASSERT_TRUE(world.RunUntilReport("confirmed", 10 * limits::kMinute));
  }
}

TEST_F(AgentLink, GoesOnWithADownloadAfterEachLostConnection) {
  world_.engine.Send(world_.engine.InstallOf(v2_));
  int kicks = 0;
  world_.engine.on_chunk = [&](Chunk& chunk) {
    if (chunk.object_size > kLinkArtifactSize &&
        chunk.offset / 60'000 > static_cast<std::uint64_t>(kicks)) {
      ++kicks;
      return false;
    }
    return true;
  };
  for (int i = 0; i < 10 && world_.agent->state() != UpdateState::kTrial; ++i) {
    world_.Run(300);
    world_.broker.Kick(kDevice);
    world_.Run(3'000);
  }
  EXPECT_TRUE(world_.RunUntilReport("confirmed"));
  EXPECT_EQ(world_.Inspect().record.work.attempts, 1);
}

TEST_F(AgentLink, KeepsReportsUntilAnAnswerCoversThem) {
  world_.engine.acknowledges_reports = false;
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntilReport("confirmed"));
  EXPECT_EQ(world_.store->PendingReports().size(), 5u);
  world_.Restart();
  world_.engine.reports.clear();
  world_.Run(10'000);
  EXPECT_GE(world_.engine.reports.size(), 5u) << "sent again after the hello";
  EXPECT_EQ(world_.engine.reports.front().seq, 1u);
  world_.engine.acknowledges_reports = true;
  world_.broker.Kick(kDevice);
  world_.Run(20'000);
  EXPECT_TRUE(world_.store->PendingReports().empty());
}

TEST_F(AgentLink, SaysAgainAtOnceWhatAnEngineMayHaveMissedThatIsBack) {
  FakeEngine& engine = world_.engine;
  world_.Run(60'000);
  engine.answers = false;
  engine.acknowledges_reports = false;
  engine.Send(engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntil(UpdateState::kReady));
  world_.Run(1'000);
  const std::size_t hellos = engine.hellos.size();
  engine.reports.clear();
  engine.answers = engine.acknowledges_reports = true;
  engine.epoch += 1;
  engine.SendFreshness();
  EXPECT_TRUE(world_.RunUntil(UpdateState::kTrial, 5'000)) << "its hello was answered";
  EXPECT_THAT(engine.ReportNames(), testing::IsSupersetOf({"downloading", "ready"}));
  EXPECT_LE(engine.hellos.size(), hellos + 2) << "one to repeat, one with the next news at most";
  world_.Run(2 * limits::kMinute);
  const std::size_t quiet = engine.hellos.size();
  engine.epoch += 1;
  engine.SendFreshness();
  world_.Run(limits::kMinute);
  EXPECT_EQ(engine.hellos.size(), quiet) << "who waits for nothing says nothing";
}

TEST_F(AgentLink, SendsReportsThatWereMadeOffline) {
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntil(UpdateState::kTrial));
  world_.broker.CutLink(kDevice);
  ASSERT_TRUE(world_.RunUntil(UpdateState::kIdle));
  world_.Run(60'000);
  world_.broker.RestoreLink(kDevice);
  EXPECT_TRUE(world_.RunUntilReport("confirmed", 10 * limits::kMinute));
}

TEST_F(AgentLink, DoesNotActivateWithoutTheBrokersWord) {
  world_.broker.SetFaultPolicy([](const Hop& hop) {
    Fate fate;
    const bool report =
        hop.direction == Hop::Direction::kUp && hop.message.topic.ends_with("/report");
    if (report && Decode<Report>(hop.message.payload)->state == ReportState::kActivating)
      fate.copies = 0;
    return fate;
  });
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntil(UpdateState::kReady));
  world_.Run(20'000);
  EXPECT_EQ(world_.agent->state(), UpdateState::kReady);
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
  world_.broker.SetFaultPolicy(nullptr);
  EXPECT_TRUE(world_.RunUntil(UpdateState::kTrial, 15'000))
      << "30 s after the first word it asks for a new permit";
}

TEST_F(AgentLink, AsksForAPermitAgainAfterAHoldThatOutlivedTheFirst) {
  world_.engine.grants_permits = false;
  world_.engine.ask_again_s = 0;
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntil(UpdateState::kReady));
  world_.engine.SendOrder("r-1", OrderAction::kHold);
  world_.Run(limits::kMinute);
  world_.engine.grants_permits = true;
  Order lifted = world_.engine.order;
  lifted.number = world_.engine.NextNumber();
  lifted.entries.clear();
  world_.engine.order = lifted;
  world_.engine.SendRaw(world_.engine.directive_topic(), world_.engine.SealOrder(lifted));
  EXPECT_TRUE(world_.RunUntil(UpdateState::kTrial, 10'000));
}

TEST_F(AgentLink, FetchesNothingWhenItsLastAnswerIsOld) {
  world_.engine.answers = false;
  world_.Run(limits::kFreshnessLife + limits::kMinute);
  world_.engine.fetches.clear();
  Directive directive = world_.engine.InstallOf(v2_);
  directive.expires_ms += 2 * limits::kDay;
  world_.engine.Send(directive);
  world_.Run(limits::kMinute);
  EXPECT_TRUE(world_.engine.fetches.empty());
  world_.engine.answers = true;
  world_.broker.Kick(kDevice);
  EXPECT_TRUE(world_.RunUntilReport("confirmed", limits::kHour));
}

TEST_F(AgentLink, AsksForAnOrderThatAFreshnessNames) {
  world_.engine.answers = true;
  world_.engine.order.fleet_id = kFleet;
  world_.engine.order.number = world_.engine.NextNumber();
  world_.engine.order.entries = {{"r-1", OrderAction::kHold, 0, {}}};
  world_.engine.SendFreshness();
  const std::size_t hellos = world_.engine.hellos.size();
  world_.Run(11 * limits::kMinute);
  EXPECT_GT(world_.engine.hellos.size(), hellos);
  EXPECT_EQ(world_.Inspect().record.order, world_.engine.order.number);
}

TEST_F(AgentLink, RestsWhenNothingHappens) {
  world_.Run(limits::kMinute);
  int polls = 0;
  for (const std::int64_t end = world_.clock.boot_ms + 60'000; world_.clock.boot_ms < end;
       ++polls) {
    const std::int64_t next = std::max(world_.agent->NextDeadline().ms, world_.clock.boot_ms + 1);
    world_.clock.boot_ms = std::min(next, end);
    world_.agent->Poll();
  }
  EXPECT_LE(polls, 20) << "telemetry each 5 s, and hardly more";
}

}  // namespace
}  // namespace sluice::device
