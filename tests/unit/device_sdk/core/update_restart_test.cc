// A device after a restart, on a broken disk, and the numbers that must not fall.
#include <gmock/gmock.h>

#include "tests/unit/device_sdk/core/update_driver.h"

namespace sluice::device {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using enum UpdateState;

TEST(UpdateRestart, TakesUpTheWorkWhereItStands) {
  UpdateDriver device;
  device.DriveToDownloading();
  device.Clear();
  device.update.plan = {};
  ASSERT_TRUE(device.Feed(Restarted{InstallOf(kV2, 1), ManifestFor(kV2), {}}));
  EXPECT_EQ(device.update.state(), kDownloading);
  EXPECT_EQ(device.Of<FetchPayload>().size(), 1u);
  EXPECT_EQ(device.Of<ActivateModel>().size(), 1u) << "what was active serves first";
  EXPECT_EQ(device.update.record.work.attempts, 1) << "a resume is no attempt";
  EXPECT_EQ(device.update.record.boot, 1u);
}

TEST(UpdateRestart, ForgetsWorkWhoseDirectiveIsGoneAndTakesItAgain) {
  UpdateDriver device;
  device.DriveToDownloading();
  device.update.plan = {};
  ASSERT_TRUE(device.Feed(Restarted{std::nullopt, std::nullopt, {}}));
  EXPECT_EQ(device.update.state(), kIdle);
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(InstallOf(kV2, 1))));
  EXPECT_EQ(device.update.state(), kChecking);
}

TEST(UpdateRestart, CountsTheStartsOfATrialBeforeTheLoad) {
  UpdateDriver device;
  device.DriveToTrial();
  for (const int left : {2, 1}) {
    device.Clear();
    device.update.plan = {};
    ASSERT_TRUE(device.Feed(Restarted{InstallOf(kV2, 1), ManifestFor(kV2), {}}));
    EXPECT_EQ(device.writes.back().record.starts_left, left);
    EXPECT_EQ(device.Of<ActivateModel>().back().slot, SlotId{1});
  }
  device.Clear();
  device.update.plan = {};
  ASSERT_TRUE(device.Feed(Restarted{InstallOf(kV2, 1), ManifestFor(kV2), {}}));
  EXPECT_EQ(device.Of<ActivateModel>().back().slot, SlotId{0});
  ASSERT_TRUE(device.Feed(ModelServing{ArtifactOf(kV1), {}}));
  EXPECT_EQ(device.Reports().back(), "reverted E_STARTS");
}

TEST(UpdateRestart, GivesAProvenStartBack) {
  UpdateDriver device;
  device.DriveToTrial();
  device.update.plan = {};
  ASSERT_TRUE(device.Feed(Restarted{InstallOf(kV2, 1), ManifestFor(kV2), {}}));
  ASSERT_TRUE(device.Feed(ModelServing{ArtifactOf(kV2), {}}));
  ASSERT_TRUE(device.Feed(TrialCheckpoint{800'000, true}));
  EXPECT_EQ(device.update.record.starts_left, kStartsPerTrial);
  EXPECT_EQ(device.update.record.trial_budget_left_ms, 800'000);
}

TEST(UpdateRestart, FinishesARevertThatWasCutOff) {
  UpdateDriver device;
  device.DriveToTrial();
  ASSERT_TRUE(device.Feed(HealthBad{{ErrorCode::kHealth, "bad"}}));
  device.update.plan = {};
  device.Clear();
  ASSERT_TRUE(device.Feed(Restarted{InstallOf(kV2, 1), std::nullopt, {}}));
  EXPECT_EQ(device.Of<ActivateModel>().back().slot, SlotId{0});
  ASSERT_TRUE(device.Feed(ModelServing{ArtifactOf(kV1), {}}));
  EXPECT_THAT(device.Reports(), ElementsAre("reverted E_HEALTH"));
}

TEST(UpdateRestart, RevertsWhenTheActiveSlotDoesNotLoad) {
  UpdateDriver device;
  device.DriveToTrial();
  ASSERT_TRUE(device.Feed(TrialOver{true}));
  device.update.plan = {};
  ASSERT_TRUE(device.Feed(Restarted{InstallOf(kV2, 1), std::nullopt, {}}));
  ASSERT_TRUE(device.Feed(ModelFailed{{ErrorCode::kArtifactHash, "bit rot"}}));
  EXPECT_EQ(device.update.record.active, SlotId{0});
  ASSERT_TRUE(device.Feed(ModelFailed{{ErrorCode::kArtifactHash, "bit rot"}}));
  EXPECT_EQ(device.update.state(), kFault);
  EXPECT_EQ(device.update.record.active, std::nullopt);
}

TEST(UpdateRestart, WaitsForARunnerThatIsNotThereYet) {
  UpdateDriver device;
  ASSERT_TRUE(device.Feed(Restarted{}));
  device.Clear();
  ASSERT_TRUE(device.Feed(ModelFailed{{ErrorCode::kHookUnavailable, "no application"}}));
  EXPECT_EQ(device.update.record.slots[0].state, SlotState::kGood);
  EXPECT_EQ(device.Of<ArmTimer>().back().timer, Timer::kServeRetry);
  ASSERT_TRUE(device.Feed(TimerFired{Timer::kServeRetry}));
  EXPECT_EQ(device.Of<ActivateModel>().back().slot, SlotId{0});
}

TEST(UpdateDiskFault, ServesTheFallbackWhenATrialCannotBeRecorded) {
  UpdateDriver device;
  device.DriveToTrial();
  device.Clear();
  device.disk_works = false;
  ASSERT_TRUE(device.Feed(TrialOver{true}));
  EXPECT_EQ(device.update.state(), kReverting);
  EXPECT_EQ(device.Of<ActivateModel>().back().slot, SlotId{0});
  EXPECT_THAT(device.Reports(), ElementsAre("failed E_STORE_IO"));
  ASSERT_TRUE(device.Feed(ModelServing{ArtifactOf(kV1), {}}));
  EXPECT_EQ(device.update.state(), kReverting) << "until the record says so";
  EXPECT_EQ(device.Of<ArmTimer>().back().timer, Timer::kStoreRetry);
  device.disk_works = true;
  ASSERT_TRUE(device.Feed(TimerFired{Timer::kStoreRetry}));
  EXPECT_EQ(device.update.state(), kIdle);
  EXPECT_EQ(device.update.record.active, SlotId{0});
}

TEST(UpdateDiskFault, TakesTheStepAgainWhenTheDiskIsBack) {
  UpdateDriver device;
  device.DriveToDownloading();
  device.disk_works = false;
  ASSERT_TRUE(device.Feed(PayloadWritten{}));
  EXPECT_EQ(device.update.state(), kDownloading);
  device.disk_works = true;
  device.Clear();
  ASSERT_TRUE(device.Feed(TimerFired{Timer::kStoreRetry}));
  EXPECT_EQ(device.Of<FetchPayload>().size(), 1u);
}

TEST(UpdateNumbers, NeverFallExceptByARootThatKeepsNoDirectorKey) {
  UpdateDriver device;
  ASSERT_TRUE(device.Feed(EngineSeen{9, 1'000'000'000, {9, 4}}));
  ASSERT_TRUE(device.Feed(EngineSeen{8, 500, {8, 9}}));
  EXPECT_EQ(device.update.record.engine_epoch, 9u);
  EXPECT_EQ(device.update.record.freshness, (SequenceNumber{9, 4}));
  EXPECT_EQ(device.update.record.secure_time_floor_ms, 1'000'000'000);
  ASSERT_TRUE(device.Feed(RootReplaced{{1}, 2, false, 77, std::nullopt}));
  EXPECT_EQ(device.update.record.engine_epoch, 9u);
  ASSERT_TRUE(device.Feed(RootReplaced{{1}, 3, true, 77, std::nullopt}));
  EXPECT_EQ(device.update.record.engine_epoch, 0u);
  EXPECT_EQ(device.update.record.secure_time_floor_ms, 77);
}

TEST(UpdateNumbers, SparesTheDiskWhenOnlyTimeWentOn) {
  UpdateDriver device;
  ASSERT_TRUE(device.Feed(EngineSeen{9, limits::kHour * 100, {}}));
  device.Clear();
  ASSERT_TRUE(device.Feed(EngineSeen{9, limits::kHour * 100 + limits::kMinute, {}}));
  EXPECT_THAT(device.writes, IsEmpty());
}

TEST(UpdateStandby, WritesOverNoConfirmedReleaseWhileAnotherSlotIsFree) {
  UpdateDriver device(3);
  device.update.record.slots[1] = SlotWith(kV2, SlotState::kGood);
  device.update.record.fallback = SlotId{1};
  EXPECT_EQ(ChooseStandby(device.update, ArtifactOf(kV3)), SlotId{2});
  EXPECT_EQ(ChooseStandby(device.update, ArtifactOf(kV2)), SlotId{1});
}

}  // namespace
}  // namespace sluice::device
