// Several releases against one control: who gets which, who is dropped, who wins.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rollout_engine/core/look.h"
#include "tests/unit/rollout_engine/core/rollout_harness.h"

namespace sluice {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using H = RolloutHarness;

/// Half of the fleet is tested first: three quarters of it run int8, one quarter fp16.
RolloutSpec TwoVariants() {
  RolloutSpec spec = TwoStageSpec();
  spec.model_version = "detector-v2";
  spec.variants = {{"detector-v2-int8", 3}, {"detector-v2-fp16", 1}};
  spec.stages[0].target = 50'000;
  return spec;
}

std::vector<std::string> MembersOf(const Rollout& rollout, std::int32_t variant) {
  std::vector<std::string> devices;
  for (const auto& [device, member] : rollout.members) {
    if (member.stage != kNoStage && member.variant == variant) devices.push_back(device);
  }
  return devices;
}

/// Started, everybody of the first stage active.
H StartedWithVariants(const RolloutSpec& spec = TwoVariants()) {
  H h(spec);
  h.Start(Fleet(80));
  h.ActivateAll();
  return h;
}

TEST(Variants, AreChosenByCumulativeWeights) {
  const std::vector<VariantSpec> variants = {{"a", 3}, {"b", 1}, {"c", 4}};
  EXPECT_EQ(ChooseVariant(variants, 0), 0u);
  EXPECT_EQ(ChooseVariant(variants, 0.3749), 0u);
  EXPECT_EQ(ChooseVariant(variants, 0.375), 1u);
  EXPECT_EQ(ChooseVariant(variants, 0.5), 2u);
  EXPECT_EQ(ChooseVariant(variants, 0.9999), 2u);
  EXPECT_EQ(ChooseVariant({}, 0.7), 0u);
}

TEST(Variants, ShareTheCohortByWeightAndOneControlArm) {
  const H h = StartedWithVariants();
  EXPECT_THAT(MembersOf(h.rollout, 0), SizeIs(30));
  EXPECT_THAT(MembersOf(h.rollout, 1), SizeIs(10));
  EXPECT_THAT(H::Devices<HoldDevice>(h.all), SizeIs(40));
}

TEST(Variants, AreEachJudgedAgainstAllOfTheControlWithTheirShareOfTheError) {
  H h = StartedWithVariants();
  const Look int8 = BuildLook(h.rollout, {}, h.now, 0);
  const Look fp16 = BuildLook(h.rollout, {}, h.now, 1);
  EXPECT_THAT(int8.input.devices, SizeIs(30 + 40));
  EXPECT_THAT(fp16.input.devices, SizeIs(10 + 40));
  EXPECT_DOUBLE_EQ(int8.input.config.alpha, 0.005);
  h.Fire(TimerKind::kLook);
  EXPECT_THAT(H::Only<RunLook>(h.last),
              ElementsAre(Field(&RunLook::variant, 0), Field(&RunLook::variant, 1)));
}

TEST(Variants, WaitForEachOther) {
  H h = StartedWithVariants();
  h.Fire(TimerKind::kLook);
  h.LookOf(0, Decision::kPromote, 0.01);
  EXPECT_EQ(CurrentStage(h.rollout), 0);
  h.LookOf(1, Decision::kPromote, 0.02);
  EXPECT_EQ(CurrentStage(h.rollout), 1);
}

TEST(Variants, LetTheOneWithTheSmallestUpperBoundWinAndTheOthersMoveToIt) {
  H h = StartedWithVariants();
  const std::vector<std::string> losers = MembersOf(h.rollout, 0);
  h.Fire(TimerKind::kLook);
  h.LookOf(0, Decision::kPromote, 0.012);
  h.LookOf(1, Decision::kPromote, 0.008);
  EXPECT_EQ(h.rollout.winner, 1);
  EXPECT_EQ(CurrentStage(h.rollout), 1);
  const std::vector<std::string> offered = H::Devices<Offer>(h.last);
  EXPECT_THAT(offered, SizeIs(30 + 40));  // the losers, and the new stage
  for (const std::string& loser : losers) EXPECT_THAT(offered, testing::Contains(loser));
  EXPECT_THAT(H::Only<NotifyOperator>(h.last),
              testing::Contains(Field(&NotifyOperator::sentence,
                                      "variant detector-v2-fp16 goes on; upper bound of "
                                      "detector-v2-int8 0.0120; upper bound of detector-v2-fp16 "
                                      "0.0080")));
  // What a loser's device did under the other release is no evidence about this one.
  EXPECT_THAT(BuildLook(h.rollout, {}, h.now, 1).input.devices, SizeIs(10));
  EXPECT_DOUBLE_EQ(BuildLook(h.rollout, {}, h.now, 1).input.config.alpha, 0.01);
  h.ActivateAll();
  EXPECT_THAT(BuildLook(h.rollout, {}, h.now, 1).input.devices, SizeIs(80));
  h.Fire(TimerKind::kLook);
  EXPECT_THAT(H::Only<RunLook>(h.last), ElementsAre(Field(&RunLook::variant, 1)));
  h.LookOf(1, Decision::kPromote, 0.008);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kCompleted);
  EXPECT_EQ(FinalVariant(h.rollout), 1);
}

TEST(Variants, PromoteWhatIsShownGoodWithoutWaitingForTheInconclusive) {
  H h = StartedWithVariants();
  h.Fire(TimerKind::kLook);
  h.LookOf(0, Decision::kHold, 0.001, HoldCause::kNotShown);
  h.LookOf(1, Decision::kPromote, 0.008);
  EXPECT_EQ(h.rollout.winner, 1);
}

TEST(Variants, DropTheOneThatIsShownWorseAndGoOnWithTheOthers) {
  H h = StartedWithVariants();
  const std::vector<std::string> dropped = MembersOf(h.rollout, 0);
  h.Fire(TimerKind::kLook);
  h.LookOf(0, Decision::kRollBack);
  EXPECT_EQ(H::Devices<RevertDevice>(h.last), dropped);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRunning);
  EXPECT_THAT(h.rollout.order, IsEmpty());
  h.LookOf(1, Decision::kContinue);
  for (const std::string& device : dropped)
    h.Report(device, ReportState::kReverted, "E_REVERT_ORDERED");
  // Its devices are neither waited for nor counted.
  h.Fire(TimerKind::kLook);
  EXPECT_THAT(H::Only<RunLook>(h.last), ElementsAre(Field(&RunLook::variant, 1)));
  FleetTelemetry heard;
  for (const auto& [device, member] : h.rollout.members) heard.SetLastHeard(device, h.now);
  EXPECT_EQ(BuildLook(h.rollout, heard, h.now, 1).reachable, 10);
  h.LookOf(1, Decision::kPromote);
  EXPECT_EQ(h.rollout.winner, 1);
  EXPECT_THAT(H::Devices<Offer>(h.last), SizeIs(30 + 40));
}

TEST(Variants, OfADroppedOneNobodySwitchesAnyMore) {
  H h(TwoVariants());
  h.Start(Fleet(80));
  const std::string late = MembersOf(h.rollout, 0).front();
  h.Do(PermitWanted{MembersOf(h.rollout, 1).front()});
  h.Report(MembersOf(h.rollout, 1).front(), ReportState::kActivating);
  h.Do(PermitWanted{late});
  ASSERT_TRUE(H::Has<GrantPermit>(h.last));
  h.Fire(TimerKind::kLook);
  h.LookOf(0, Decision::kRollBack);
  EXPECT_THAT(H::Devices<RevertDevice>(h.last), testing::Contains(late));  // withdraws the offer
  h.Report(late, ReportState::kActivating);  // it had its permit before
  EXPECT_THAT(H::Devices<RevertDevice>(h.last), ElementsAre(late));
  h.Report(late, ReportState::kReverted, "E_REVERT_ORDERED");
  h.Do(PermitWanted{late});
  EXPECT_FALSE(H::Has<GrantPermit>(h.last));
  EXPECT_THAT(H::Only<RunLook>(h.all), Each(Field(&RunLook::stage, 0)));
}

TEST(Variants, RollBackTheRolloutWhenTheLastOneFails) {
  H h = StartedWithVariants();
  h.Fire(TimerKind::kLook);
  h.LookOf(0, Decision::kRollBack);
  h.LookOf(1, Decision::kRollBack);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kRollingBack);
  EXPECT_THAT(h.rollout.why, HasSubstr("detector-v2-fp16: "));
}

TEST(Variants, HoldTogether) {
  H h = StartedWithVariants();
  h.Fire(TimerKind::kLook);
  h.LookOf(0, Decision::kContinue);
  h.LookOf(1, Decision::kHold, {}, HoldCause::kConcentration);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kHolding);
  EXPECT_THAT(h.rollout.why, HasSubstr("detector-v2-fp16: "));
}

TEST(Variants, HoldInsteadOfBeingDroppedWhenTheFileSaysNoAutoRollback) {
  RolloutSpec spec = TwoVariants();
  spec.rollback.auto_rollback = false;
  H h = StartedWithVariants(spec);
  h.Fire(TimerKind::kLook);
  h.LookOf(0, Decision::kContinue);
  h.LookOf(1, Decision::kRollBack);
  EXPECT_EQ(h.rollout.status, RolloutStatus::kHolding);
  EXPECT_FALSE(h.rollout.variants[1].dropped);
}

TEST(Variants, GoOnSideBySideWhenAnOperatorPromotesBeforeOneHasWon) {
  H h = StartedWithVariants();
  h.Do(PromoteRequested{});
  EXPECT_EQ(h.rollout.winner, std::nullopt);
  EXPECT_THAT(MembersOf(h.rollout, 0), SizeIs(60));
  EXPECT_THAT(MembersOf(h.rollout, 1), SizeIs(20));
}

TEST(Variants, EndInOneReleaseWhoeverEndsThem) {
  H h = StartedWithVariants();
  h.Do(PromoteRequested{});
  h.ActivateAll();
  h.Fire(TimerKind::kLook);
  h.LookOf(0, Decision::kContinue, 0.03);
  h.LookOf(1, Decision::kContinue, 0.02);
  h.Do(PromoteRequested{});
  EXPECT_EQ(h.rollout.status, RolloutStatus::kCompleted);
  EXPECT_EQ(h.rollout.winner, 1);
  EXPECT_THAT(H::Devices<Offer>(h.last), SizeIs(60));
  h.ActivateAll();
  EXPECT_THAT(MembersOf(h.rollout, 1), SizeIs(80));
  EXPECT_EQ(CountStates(h.rollout, 1)[static_cast<std::size_t>(DeviceState::kTrial)], 80);
}

TEST(Variants, TakeOnlyHardwareThatAllOfThemRunOn) {
  H h(TwoVariants());
  h.Do(Started{.eligible = Fleet(80), .release_ids = {{{"cam", 1}, {"gate", 1}}, {{"cam", 2}}}});
  EXPECT_THAT(h.rollout.members, SizeIs(40));
  h.Do(DeviceJoined{{.id = "late", .hardware = "gate", .unit = 0, .has_model = true}});
  EXPECT_THAT(h.rollout.members, Not(testing::Contains(testing::Key("late"))));
}

TEST(Variants, RankByAccuracyAndWithoutItByTheNextMetricThatIsTested) {
  JudgeOutput output;
  RatioResult errors{.ok = true, .ucb = 0.004};
  RatioResult accuracy{.ok = true, .ucb = 0.015};
  output.results = {{"fleet/error_rate/cumulative", errors}};
  EXPECT_EQ(RankingBound(output), 0.004);
  output.results.push_back({"fleet/accuracy_drop/cumulative", accuracy});
  EXPECT_EQ(RankingBound(output), 0.015);
  EXPECT_EQ(RankingBound({}), std::nullopt);
}

}  // namespace
}  // namespace sluice
