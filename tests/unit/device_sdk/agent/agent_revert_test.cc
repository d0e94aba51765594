#include <gmock/gmock.h>

#include "tests/unit/device_sdk/agent/agent_world.h"

namespace sluice::device {
namespace {

using testing::Contains;
using testing::Not;

constexpr std::size_t kRevertedSize = 200'000;

class AgentRevert : public testing::Test {
 protected:
  void SetUp() override {
    world_.InstallFirst(v1_);
    world_.Start();
    world_.Run(1'000);
  }
  void DriveTo(UpdateState state) {
    world_.engine.Send(world_.engine.InstallOf(v2_));
    ASSERT_TRUE(world_.RunUntil(state));
  }
  AgentWorld world_;
  PublishedRelease v1_ = world_.engine.Publish("v1", ModelBytes(kGoodModel, kRevertedSize, 1));
  PublishedRelease v2_ = world_.engine.Publish("v2", ModelBytes(kGoodModel, kRevertedSize, 2));
};

TEST_F(AgentRevert, IsBackWithinASecondOfTheOrder) {
  for (const bool confirmed : {false, true}) {
    SCOPED_TRACE(confirmed);
    AgentWorld world;
    world.InstallFirst(v1_);
    world.Start();
    world.Run(1'000);
    const auto v2 = world.engine.Publish("v2", v2_.artifact);
    world.engine.Send(world.engine.InstallOf(v2));
    ASSERT_TRUE(world.RunUntilReport(confirmed ? "confirmed" : "activated"));
    world.engine.SendOrder("r-1", OrderAction::kRollBack);
    world.Run(1'000);
    EXPECT_EQ(world.runner.serving, v1_.manifest.artifact_sha256);
    EXPECT_THAT(world.engine.ReportNames(), Contains("reverted E_REVERT_ORDERED"));
    EXPECT_EQ(world.engine.reports.back().rollout, "r-1");
    EXPECT_EQ(world.engine.reports.back().active_artifact, v1_.manifest.artifact_sha256);
  }
}

TEST_F(AgentRevert, ObeysADirectiveToLeaveARelease) {
  DriveTo(UpdateState::kTrial);
  Directive revert = world_.engine.InstallOf(v2_);
  revert.action = DirectiveAction::kRevert;
  revert.offers.clear();
  revert.expires_ms = kStartMs - 1;  // words that take back count at any age
  world_.engine.Send(revert);
  ASSERT_TRUE(world_.RunUntilReport("reverted E_REVERT_ORDERED", 1'000));
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
}

TEST_F(AgentRevert, SendsTelemetryAsTheAnswerSaysAfterAnOrderedRevert) {
  DriveTo(UpdateState::kTrial);
  Directive revert = world_.engine.InstallOf(v2_);
  revert.action = DirectiveAction::kRevert;
  revert.offers.clear();
  world_.engine.Send(revert);
  ASSERT_TRUE(world_.RunUntilReport("reverted E_REVERT_ORDERED", 1'000));
  world_.engine.telemetry.clear();
  world_.Run(limits::kMinute);
  EXPECT_GE(world_.engine.telemetry.size(), 11u) << "every 5 s";
}

TEST_F(AgentRevert, WithdrawsADownloadAtOnce) {
  world_.engine.on_chunk = [](Chunk& chunk) {
    return chunk.object_size < kRevertedSize || chunk.offset < 20'000;
  };
  DriveTo(UpdateState::kDownloading);
  world_.engine.SendOrder("r-1", OrderAction::kRollBack);
  ASSERT_TRUE(world_.RunUntilReport("withdrawn E_WITHDRAWN", 1'000));
  const std::size_t fetches = world_.engine.fetches.size();
  world_.Run(60'000);
  EXPECT_EQ(world_.engine.fetches.size(), fetches) << "and asks for nothing more";
}

TEST_F(AgentRevert, ActivatesNothingWhileHeldAndGoesOnAfterwards) {
  world_.engine.SendOrder("r-1", OrderAction::kHold);
  DriveTo(UpdateState::kReady);
  world_.Run(30'000);
  EXPECT_EQ(world_.agent->state(), UpdateState::kReady);
  EXPECT_TRUE(world_.engine.hellos.back().permit_wanted.IsZero());
  world_.engine.order.number = world_.engine.NextNumber();
  world_.engine.order.entries.clear();
  world_.engine.SendRaw("sluice-dev/v1/all/order", world_.engine.SealOrder(world_.engine.order));
  EXPECT_TRUE(world_.RunUntil(UpdateState::kTrial, 5'000));
}

TEST_F(AgentRevert, RevertsByItselfWithoutANetwork) {
  DriveTo(UpdateState::kTrial);
  world_.broker.CutLink(kDevice);
  world_.errors_percent = 30;
  world_.rate = 400;
  ASSERT_TRUE(world_.RunUntil(UpdateState::kIdle, 30'000));
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
  EXPECT_EQ(world_.Inspect().record.bad_artifacts.back(), v2_.manifest.artifact_sha256);
  world_.errors_percent = 0;
  world_.broker.RestoreLink(kDevice);
  EXPECT_TRUE(world_.RunUntilReport("reverted E_HEALTH")) << "and tells it when the link is back";
  world_.Run(6'000);
  EXPECT_NE(world_.engine.telemetry.back().flags & Telemetry::kSelfReverted, 0);
}

TEST_F(AgentRevert, RevertsASlowRelease) {
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntil(UpdateState::kTrial));
  world_.latency_us = 80'000;
  world_.rate = 400;
  ASSERT_TRUE(world_.RunUntilReport("reverted E_HEALTH", 30'000));
}

TEST_F(AgentRevert, RevertsWhenTheRunnerIsUnhealthy) {
  DriveTo(UpdateState::kTrial);
  world_.runner.health = {"E_HEALTH", "camera is gone"};
  world_.rate = 0;
  ASSERT_TRUE(world_.RunUntilReport("reverted E_HEALTH", 30'000));
}

TEST_F(AgentRevert, RevertsWhatDoesNotActivate) {
  world_.engine.grants_permits = false;
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntil(UpdateState::kReady));
  world_.runner.activate = {"E_LOAD", "no memory"};
  world_.engine.grants_permits = true;
  world_.Run(1'500);
  world_.runner.activate = {};
  // The release gone back to could not be activated either, so nothing serves, and the engine is
  // told.
  EXPECT_THAT(world_.engine.ReportNames(), Contains("failed E_NO_TRUSTED_MODEL"));
}

TEST_F(AgentRevert, GivesUpATrialThatKeepsCrashing) {
  world_.rate = 0;  // no evidence, so no confirm
  DriveTo(UpdateState::kTrial);
  for (int i = 0; i < 2; ++i) {
    world_.Restart();
    EXPECT_EQ(world_.runner.serving, v2_.manifest.artifact_sha256);
  }
  world_.Restart();
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256) << "before any network";
  ASSERT_TRUE(world_.RunUntilReport("reverted E_STARTS"));
}

TEST_F(AgentRevert, GoesOnWithATrialAfterARestart) {
  world_.rate = 0;
  DriveTo(UpdateState::kTrial);
  world_.Restart();
  EXPECT_EQ(world_.agent->state(), UpdateState::kTrial);
  world_.rate = 50;
  EXPECT_TRUE(world_.RunUntilReport("confirmed"));
}

TEST_F(AgentRevert, ServesTheFallbackWhenTheActiveSlotRotted) {
  DriveTo(UpdateState::kTrial);
  ASSERT_TRUE(world_.RunUntilReport("confirmed"));
  world_.Stop();
  {
    auto file = world_.files.Open(world_.directory.File("state/b/model.bin"), OpenMode::kReadWrite);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->WriteAt(99'999, Bytes{0xEE, 0xEE}));
  }
  const std::size_t loads = world_.runner.loaded.size();
  world_.Start();
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
  ASSERT_EQ(world_.runner.loaded.size(), loads + 1);
  EXPECT_EQ(world_.runner.loaded.back(), v1_.manifest.artifact_sha256)
      << "no rotten byte was loaded";
  EXPECT_TRUE(world_.RunUntilReport("reverted E_ARTIFACT_HASH"));
}

TEST_F(AgentRevert, DoesAsTheOperatorAtTheDeviceSays) {
  EXPECT_EQ(world_.agent->Revert("by hand").error().code, ErrorCode::kNoFallback);
  DriveTo(UpdateState::kTrial);
  ASSERT_TRUE(world_.agent->Revert("by hand"));
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
  ASSERT_TRUE(world_.RunUntilReport("reverted E_REVERT_ORDERED"));
  EXPECT_EQ(world_.engine.reports.back().text, "by hand");
}

TEST_F(AgentRevert, TakesUpANewerReleaseOnlyAfterTheTrial) {
  world_.rate = 0;
  DriveTo(UpdateState::kTrial);
  const auto v3 = world_.engine.Publish("v3", ModelBytes(kGoodModel, kRevertedSize, 3));
  world_.engine.Send(world_.engine.InstallOf(v3, "r-2"));
  ASSERT_TRUE(world_.RunUntilReport("deferred E_BUSY_TRIAL"));
  EXPECT_EQ(world_.agent->state(), UpdateState::kTrial);
  EXPECT_LT(world_.Inspect().record.directive.seq, world_.engine.NextNumber().seq - 1);
  world_.rate = 50;
  ASSERT_TRUE(world_.RunUntilReport("confirmed"));
  world_.Run(60'000);
  EXPECT_EQ(world_.runner.serving, v3.manifest.artifact_sha256);
}

}  // namespace
}  // namespace sluice::device
