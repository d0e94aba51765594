// What the decision vectors do not cover: no control arm, absent limits, extended soaks, the
// literal rule.
#include "rollout_engine/core/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "rollout_engine/core/judge_scope.h"
#include "rollout_engine/core/judge_sentence.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;

/// An arm of devices that each made `n` inferences with that share of errors, not all alike.
void AddArm(JudgeInput& input, Arm arm, int count, double n, double error_rate,
            double accuracy = 0.95, bool history = true) {
  for (int i = 0; i < count; ++i) {
    JudgedDevice device{.id = (arm == Arm::kTest ? "t" : "c") + std::to_string(i),
                        .arm = arm,
                        .stratum = i % 2 == 0 ? "cam" : "gate",
                        .since_activation_s = 7'200,
                        .silence_s = 10};
    const double wobble = 1 + 0.2 * ((i % 5) - 2);
    device.cum = {{{n, std::floor(n * error_rate * wobble)},
                   {n, 0},
                   {n / 10, std::floor(n / 10 * accuracy)}}};
    device.epoch = device.cum;
    if (history)
      device.pre = {
          {{n, std::floor(n * 0.0002 * wobble)}, {n, 0}, {n / 10, std::floor(n / 10 * 0.95)}}};
    input.devices.push_back(std::move(device));
  }
}

JudgeInput Input() {
  JudgeInput input;
  input.config.limits = {0.001, 0.01, 0.02};
  input.config.planned_looks = 24;
  input.config.epochs = 2;
  input.config.strata = {"cam", "gate"};
  input.look = 12;
  input.elapsed_s = 3'600;
  return input;
}

const RatioResult& Ratio(const JudgeOutput& output, const std::string& key) {
  for (const auto& [name, result] : output.results) {
    if (name == key) return std::get<RatioResult>(result);
  }
  ADD_FAILURE() << "no result " << key;
  static const RatioResult kNone;
  return kNone;
}

const VerdictResult& Verdict(const JudgeOutput& output, const std::string& key) {
  for (const auto& [name, result] : output.results) {
    if (name == key) return std::get<VerdictResult>(result);
  }
  ADD_FAILURE() << "no result " << key;
  static const VerdictResult kNone;
  return kNone;
}

bool HasResult(const JudgeOutput& output, const std::string& key) {
  return std::ranges::any_of(output.results, [&](const auto& entry) { return entry.first == key; });
}

// ---- absent limits ----

TEST(Judge, AnAbsentLimitIsNotTestedAndNotNeeded) {
  JudgeInput input = Input();
  AddArm(input, Arm::kTest, 40, 50'000, 0.0002, 0.50);
  AddArm(input, Arm::kControl, 60, 50'000, 0.0002);
  input.at_soak_end = true;
  EXPECT_EQ(Judge(input).decision, Decision::kRollBack);  // accuracy 0.50 against 0.95
  input.config.limits[static_cast<std::size_t>(Metric::kAccuracyDrop)].reset();
  const JudgeOutput output = Judge(input);
  EXPECT_EQ(output.decision, Decision::kPromote) << output.sentence;
  EXPECT_FALSE(HasResult(output, "fleet/accuracy_drop/cumulative"));
}

TEST(Judge, WithNoLimitsAtAllTheDevicesThemselvesDecide) {
  JudgeInput input = Input();
  input.config.limits = {};
  AddArm(input, Arm::kTest, 40, 50'000, 0.5);
  AddArm(input, Arm::kControl, 60, 50'000, 0.0002);
  input.at_soak_end = true;
  const JudgeOutput promoted = Judge(input);
  EXPECT_EQ(promoted.decision, Decision::kPromote);
  EXPECT_EQ(promoted.sentence,
            "promoted: every criterion shown within limits on 40 devices (lost_device_rate 0/40)");
  for (int i = 0; i < 12; ++i) input.devices[static_cast<std::size_t>(i)].crashes = 1;
  const JudgeOutput crashed = Judge(input);
  EXPECT_EQ(crashed.decision, Decision::kRollBack);
  EXPECT_THAT(crashed.sentence, HasSubstr("crash_device_rate 12/40"));
}

// ---- a model's first release ----

JudgeInput FirstRelease(double error_rate, int devices = 40) {
  JudgeInput input = Input();
  AddArm(input, Arm::kTest, devices, 50'000, error_rate, 0.5, false);
  return input;
}

TEST(Judge, AFirstReleaseIsPromotedOnItsAbsoluteLimits) {
  JudgeInput input = FirstRelease(0.0002);
  input.at_soak_end = true;
  const JudgeOutput output = Judge(input);
  EXPECT_EQ(output.decision, Decision::kPromote) << output.sentence;
  EXPECT_THAT(output.sentence, HasSubstr("no control arm (first release)"));
  EXPECT_FALSE(HasResult(output, "fleet/accuracy_drop/cumulative"));
  EXPECT_EQ(Ratio(output, "fleet/error_rate/cumulative").env_shared, std::nullopt);
  EXPECT_EQ(Verdict(output, "fleet/lost_device_rate").p0, 0.02);
}

TEST(Judge, AFirstReleaseIsRolledBackOnItsAbsoluteLimits) {
  const JudgeOutput output = Judge(FirstRelease(0.01));
  EXPECT_EQ(output.decision, Decision::kRollBack);
  EXPECT_THAT(output.sentence, HasSubstr("error_rate 0.0100 ["));
  EXPECT_THAT(output.sentence,
              HasSubstr("on 40 devices (cumulative window; no control arm (first release))"));
}

TEST(Judge, AFirstReleaseThatKillsItsDevicesIsRolledBack) {
  JudgeInput input = FirstRelease(0.0002);
  for (int i = 0; i < 8; ++i) input.devices[static_cast<std::size_t>(i)].silence_s = 5'000;
  const JudgeOutput output = Judge(input);
  EXPECT_EQ(output.decision, Decision::kRollBack);
  EXPECT_THAT(output.sentence, HasSubstr("lost_device_rate 8/40 devices (allowed 0.0200, p="));
  EXPECT_THAT(output.sentence, HasSubstr("no control arm (first release))"));
}

TEST(Judge, AFirstReleaseOnTooFewDevicesIsNotShown) {
  JudgeInput input = FirstRelease(0.0002, 12);
  input.at_soak_end = true;
  const JudgeOutput output = Judge(input);
  EXPECT_EQ(output.decision, Decision::kHold);
  EXPECT_EQ(output.hold_cause, HoldCause::kNotShown);
}

TEST(Judge, AHistoryOfNothingIsNoHistory) {
  JudgeInput input = FirstRelease(0.01);
  for (JudgedDevice& device : input.devices) device.pre.emplace();
  EXPECT_EQ(Judge(input).decision, Decision::kRollBack);
}

TEST(Judge, MissingControlIsNoFirstReleaseWhenDevicesHaveAHistory) {
  JudgeInput input = Input();
  AddArm(input, Arm::kTest, 40, 50'000, 0.01);
  const JudgeOutput output = Judge(input);
  EXPECT_FALSE(Ratio(output, "fleet/error_rate/cumulative").ok);
}

// ---- the last concurrent control ----

/// A stage of 100 %: the state of a look that still had a control, then the same fleet without.
JudgeInput WithFormerControl(double error_rate, double control_error_rate = 0.0002) {
  JudgeInput before = Input();
  before.state.control.emplace();
  AddArm(before, Arm::kTest, 40, 50'000, 0.0002);
  AddArm(before, Arm::kControl, 60, 50'000, control_error_rate);
  JudgeInput input = Input();
  input.state = Judge(before).state;
  input.state.iref.clear();
  AddArm(input, Arm::kTest, 100, 50'000, error_rate);
  return input;
}

TEST(Judge, KeepsTheControlOfEveryKeyOnlyIfAskedTo) {
  EXPECT_EQ(WithFormerControl(0.0002).state.control->size(),
            27u);  // 3 scopes x (3 verdict tests + 6 ratios)
  JudgeInput input = Input();
  AddArm(input, Arm::kTest, 40, 50'000, 0.0002);
  AddArm(input, Arm::kControl, 60, 50'000, 0.0002);
  EXPECT_EQ(Judge(input).state.control, std::nullopt);
}

TEST(Judge, AStageOfEverybodyIsPromotedAgainstTheFormerControl) {
  JudgeInput input = WithFormerControl(0.0002);
  input.at_soak_end = true;
  const JudgeOutput output = Judge(input);
  EXPECT_EQ(output.decision, Decision::kPromote) << output.sentence;
  EXPECT_EQ(Ratio(output, "fleet/accuracy_drop/cumulative").m_control, 60);
  EXPECT_EQ(Verdict(output, "fleet/lost_device_rate").m0, 60);
  EXPECT_EQ(output.state.control, input.state.control);
}

TEST(Judge, AStageOfEverybodyIsRolledBackWhenDevicesAreWorseThanTheirOwnPast) {
  const JudgeOutput output = Judge(WithFormerControl(0.01));
  EXPECT_EQ(output.decision, Decision::kRollBack);
  EXPECT_THAT(output.sentence,
              HasSubstr("on 100 devices (cumulative window; control 0.0002 on 60)"));
}

TEST(Judge, AStageOfEverybodyHoldsWhenDevicesWereAsBadBefore) {
  JudgeInput input = WithFormerControl(0.003);
  for (JudgedDevice& device : input.devices) device.pre = device.cum;
  const JudgeOutput output = Judge(input);
  EXPECT_EQ(output.decision, Decision::kHold);
  EXPECT_EQ(output.hold_cause, HoldCause::kEnvironment);
}

// ---- budgets ----

TEST(Judge, AnExtendableSoakSpendsNoMoreThanItsBudgetOverAllLooks) {
  JudgeInput input = Input();
  const double budget = input.config.alpha * 0.5 / 6;
  for (const bool extendable : {false, true}) {
    input.config.extendable = extendable;
    double spent = 0;
    for (input.look = 1; input.look <= (extendable ? 100'000 : input.config.planned_looks);
         ++input.look) {
      spent += BudgetOf(input, true).verdict;
    }
    EXPECT_LE(spent, budget * (1 + 1e-9));
    EXPECT_GE(spent, budget * 0.999);
  }
}

TEST(Judge, StrataShareOneScopesBudget) {
  JudgeInput input = Input();
  EXPECT_DOUBLE_EQ(BudgetOf(input, true).cumulative, 2 * BudgetOf(input, false).cumulative);
  EXPECT_DOUBLE_EQ(BudgetOf(input, true).cumulative, input.config.alpha / 24);
}

TEST(Judge, EpochsAreTumblingPartsOfThePlannedLooks) {
  EXPECT_EQ(EpochOf(1, 288, 24), 1);
  EXPECT_EQ(EpochOf(12, 288, 24), 1);
  EXPECT_EQ(EpochOf(13, 288, 24), 2);
  EXPECT_EQ(EpochOf(288, 288, 24), 24);
  EXPECT_EQ(EpochOf(289, 288, 24), 25);
}

TEST(Judge, MinDevicesRaisesWhatPromotionNeedsAndNeverLowersIt) {
  JudgeInput input = Input();
  AddArm(input, Arm::kTest, 40, 50'000, 0.0002);
  AddArm(input, Arm::kControl, 60, 50'000, 0.0002);
  input.at_soak_end = true;
  input.config.min_devices = 41;
  EXPECT_EQ(Judge(input).decision, Decision::kHold);
  input.config.min_devices = 40;
  EXPECT_EQ(Judge(input).decision, Decision::kPromote);
  input.config.min_devices = 1;
  std::erase_if(input.devices, [](const JudgedDevice& device) {
    return device.id.size() > 2 && device.id[0] == 't';
  });
  EXPECT_EQ(Judge(input).decision, Decision::kHold);  // 10 test devices are left
}

TEST(Judge, ADeltaOfItsOwnOverridesTheCommonOne) {
  JudgeInput input = FirstRelease(0.0002);
  input.config.deltas[static_cast<std::size_t>(VerdictTest::kCrash)] = 0.4;
  const JudgeOutput output = Judge(input);
  EXPECT_EQ(Verdict(output, "fleet/crash_device_rate").p0, 0.4);
  EXPECT_EQ(Verdict(output, "fleet/lost_device_rate").p0, 0.02);
}

TEST(Judge, TheSameInputGivesTheSameOutput) {
  const JudgeInput input = WithFormerControl(0.01);
  EXPECT_EQ(Judge(input).sentence, Judge(input).sentence);
  EXPECT_EQ(Judge(input).state, Judge(input).state);
}

// ---- point estimate ----

TEST(JudgePointEstimate, TakesTheLastIntervalLiterally) {
  JudgeInput input = Input();
  AddArm(input, Arm::kTest, 5, 1'000, 0.0002);
  AddArm(input, Arm::kControl, 5, 1'000, 0.0002);
  EXPECT_EQ(JudgePointEstimate(input).decision, Decision::kContinue);
  input.at_soak_end = true;
  EXPECT_EQ(JudgePointEstimate(input).decision, Decision::kPromote);
  input.devices[0].epoch[0].y = 6;  // 6 of 5,000
  const JudgeOutput output = JudgePointEstimate(input);
  EXPECT_EQ(output.decision, Decision::kRollBack);
  EXPECT_THAT(output.sentence,
              HasSubstr("error_rate 0.0012 > 0.001 in the last interval on 5 devices"));
  EXPECT_TRUE(output.fleet_fails);
}

TEST(JudgePointEstimate, HoldsAtSoakEndWithoutData) {
  JudgeInput input = Input();
  AddArm(input, Arm::kTest, 5, 0, 0);
  AddArm(input, Arm::kControl, 5, 1'000, 0.0002);
  input.at_soak_end = true;
  const JudgeOutput output = JudgePointEstimate(input);
  EXPECT_EQ(output.decision, Decision::kHold);
  EXPECT_TRUE(output.brake);
}

// ---- sentences ----

TEST(JudgeSentence, FormatsNumbersAsCDoesInEveryLocale) {
  EXPECT_EQ(Fixed4(0.01884), "0.0188");
  EXPECT_EQ(Fixed4(123456.0), "123456.0000");
  EXPECT_EQ(Shortest6(0.001), "0.001");
  EXPECT_EQ(Shortest6(0.0000125), "1.25e-05");
  EXPECT_EQ(Scientific1(6.1e-11), "6.1e-11");
  EXPECT_EQ(Scientific1(0), "0.0e+00");
}

TEST(JudgeSentence, HoursMayPassTwentyFour) {
  JudgeInput input = FirstRelease(0.01);
  input.elapsed_s = 30 * 3'600 + 5 * 60 + 59;
  EXPECT_THAT(Judge(input).sentence, HasSubstr("rolled back at 30:05 because"));
}

}  // namespace
}  // namespace sluice
