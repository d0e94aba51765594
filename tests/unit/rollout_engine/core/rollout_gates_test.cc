// What stops a rollout, and who lets it go on: gates, holds, approvals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/rollout_engine/core/rollout_harness.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using H = RolloutHarness;

// ---- holds and gates ----

TEST(RolloutStep, HoldsAReleaseThatNoDeviceValidatesBeforeAnyActivates) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].target = 25'000;
  H h(spec);
  h.Start(Fleet(80));
  for (const std::string& device : H::Devices<Offer>(h.last)) {
    if (h.rollout.status == RolloutStatus::kRunning)
      h.Report(device, ReportState::kFailed, "E_VALIDATION");
  }
  EXPECT_EQ(h.rollout.status, RolloutStatus::kHolding);
  EXPECT_EQ(h.rollout.runs[0].installs_failed, 2);  // 5 % of 20 is one
  EXPECT_THAT(h.rollout.why, HasSubstr("E_VALIDATION"));
  EXPECT_THAT(h.rollout.order, ElementsAre(OrderEntry{"r-1", OrderAction::kHold, 0, {}}));
  EXPECT_FALSE(H::Has<GrantPermit>(h.all));
  h.Do(AbortRequested{"bad release"});
  EXPECT_EQ(h.rollout.status, RolloutStatus::kAborted);
  EXPECT_EQ(h.rollout.order[0].action, OrderAction::kAbort);
}

TEST(RolloutStep, BearsASingleFailedInstallAmongTwenty) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].target = 25'000;
  H h(spec);
  h.Start(Fleet(80));
  h.Report("dev-0000", ReportState::kFailed, "E_NO_SPACE");
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRunning);
}

TEST(RolloutStep, HoldsAgainOnlyForNewFailuresAfterAnOperatorResumed) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].target = 25'000;
  H h(spec);
  h.Start(Fleet(80));
  h.Report("dev-0000", ReportState::kFailed, "E_NO_SPACE");
  h.Report("dev-0001", ReportState::kFailed, "E_NO_SPACE");
  ASSERT_EQ(h.rollout.status, RolloutStatus::kHolding);
  h.Do(ResumeRequested{"disks cleaned"});
  h.Report("dev-0002", ReportState::kFailed, "E_NO_SPACE");
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRunning);
  h.Report("dev-0003", ReportState::kFailed, "E_NO_SPACE");
  EXPECT_EQ(h.rollout.status, RolloutStatus::kHolding);
}

TEST(RolloutStep, LiftsAnEnvironmentHoldAfterTwoCalmLooksInARow) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Look(Decision::kHold, HoldCause::kEnvironment);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kHolding);
  h.Look(Decision::kContinue);
  h.Look(Decision::kHold, HoldCause::kEnvironment);
  h.Look(Decision::kContinue);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kHolding);
  h.Look(Decision::kContinue);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRunning);
  EXPECT_THAT(h.rollout.order, IsEmpty());
}

TEST(RolloutStep, LeavesAConcentrationHoldToAnOperatorWhoDecidesForTheStage) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Look(Decision::kHold, HoldCause::kConcentration);
  for (int i = 0; i < 3; ++i) h.Look(Decision::kContinue);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kHolding);
  h.Do(ResumeRequested{"known device"});
  h.Look(Decision::kHold, HoldCause::kConcentration);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRunning);
}

TEST(RolloutStep, GoesOnUnderTheBrakeOfAFindingThatAnOperatorResumedOver) {
  H h;
  h.Start(Fleet(80));
  h.Do(PermitWanted{"dev-0000"});
  h.Report("dev-0000", ReportState::kActivated);
  h.Look(Decision::kHold, HoldCause::kConcentration);
  h.Do(ResumeRequested{"known device"});
  h.Fire(TimerKind::kLook);
  LookJudged look = h.Judged(Decision::kHold, HoldCause::kConcentration);
  look.brake = true;
  h.Do(look);
  h.Do(PermitWanted{"dev-0001"});
  EXPECT_TRUE(H::Has<GrantPermit>(h.last));
}

TEST(RolloutStep, RollsBackAHeldOrPausedRollout) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Do(PauseRequested{"lunch"});
  h.Look(Decision::kRollBack);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRollingBack);
}

TEST(RolloutStep, HoldsWhenMemoryGrowsBeyondTheLimit) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Fire(TimerKind::kLook);
  LookJudged look = h.Judged(Decision::kContinue);
  look.memory_increase_percent = 35;
  h.Do(look);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kHolding);
  EXPECT_THAT(h.rollout.why, HasSubstr("35 %"));
}

TEST(RolloutStep, StopsOffersAndPermitsUnderABrakeAndGoesOnWhenItClears) {
  H h;
  h.Start(Fleet(80));
  h.Do(PermitWanted{"dev-0000"});
  h.Report("dev-0000", ReportState::kActivated);
  h.Fire(TimerKind::kLook);
  LookJudged look = h.Judged(Decision::kContinue);
  look.brake = true;
  h.Do(look);
  h.Do(PermitWanted{"dev-0001"});
  EXPECT_FALSE(H::Has<GrantPermit>(h.last));
  h.Do(DeviceJoined{{"dev-new", "cam", 0.0001, true}});
  EXPECT_FALSE(H::Has<Offer>(h.last));
  h.Look(Decision::kContinue);
  EXPECT_THAT(H::Devices<GrantPermit>(h.last), ElementsAre("dev-0001"));
  EXPECT_THAT(H::Devices<Offer>(h.last), ElementsAre("dev-new"));
}

TEST(RolloutStep, HoldsAFailWhenTheFileSaysSoUntilAnOperatorAcceptsIt) {
  RolloutSpec spec = TwoStageSpec();
  spec.rollback.auto_rollback = false;
  spec.rollback.on_inconclusive = OnInconclusive::kPromote;
  H h(spec);
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Look(Decision::kRollBack);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kHolding);
  h.Do(ResumeRequested{"known and accepted"});
  h.Look(Decision::kRollBack);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRunning);
  // But it is never promoted over it, not even at its longest.
  while (h.rollout.status == RolloutStatus::kRunning) h.Look(Decision::kRollBack);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kAwaitingApproval);
  EXPECT_EQ(CurrentStage(h.rollout), 0);
}

TEST(RolloutStep, GoesOnWithoutAHardwareThatFailedAloneAndRollsBackWhenNoneIsLeft) {
  RolloutSpec spec = TwoStageSpec();
  spec.rollback.per_hardware = PerHardware::kExcludeModel;
  H h(spec);
  h.Start(Fleet(80));
  h.Do(PermitWanted{"dev-0000"});
  h.Report("dev-0000", ReportState::kActivated);
  h.Do(PermitWanted{"dev-0002"});
  h.Report("dev-0002", ReportState::kActivated);
  ASSERT_FALSE(h.rollout.runs[0].soak_started.has_value());
  h.Fire(TimerKind::kLook);
  LookJudged look = h.Judged(Decision::kRollBack);
  look.fleet_fails = false;
  look.failed_strata = {"gate"};
  h.Do(look);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRunning);
  // Both cams are active and nobody waits for the gates.
  h.Report("dev-0002", ReportState::kConfirmed);
  h.Do(DeviceJoined{{.id = "late", .hardware = "cam", .unit = 0.0001, .has_model = true}});
  h.Do(PermitWanted{"late"});
  h.Report("late", ReportState::kActivating);
  EXPECT_TRUE(h.rollout.runs[0].soak_started.has_value());
  h.Fire(TimerKind::kLook);
  look = h.Judged(Decision::kRollBack);
  look.fleet_fails = false;
  look.failed_strata = {"cam"};
  h.Do(look);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRollingBack);
}

TEST(RolloutStep, StartsTheSoakWithoutDevicesThatNobodyCanReach) {
  H h;
  h.Start(Fleet(80));
  for (const char* device : {"dev-0000", "dev-0001", "dev-0002"}) {
    h.Do(PermitWanted{device});
    h.Report(device, ReportState::kActivated);
  }
  h.Look(Decision::kContinue);
  EXPECT_FALSE(h.rollout.runs[0].soak_started.has_value());
  h.Fire(TimerKind::kLook);
  LookJudged look = h.Judged(Decision::kContinue);
  look.enough_active = true;
  h.Do(look);
  EXPECT_EQ(h.rollout.runs[0].soak_started, h.now);
}

TEST(RolloutStep, SaysWhoPausedIt) {
  H h;
  h.Start(Fleet(80));
  h.Do(PauseRequested{.reason = "line stop", .by = "rule pause-on-line-stop"});
  EXPECT_EQ(h.rollout.why, "paused by rule pause-on-line-stop: line stop");
  h.Do(ResumeRequested{});
  EXPECT_EQ(h.rollout.why, "resumed by an operator");
}

TEST(RolloutStep, OffersToNoMoreDevicesOfASiteThanItsLinkBears) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].target = 50'000;
  spec.transfer.concurrent_per_site = 3;
  H h(spec);
  auto fleet = Fleet(80);
  for (std::size_t i = 0; i < fleet.size(); ++i) fleet[i].site = i % 10 == 0 ? "" : "hall";
  h.Start(fleet);
  EXPECT_THAT(H::Devices<Offer>(h.last), SizeIs(4 + 3));  // those without a site have no limit
  h.Report("dev-0001", ReportState::kDownloading);
  h.Fire(TimerKind::kOffers);
  EXPECT_THAT(H::Devices<Offer>(h.last), IsEmpty());
  h.Report("dev-0001", ReportState::kReady);
  h.Report("dev-0002", ReportState::kFailed, "E_NO_SPACE");
  h.Fire(TimerKind::kOffers);
  EXPECT_THAT(H::Devices<Offer>(h.last), SizeIs(2));
  // Who is silent about its offer does not keep the others waiting for ever.
  h.WaitMs(10 * limits::kMinute);
  h.Fire(TimerKind::kOffers);
  EXPECT_THAT(H::Devices<Offer>(h.last), SizeIs(3));
}

TEST(RolloutStep, WatchesThoseWhoComeAfterTheLastStage) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Do(PromoteRequested{});
  for (int i = 4; i < 70; ++i) h.Report(DeviceName(i), ReportState::kActivated);
  h.Do(PromoteRequested{});
  ASSERT_EQ(h.rollout.status, RolloutStatus::kCompleted);
  h.Fire(TimerKind::kLook);
  EXPECT_FALSE(H::Has<RunLook>(h.last));  // nobody has come yet
  h.WaitMs(1'000);
  h.Do(PermitWanted{"dev-0070"});
  EXPECT_TRUE(H::Has<GrantPermit>(h.last));
  h.Report("dev-0070", ReportState::kActivated);
  h.Look(Decision::kRollBack);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kCompleted);
  EXPECT_TRUE(H::Has<NotifyOperator>(h.last));
  h.Do(PermitWanted{"dev-0071"});
  EXPECT_FALSE(H::Has<GrantPermit>(h.last));
  h.Look(Decision::kContinue);
  EXPECT_THAT(H::Devices<GrantPermit>(h.last), ElementsAre("dev-0071"));
  h.WaitMs(kTailMs);
  h.Fire(TimerKind::kLook);
  EXPECT_FALSE(h.rollout.timers[static_cast<std::size_t>(TimerKind::kLook)].has_value());
}

// ---- soak end without a verdict, approvals ----

TEST(RolloutStep, WaitsForAPersonWhenAStageEndsWithTooFewReports) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  while (h.rollout.status == RolloutStatus::kRunning) {
    h.Look(Decision::kHold, HoldCause::kNotShown, "holding at soak end: not yet shown");
  }
  EXPECT_EQ(h.rollout.status, RolloutStatus::kAwaitingApproval);
  EXPECT_EQ(h.now - *h.rollout.runs[0].soak_started, 30 * limits::kMinute);
  EXPECT_THAT(h.rollout.why, HasSubstr("not yet shown"));
  h.Do(ApproveRequested{"looks fine to me"});
  EXPECT_EQ(CurrentStage(h.rollout), 1);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRunning);
}

TEST(RolloutStep, WaitsForAPersonWhenNobodyEverActivates) {
  H h;
  h.Start(Fleet(80));
  while (h.rollout.status == RolloutStatus::kRunning) h.Fire(TimerKind::kLook);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kAwaitingApproval);
  EXPECT_THAT(h.rollout.why, HasSubstr("no device has activated"));
}

TEST(RolloutStep, PromotesAnInconclusiveStageAtItsLongestOnlyIfTheFileSaysSo) {
  RolloutSpec spec = TwoStageSpec();
  spec.rollback.on_inconclusive = OnInconclusive::kPromote;
  H h(spec);
  h.Start(Fleet(80));
  h.ActivateAll();
  while (CurrentStage(h.rollout) == 0) h.Look(Decision::kHold, HoldCause::kNotShown);
  EXPECT_EQ(h.rollout.runs[1].started - *h.rollout.runs[0].soak_started, 30 * limits::kMinute);
}

TEST(RolloutStep, AsksBeforeAStageAndAfterAPromotionAsTheFileSays) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].approval = Approval::kBefore;
  spec.stages[1].approval = Approval::kAfter;
  H h(spec);
  h.Start(Fleet(80));
  EXPECT_EQ(h.rollout.status, RolloutStatus::kAwaitingApproval);
  EXPECT_FALSE(H::Has<Offer>(h.all));
  h.Do(ApproveRequested{});
  EXPECT_TRUE(H::Has<Offer>(h.last));
  h.ActivateAll();
  h.Look(Decision::kPromote);
  EXPECT_EQ(CurrentStage(h.rollout), 1);
  h.ActivateAll();
  h.Look(Decision::kPromote);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kAwaitingApproval);
  h.Look(Decision::kContinue);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kAwaitingApproval);
  h.Do(PauseRequested{});
  h.Do(ResumeRequested{});
  EXPECT_EQ(h.rollout.status, RolloutStatus::kAwaitingApproval);
  h.Do(ApproveRequested{});
  EXPECT_EQ(h.rollout.status, RolloutStatus::kCompleted);
}

TEST(RolloutStep, PromotesToALaterStageOnlyAndRefusesOneThatIsNot) {
  H h;
  h.Start(Fleet(80));
  EXPECT_EQ(h.Try(PromoteRequested{.to_stage = 2, .reason = {}}).error().code,
            ErrorCode::kNotFound);
  EXPECT_EQ(h.Try(PromoteRequested{.to_stage = 0, .reason = {}}).error().code,
            ErrorCode::kNotFound);
  h.Do(PromoteRequested{.to_stage = 1, .reason = {}});
  EXPECT_EQ(CurrentStage(h.rollout), 1);
}

}  // namespace
}  // namespace sluice
