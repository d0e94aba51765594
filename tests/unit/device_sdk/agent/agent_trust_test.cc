// What a hostile broker can send: everything is refused with its code, and what serves goes on
// serving.
#include <gmock/gmock.h>

#include "tests/unit/device_sdk/agent/agent_world.h"

namespace sluice::device {
namespace {

using testing::HasSubstr;

constexpr std::size_t kTrustedSize = 100'000;

class AgentTrust : public testing::Test {
 protected:
  void SetUp() override {
    world_.InstallFirst(v1_);
    world_.Start();
    world_.Run(1'000);
  }
  void ExpectRefused(const char* code) {
    world_.Run(500);
    EXPECT_THAT(world_.Inspect().last_error.Line(), HasSubstr(code));
    EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
    EXPECT_EQ(world_.agent->state(), UpdateState::kIdle);
  }
  Directive Numbered(Directive directive) {
    directive.number = world_.engine.NextNumber();
    return directive;
  }
  void SendToDevice(ByteView bytes) {
    world_.engine.SendRaw(world_.engine.directive_topic(), bytes);
  }

  AgentWorld world_;
  PublishedRelease v1_ = world_.engine.Publish("v1", ModelBytes(kGoodModel, kTrustedSize, 1));
  PublishedRelease v2_ = world_.engine.Publish("v2", ModelBytes(kGoodModel, kTrustedSize, 2));
};

TEST_F(AgentTrust, A01_RefusesADirectiveThatTheReleaseKeySigned) {
  const Directive directive = Numbered(world_.engine.InstallOf(v2_));
  SendToDevice(Seal(PayloadType::kDirective, Encode(directive), {&world_.engine.release_key()}));
  ExpectRefused("E_SIG_ROLE");
}

TEST_F(AgentTrust, A01_RefusesAManifestThatTheDirectorKeySigned) {
  PublishedRelease forged = v2_;
  forged.envelope =
      Seal(PayloadType::kManifest, Encode(v2_.manifest), {&world_.engine.director_key()});
  forged.digest = Sha256(forged.envelope);
  world_.engine.objects[forged.digest] = forged.envelope;
  world_.engine.Send(world_.engine.InstallOf(forged));
  ASSERT_TRUE(world_.RunUntilReport("rejected E_SIG_ROLE"));
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
}

TEST_F(AgentTrust, A02_RefusesEveryFlippedByteOfADirective) {
  const Bytes good = world_.engine.SealDirective(Numbered(world_.engine.InstallOf(v2_)));
  for (std::size_t i = 0; i < good.size(); i += 7) {
    Bytes bad = good;
    bad[i] ^= 0x10;
    SendToDevice(bad);
    world_.Run(20);
    ASSERT_EQ(world_.agent->state(), UpdateState::kIdle) << "byte " << i;
  }
  EXPECT_EQ(world_.Inspect().record.directive, SequenceNumber{});
}

TEST_F(AgentTrust, A06_RefusesAnOlderDirective) {
  const Bytes old = world_.engine.SealDirective(Numbered(world_.engine.InstallOf(v2_)));
  Directive hold;
  hold.fleet_id = kFleet;
  hold.device_id = kDevice;
  hold.action = DirectiveAction::kHold;
  world_.engine.Send(hold);
  world_.Run(100);
  SendToDevice(old);
  ExpectRefused("E_REPLAY");
}

TEST_F(AgentTrust, RefusesTwoWordsUnderOneNumber) {
  Directive directive = Numbered(world_.engine.InstallOf(v2_));
  directive.action = DirectiveAction::kHold;
  SendToDevice(world_.engine.SealDirective(directive));
  world_.Run(100);
  directive.latency_limit_us = 5;
  SendToDevice(world_.engine.SealDirective(directive));
  ExpectRefused("E_EQUIVOCATION");
}

TEST_F(AgentTrust, A07_RefusesTheDirectiveOfAnotherDeviceOrFleet) {
  Directive other = Numbered(world_.engine.InstallOf(v2_));
  other.device_id = "cam-2";
  SendToDevice(world_.engine.SealDirective(other));
  ExpectRefused("E_WRONG_DEVICE");
  other = Numbered(world_.engine.InstallOf(v2_));
  other.fleet_id = "plant-8";
  SendToDevice(world_.engine.SealDirective(other));
  ExpectRefused("E_WRONG_FLEET");
}

TEST_F(AgentTrust, RefusesANumberOfAFormerEngineThatNoAnswerNamed) {
  Directive stale = world_.engine.InstallOf(v2_);
  stale.number = {kEpoch - 1, 99};
  SendToDevice(world_.engine.SealDirective(stale));
  ExpectRefused("E_STALE_ENGINE");
}

TEST_F(AgentTrust, AsksForAnAnswerThatNamesWhatAFormerEngineLeft) {
  const std::size_t hellos = world_.engine.hellos.size();
  Directive standing = world_.engine.InstallOf(v2_);
  standing.number = {kEpoch - 1, 99};
  SendToDevice(world_.engine.SealDirective(standing));
  world_.Run(9'000);
  EXPECT_EQ(world_.engine.hellos.size(), hellos) << "a replay must not cause a flood";
  world_.Run(2'000);
  EXPECT_EQ(world_.engine.hellos.size(), hellos + 1);
}

TEST_F(AgentTrust, RefusesAnEpochBeyondTheRootsLife) {
  Directive far = world_.engine.InstallOf(v2_);
  far.number = {UINT64_MAX, 1};
  SendToDevice(world_.engine.SealDirective(far));
  ExpectRefused("E_CLOCK");
  EXPECT_LT(world_.Inspect().record.engine_epoch, kEpoch + 1'000);
}

TEST_F(AgentTrust, RejectsAnExpiredDirective) {
  Directive directive = world_.engine.InstallOf(v2_);
  directive.expires_ms = kStartMs - 1;
  world_.engine.Send(directive);
  ASSERT_TRUE(world_.RunUntilReport("rejected E_EXPIRED"));
}

TEST_F(AgentTrust, CallsNothingExpiredBeforeAnAnswerHasSaidWhatTimeItIs) {
  AgentWorld world;
  world.clock.wall_error_ms = 365 * limits::kDay;  // plausible, and wrong
  world.InstallFirst(v1_);
  world.engine.answers = false;
  world.Start();
  world.Run(1'000);
  const auto v2 = world.engine.Publish("v2", v2_.artifact);
  world.engine.Send(world.engine.InstallOf(v2));
  world.Run(1'000);
  EXPECT_THAT(world.Inspect().last_error.Line(), HasSubstr("E_CLOCK"));
  EXPECT_TRUE(world.engine.reports.empty());
  world.engine.answers = true;
  EXPECT_TRUE(world.RunUntilReport("confirmed"));
}

TEST_F(AgentTrust, RejectsADirectiveOfARolloutThatWasStopped) {
  world_.engine.SendOrder("r-1", OrderAction::kAbort);
  world_.Run(100);
  world_.engine.Send(world_.engine.InstallOf(v2_, "r-1"));
  ASSERT_TRUE(world_.RunUntilReport("rejected E_WITHDRAWN"));
}

TEST_F(AgentTrust, RefusesAnAnswerToAnotherHello) {
  world_.engine.answers = false;
  world_.broker.Kick(kDevice);
  world_.Run(3'000);
  Answer answer;
  answer.fleet_id = kFleet;
  answer.device_id = kDevice;
  answer.nonce.fill(7);
  answer.held.root_version = 1;
  answer.engine_epoch = kEpoch;
  answer.now_ms = world_.engine.now_ms;
  SendToDevice(Seal(PayloadType::kAnswer, Encode(answer), {&world_.engine.director_key()}));
  ExpectRefused("E_REPLAY");
}

TEST_F(AgentTrust, RefusesAnOrderOfLessThanItHolds) {
  world_.engine.SendOrder("r-9", OrderAction::kAbort);
  world_.Run(100);
  Order old = world_.engine.order;
  old.number.seq = 0;
  old.number.epoch = kEpoch - 5;
  world_.engine.SendRaw("sluice-dev/v1/all/order", world_.engine.SealOrder(old));
  ExpectRefused("E_REPLAY");
}

TEST_F(AgentTrust, A16_RefusesBlocksThatWereSwapped) {
  world_.engine.on_chunk = [](Chunk& chunk) {
    if (chunk.object_size > kTrustedSize && chunk.offset > 0) std::ranges::reverse(chunk.data);
    return true;
  };
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntilReport("failed E_BLOCK_HASH"));
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
}

TEST_F(AgentTrust, A09_RefusesAnObjectUnderAnothersName) {
  const Directive directive = world_.engine.InstallOf(v2_);
  const Directive other = world_.engine.InstallOf(v1_);
  world_.engine.objects[directive.offers[0].object] = world_.engine.objects[other.offers[0].object];
  world_.engine.Send(directive);
  ASSERT_TRUE(world_.RunUntilReport("failed E_PAYLOAD_HEAD"));
}

TEST_F(AgentTrust, A14_StopsAServerThatSendsWithoutEnd) {
  world_.engine.on_chunk = [](Chunk& chunk) {
    if (chunk.object_size > kTrustedSize)
      chunk.data.push_back(0);  // never the size that was asked for
    return true;
  };
  Directive directive = world_.engine.InstallOf(v2_);
  directive.byte_budget = 400'000;
  world_.engine.Send(directive);
  ASSERT_TRUE(world_.RunUntilReport("failed E_BUDGET", limits::kHour) ||
              world_.RunUntilReport("failed E_SLOW", limits::kHour));
  EXPECT_LT(world_.Inspect().link.bytes_down, 700'000u);
}

TEST_F(AgentTrust, RefusesGarbageOnEveryTopic) {
  const Bytes garbage(300, 0xA5);
  for (const char* topic :
       {"sluice-dev/v1/down/cam-1/directive", "sluice-dev/v1/down/cam-1/chunk",
        "sluice-dev/v1/all/root", "sluice-dev/v1/all/order", "sluice-dev/v1/all/freshness"}) {
    world_.engine.SendRaw(topic, garbage);
    world_.engine.SendRaw(topic, {});
  }
  world_.Run(1'000);
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
  world_.engine.Send(world_.engine.InstallOf(v2_));
  EXPECT_TRUE(world_.RunUntilReport("confirmed")) << "and works on";
}

TEST_F(AgentTrust, FollowsTheRootChain) {
  world_.engine.SendRaw("sluice-dev/v1/all/root", world_.engine.NextRoot(true));
  world_.Run(100);
  EXPECT_EQ(world_.Inspect().record.root_version, 2u);
  EXPECT_GT(world_.Inspect().record.engine_epoch, 0u)
      << "a director key was kept: no number is reset";
  world_.Restart();
  world_.Run(1'000);
  EXPECT_EQ(world_.engine.hellos.back().root_version, 2u);
}

TEST_F(AgentTrust, ResetsNumbersWithARootThatKeepsNoDirectorKey) {
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntilReport("confirmed"));
  world_.engine.SendRaw("sluice-dev/v1/all/root", world_.engine.NextRoot(false));
  world_.Run(100);
  EXPECT_EQ(world_.Inspect().record.engine_epoch, 0u);
  EXPECT_EQ(world_.Inspect().record.directive, SequenceNumber{});
  EXPECT_EQ(world_.runner.serving, v2_.manifest.artifact_sha256) << "what serves goes on serving";
}

TEST_F(AgentTrust, LoadsOnlyBytesOfSignedReleases) {
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntilReport("confirmed"));
  for (const Digest& loaded : world_.runner.loaded) {
    EXPECT_TRUE(loaded == v1_.manifest.artifact_sha256 || loaded == v2_.manifest.artifact_sha256);
  }
}

TEST_F(AgentTrust, WorksWithAWallClockThatIsWrongByYears) {
  for (const std::int64_t years : {-20, 20}) {
    AgentWorld world;
    world.clock.wall_error_ms = years * 365 * limits::kDay;
    world.InstallFirst(v1_);
    world.Start();
    EXPECT_TRUE(world.Inspect().clock_untrusted);
    world.Run(1'000);
    EXPECT_FALSE(world.Inspect().clock_untrusted) << "an answer came";
    const auto v2 = world.engine.Publish("v2", v2_.artifact);
    world.engine.Send(world.engine.InstallOf(v2));
    EXPECT_TRUE(world.RunUntilReport("confirmed"));
  }
}

}  // namespace
}  // namespace sluice::device
