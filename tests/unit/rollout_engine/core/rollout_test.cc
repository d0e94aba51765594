#include "rollout_engine/core/rollout.h"

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

TEST(RolloutStep, OffersTheSmallestUnitsOfEachHardware) {
  H h;
  h.Start(Fleet(80));  // 40 of each hardware: ceil(5 % of 40) = 2 of each
  EXPECT_THAT(H::Devices<Offer>(h.last),
              ElementsAre("dev-0000", "dev-0001", "dev-0002", "dev-0003"));
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRunning);
}

TEST(RolloutStep, RefusesAnOperatorInTheOperatorsWords) {
  H h;
  EXPECT_EQ(
      h.Try(PauseRequested{}).error().Line(),
      "E_STATE: pause is not possible while rollout r-1 is scheduled; possible: start, abort");
  h.Start(Fleet(80));
  EXPECT_EQ(h.Try(Started{}).error().Line(),
            "E_STATE: start is not possible while rollout r-1 is running; "
            "possible: pause, promote, abort, rollback");
  h.Do(AbortRequested{});
  EXPECT_THAT(h.Try(ResumeRequested{}).error().text, HasSubstr("is aborted; possible: rollback"));
}

TEST(RolloutStep, TellsTheControlArmItsTermsAndNobodyElse) {
  H h;
  h.Start(Fleet(80));
  EXPECT_THAT(H::Only<HoldDevice>(h.last), SizeIs(76));
  EXPECT_TRUE(h.rollout.members.at("dev-0079").control);
  EXPECT_FALSE(h.rollout.members.at("dev-0000").control);
}

TEST(RolloutStep, GivesAFirstReleaseNoControlArm) {
  H h;
  h.Start(Fleet(80, false));
  EXPECT_TRUE(h.rollout.first_release);
  EXPECT_THAT(H::Only<HoldDevice>(h.last), IsEmpty());
  EXPECT_THAT(H::Only<Offer>(h.last), SizeIs(4));
}

TEST(RolloutStep, LeavesEmptyDevicesToTheBaselineUnlessItIsAFirstRelease) {
  auto fleet = Fleet(80);
  fleet[0].has_model = false;
  H h;
  h.Start(fleet);
  EXPECT_FALSE(h.rollout.members.contains("dev-0000"));
}

TEST(RolloutStep, RefusesToStartWithoutDevicesAndChangesNothing) {
  H h;
  const Rollout before = h.rollout;
  const auto refused = h.Try(Started{.eligible = Fleet(4), .release_ids = {{{"other", 1}}}});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kCfgNoDevices);
  EXPECT_EQ(h.rollout, before);
}

TEST(RolloutStep, CountsADeviceAsExposedFromItsReportActivating) {
  H h;
  h.Start(Fleet(80));
  h.Report("dev-0000", ReportState::kReady);
  EXPECT_EQ(h.rollout.members.at("dev-0000").activated_at, std::nullopt);
  h.WaitMs(5);
  h.Report("dev-0000", ReportState::kActivating);
  EXPECT_EQ(h.rollout.members.at("dev-0000").activated_at, h.now);
  EXPECT_THAT(H::Only<OpenWindow>(h.last), SizeIs(1));
  h.WaitMs(5);
  h.Report("dev-0000", ReportState::kActivated);
  EXPECT_EQ(h.rollout.members.at("dev-0000").activated_at->ms, h.now.ms - 5);
}

TEST(RolloutStep, StartsLooksAtTheFirstActivationAndTheSoakWhenEnoughAreActive) {
  H h;
  h.Start(Fleet(80));
  h.Fire(TimerKind::kLook);
  EXPECT_FALSE(H::Has<RunLook>(h.last));
  EXPECT_EQ(SoakLeftMs(h.rollout, h.now), std::nullopt);
  h.ActivateAll();  // all four: fewer than min_devices, but all there are
  EXPECT_EQ(SoakLeftMs(h.rollout, h.now),
            10 * limits::kMinute - (h.now - *h.rollout.runs[0].soak_started));
  h.Fire(TimerKind::kLook);
  EXPECT_THAT(H::Only<RunLook>(h.last), ElementsAre(RunLook{0, 1}));
}

TEST(RolloutStep, LooksOnceMoreAtTheVeryEndOfTheSoak) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].duration_ms = 90 * limits::kSecond;
  H h(spec);
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Look(Decision::kContinue);
  h.Look(Decision::kContinue);
  EXPECT_EQ(h.now - *h.rollout.runs[0].soak_started, 90 * limits::kSecond);
}

TEST(RolloutStep, NestsTheNextStageAroundTheFormerAndCompletesAfterTheLast) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Look(Decision::kPromote, HoldCause::kNone, "promoted: shown");
  EXPECT_EQ(CurrentStage(h.rollout), 1);
  EXPECT_THAT(H::Only<Offer>(h.last), SizeIs(76));
  EXPECT_THAT(H::Only<HoldDevice>(h.last), IsEmpty());
  EXPECT_EQ(h.rollout.members.at("dev-0000").stage, 0);
  h.ActivateAll();
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRunning);
  h.Look(Decision::kPromote, HoldCause::kNone, "promoted: shown again");
  EXPECT_EQ(h.rollout.status, RolloutStatus::kCompleted);
  EXPECT_EQ(h.rollout.why, "promoted: shown again");
  EXPECT_THAT(h.rollout.order, IsEmpty());
  EXPECT_EQ(CountStates(h.rollout, 1)[static_cast<std::size_t>(DeviceState::kTrial)], 80);
}

TEST(RolloutStep, ForgetsTheJudgesReferencesAtAStageButNotTheFormerControl) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Fire(TimerKind::kLook);
  LookJudged look = h.Judged(Decision::kPromote);
  look.state.iref["fleet/error_rate/cumulative"] = 5;
  (*look.state.control)["fleet/lost_device_rate"] = {.m0 = 76};
  h.Do(look);
  EXPECT_THAT(h.rollout.variants[0].judge.iref, IsEmpty());
  EXPECT_THAT(*h.rollout.variants[0].judge.control, SizeIs(1));
}

TEST(RolloutStep, OpensANewEpochWhenTheNextLookBelongsToIt) {
  H h;  // 10 looks, 2 epochs
  h.Start(Fleet(80));
  h.ActivateAll();
  for (int look = 1; look <= 5; ++look) {
    h.Fire(TimerKind::kLook);
    LookJudged judged = h.Judged(Decision::kContinue);
    judged.state.iref = {{"fleet/error_rate/cumulative", 1}, {"fleet/error_rate/epoch", 2}};
    h.Do(judged);
    EXPECT_EQ(H::Has<OpenWindow>(h.last), look == 5) << look;
  }
  EXPECT_THAT(h.rollout.variants[0].judge.iref, SizeIs(1));
}

TEST(RolloutStep, IgnoresALookOfAnOlderStage) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Fire(TimerKind::kLook);
  const LookJudged late = h.Judged(Decision::kRollBack);
  h.Do(PromoteRequested{.to_stage = std::nullopt, .reason = "trust me"});
  h.Do(late);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRunning);
}

// ---- roll back ----

TEST(RolloutStep, RollsBackByItselfAndEndsWhenEveryDeviceHasLeft) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Look(Decision::kRollBack, HoldCause::kNone, "rolled back at 00:01 because error_rate");
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRollingBack);
  EXPECT_EQ(h.rollout.why, "rolled back at 00:01 because error_rate");
  ASSERT_THAT(H::Only<OrderChanged>(h.last), SizeIs(1));
  EXPECT_THAT(H::Only<OrderChanged>(h.last)[0].entries,
              ElementsAre(OrderEntry{"r-1", OrderAction::kRollBack, 0, {}}));
  h.Report("dev-0000", ReportState::kReverted, "E_REVERT_ORDERED");
  h.Fire(TimerKind::kRevertDirectives);
  EXPECT_THAT(H::Devices<RevertDevice>(h.last), ElementsAre("dev-0001", "dev-0002", "dev-0003"));
  for (const char* device : {"dev-0001", "dev-0002", "dev-0003"}) {
    EXPECT_EQ(h.rollout.status, RolloutStatus::kRollingBack);
    h.Report(device, ReportState::kReverted, "E_REVERT_ORDERED");
  }
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRolledBack);
  EXPECT_FALSE(h.rollout.members.at("dev-0001").self_reverted);
}

TEST(RolloutStep, EndsARollBackAtItsDeadlineAndSaysWhoIsMissing) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Look(Decision::kRollBack);
  h.Report("dev-0000", ReportState::kReverted, "E_REVERT_ORDERED");
  h.Fire(TimerKind::kRollBackDeadline);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRolledBack);
  EXPECT_THAT(h.rollout.why, HasSubstr("3 devices have not reported"));
}

TEST(RolloutStep, RevertsADeviceThatStillSwitchesOnAnOldPermit) {
  H h;
  h.Start(Fleet(80));
  h.Do(PermitWanted{"dev-0000"});
  h.Do(PermitWanted{"dev-0001"});
  h.Report("dev-0001", ReportState::kActivating);
  h.Do(RollBackRequested{"no"});
  h.Report("dev-0000", ReportState::kActivating);
  EXPECT_THAT(H::Devices<RevertDevice>(h.last), ElementsAre("dev-0000"));
}

TEST(RolloutStep, GivesAnotherPermitWhenTheAnnouncedSwitchDidNotHappen) {
  H h;
  h.Start(Fleet(80));
  h.Do(PermitWanted{"dev-0000"});
  h.Report("dev-0000", ReportState::kActivating);
  h.Do(PermitWanted{"dev-0000"});  // the broker did not acknowledge: it is in `ready` again
  EXPECT_TRUE(H::Has<GrantPermit>(h.last));
  h.Report("dev-0000", ReportState::kActivating);
  h.Report("dev-0000", ReportState::kActivated);
  h.Do(PermitWanted{"dev-0000"});  // a straggler
  EXPECT_FALSE(H::Has<GrantPermit>(h.last));
}

TEST(RolloutStep, NeverRunsAgainOnceRolledBack) {
  H h;
  h.Start(Fleet(80));
  h.Do(RollBackRequested{"no"});
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRolledBack);  // nobody was exposed
  EXPECT_EQ(h.Try(ResumeRequested{}).error().code, ErrorCode::kDenyListed);
  EXPECT_EQ(h.Try(PromoteRequested{}).error().code, ErrorCode::kDenyListed);
  h.Do(PermitWanted{"dev-0000"});
  EXPECT_FALSE(H::Has<GrantPermit>(h.last));
}

TEST(RolloutStep, RevertsOnlyTheStageIfTheFileSaysSo) {
  RolloutSpec spec = TwoStageSpec();
  spec.rollback.scope = RollBackScope::kStage;
  H h(spec);
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Look(Decision::kPromote);
  h.Do(PermitWanted{"dev-0010"});
  h.Report("dev-0010", ReportState::kActivated);
  h.Look(Decision::kRollBack);
  EXPECT_EQ(h.rollout.order[0].lowest_stage, 1);
  h.Fire(TimerKind::kRevertDirectives);
  EXPECT_THAT(H::Devices<RevertDevice>(h.last), ElementsAre("dev-0010"));
}

TEST(RolloutStep, HoldsInsteadWhenAutoRollbackIsOff) {
  RolloutSpec spec = TwoStageSpec();
  spec.rollback.auto_rollback = false;
  H h(spec);
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Look(Decision::kRollBack, HoldCause::kNone, "error_rate is bad");
  EXPECT_EQ(h.rollout.status, RolloutStatus::kHolding);
  EXPECT_THAT(h.rollout.why, HasSubstr("auto_rollback is off"));
}

TEST(RolloutStep, TakesBackOneHardwareAloneIfTheFileSaysSo) {
  RolloutSpec spec = TwoStageSpec();
  spec.rollback.per_hardware = PerHardware::kExcludeModel;
  H h(spec);
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Fire(TimerKind::kLook);
  LookJudged look = h.Judged(Decision::kRollBack);
  look.fleet_fails = false;
  look.failed_strata = {"gate"};
  h.Do(look);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRunning);
  EXPECT_THAT(h.rollout.order, ElementsAre(OrderEntry{"r-1", OrderAction::kRollBack, 0, {"gate"}}));
  h.Fire(TimerKind::kRevertDirectives);
  EXPECT_THAT(H::Devices<RevertDevice>(h.last), ElementsAre("dev-0001", "dev-0003"));
  h.Do(PauseRequested{"lunch"});
  EXPECT_THAT(h.rollout.order, ElementsAre(OrderEntry{"r-1", OrderAction::kRollBack, 0, {"gate"}},
                                           OrderEntry{"r-1", OrderAction::kHold, 0, {}}));
  h.Do(ResumeRequested{"fed"});
  h.Look(Decision::kPromote);
  for (const std::string& device : H::Devices<Offer>(h.last)) {
    EXPECT_EQ(h.rollout.members.at(device).hardware, "cam");
  }
}

// ---- permits ----

TEST(RolloutStep, PermitsTwentyAtFirstAndMoreOnceTheyAreHealthy) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].target = kAllMilliPercent - 1'000;
  H h(spec);
  h.Start(Fleet(200));
  EXPECT_THAT(h.ActivateOffered(), SizeIs(20));
  EXPECT_THAT(h.ActivateOffered(), IsEmpty());
  h.WaitMs(spec.rate.every_ms);
  EXPECT_THAT(h.ActivateOffered(), SizeIs(40));
}

TEST(RolloutStep, GivesWaitingDevicesTheirPermitsWhenTheNextWaveOpens) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].target = kAllMilliPercent - 1'000;
  H h(spec);
  h.Start(Fleet(200));
  h.ActivateOffered();
  h.Fire(TimerKind::kRamp);
  EXPECT_THAT(H::Only<GrantPermit>(h.last), SizeIs(40));
}

TEST(RolloutStep, OpensNoNewWaveWhileTheLastOneIsNotHealthy) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].target = kAllMilliPercent - 1'000;
  H h(spec);
  h.Start(Fleet(200));
  for (const std::string& device : H::Devices<Offer>(h.last)) h.Do(PermitWanted{device});
  const auto first_wave = H::Devices<GrantPermit>(h.all);
  ASSERT_THAT(first_wave, SizeIs(20));
  for (const std::string& device : first_wave) h.Report(device, ReportState::kActivating);
  h.Fire(TimerKind::kRamp);
  EXPECT_THAT(H::Only<GrantPermit>(h.last), IsEmpty());
  for (int i = 0; i < 16; ++i)
    h.Report(first_wave[static_cast<std::size_t>(i)], ReportState::kActivated);
  h.Fire(TimerKind::kRamp);
  EXPECT_THAT(H::Only<GrantPermit>(h.last), SizeIs(40));
}

TEST(RolloutStep, RepeatsALostPermitWithoutCountingItTwice) {
  H h;
  h.Start(Fleet(80));
  h.Do(PermitWanted{"dev-0000"});
  h.WaitMs(limits::kPermitLife - 1);
  h.Do(PermitWanted{"dev-0000"});
  EXPECT_TRUE(H::Has<GrantPermit>(h.last));
  EXPECT_THAT(h.rollout.ramp.wave, SizeIs(1));
}

TEST(RolloutStep, GivesNoPermitOutsideTheCohortNorWhilePaused) {
  H h;
  h.Start(Fleet(80));
  h.Do(PermitWanted{"dev-0079"});
  h.Do(PermitWanted{"stranger"});
  h.Do(PauseRequested{});
  h.Do(PermitWanted{"dev-0000"});
  EXPECT_FALSE(H::Has<GrantPermit>(h.all));
  h.Do(ResumeRequested{});
  EXPECT_THAT(H::Devices<GrantPermit>(h.last), ElementsAre("dev-0000"));
}

TEST(RolloutStep, LetsLateDevicesOfACompletedRolloutIn) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages.erase(spec.stages.begin());
  H h(spec);
  h.Start(Fleet(40));
  h.Do(PromoteRequested{});
  EXPECT_EQ(h.rollout.status, RolloutStatus::kCompleted);
  h.Do(PermitWanted{"dev-0003"});
  EXPECT_TRUE(H::Has<GrantPermit>(h.last));
}

// ---- the fleet ----

TEST(RolloutStep, TakesAJoinerByTheCutOffOfTheFirstStageThatHasIt) {
  H h;
  h.Start(Fleet(80));
  h.Do(DeviceJoined{{"dev-in", "cam", 0.001, true}});
  EXPECT_THAT(H::Only<Offer>(h.last), ElementsAre(Offer{"dev-in", 0}));
  h.Do(DeviceJoined{{"dev-out", "cam", 0.9, true}});
  EXPECT_THAT(h.last, IsEmpty());
  h.Do(PromoteRequested{});
  h.Do(DeviceJoined{{"dev-late", "cam", 0.9999, true}});
  EXPECT_THAT(H::Only<Offer>(h.last), ElementsAre(Offer{"dev-late", 1}));
}

TEST(RolloutStep, TakesNoJoinerWhenMembershipIsFrozen) {
  RolloutSpec spec = TwoStageSpec();
  spec.membership = Membership::kFrozen;
  H h(spec);
  h.Start(Fleet(80));
  h.Do(DeviceJoined{{"dev-in", "cam", 0.001, true}});
  EXPECT_FALSE(h.rollout.members.contains("dev-in"));
}

TEST(RolloutStep, ForgetsADeviceThatLeft) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Do(DeviceLeft{"dev-0000"});
  EXPECT_EQ(CohortCount(h.rollout, 0), 3);
  h.Do(DeviceLeft{"dev-0000"});
  EXPECT_EQ(CohortCount(h.rollout, 0), 3);
}

TEST(RolloutStep, OffersAnewWhenADeviceNoLongerHasTheBase) {
  H h;
  h.Start(Fleet(80));
  h.Report("dev-0000", ReportState::kDeferred, "E_NO_BASE");
  EXPECT_THAT(H::Devices<Offer>(h.last), ElementsAre("dev-0000"));
  h.Report("dev-0001", ReportState::kDeferred, "E_BUDGET");
  EXPECT_THAT(H::Devices<Offer>(h.last), IsEmpty());
}

TEST(RolloutStep, SendsNewTermsToBothArmsWhenAStageHasAnotherLatencyLimit) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[1].criteria.latency_p99_max_ms = 50;
  H h(spec);
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Look(Decision::kPromote);
  EXPECT_THAT(H::Only<Offer>(h.last), SizeIs(80));
}

TEST(RolloutStep, ShowsASilentActiveDeviceAsLostAndNoOther) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  const Member& active = h.rollout.members.at("dev-0000");
  const Member& idle = h.rollout.members.at("dev-0079");
  EXPECT_EQ(DeviceStateAt(h.rollout, active, h.now, h.now + 179'999), DeviceState::kTrial);
  EXPECT_EQ(DeviceStateAt(h.rollout, active, h.now, h.now + 180'000), DeviceState::kLost);
  EXPECT_EQ(DeviceStateAt(h.rollout, idle, h.now, h.now + 180'000), DeviceState::kIdle);
}

TEST(RolloutStep, IgnoresATimerThatIsNotDue) {
  H h;
  h.Start(Fleet(80));
  h.Do(TimerFired{TimerKind::kLook});
  h.Do(TimerFired{TimerKind::kRollBackDeadline});
  EXPECT_THAT(h.last, IsEmpty());
  EXPECT_THAT(ArmedTimers(h.rollout), SizeIs(1));
}

}  // namespace
}  // namespace sluice
