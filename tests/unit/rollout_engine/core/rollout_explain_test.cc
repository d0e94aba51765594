// What people are told: what a rollout waits for, who is behind a finding, what a stage can find.
#include "rollout_engine/core/rollout_explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rollout_engine/core/rehearsal.h"
#include "rollout_engine/core/suspects.h"
#include "tests/unit/rollout_engine/core/rollout_harness.h"

namespace sluice {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using H = RolloutHarness;

TEST(WhatIsMissing, TellsOfDevicesPermitsSoakAndTheLongestWait) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].target = 50'000;
  spec.rate.initial_devices = 1;
  H h(spec);
  h.Start(Fleet(80));
  h.Do(PermitWanted{"dev-0000"});
  h.Report("dev-0000", ReportState::kActivated);
  h.Do(PermitWanted{"dev-0001"});
  h.Report("dev-0002", ReportState::kDownloading);
  EXPECT_THAT(WhatIsMissing(h.rollout, h.now),
              ElementsAre("39 of 40 devices do not run the release yet (37 offered, 1 downloading, "
                          "1 verified)",
                          "1 devices wait for their permit; the next wave may switch in 10 s",
                          "the soak of 10 min begins when 20 devices of the stage are active, or "
                          "all of them if it has fewer",
                          "at the latest in 30 min a person is asked"));
}

TEST(WhatIsMissing, TellsOfTheBrakeAndThatItLiftsByItself) {
  H h;
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Fire(TimerKind::kLook);
  LookJudged look = h.Judged(Decision::kContinue);
  look.brake = true;
  h.Do(look);
  EXPECT_THAT(WhatIsMissing(h.rollout, h.now), Contains(HasSubstr("lifts by itself")));
}

TEST(WhatIsMissing, TellsHowEachHoldIsLifted) {
  const std::pair<HoldCause, const char*> cases[] = {
      {HoldCause::kEnvironment, "after 2 more looks in a row"},
      {HoldCause::kConcentration, "it does not lift by itself"}};
  for (const auto& [cause, words] : cases) {
    H h;
    h.Start(Fleet(80));
    h.ActivateAll();
    h.Look(Decision::kHold, cause);
    EXPECT_THAT(WhatIsMissing(h.rollout, h.now), ElementsAre(HasSubstr(words)));
  }
}

TEST(WhatIsMissing, NamesTheApprovalThatIsWaitedFor) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].approval = Approval::kAfter;
  spec.stages[1].approval = Approval::kBefore;
  H h(spec);
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Look(Decision::kPromote);
  EXPECT_THAT(WhatIsMissing(h.rollout, h.now), ElementsAre(HasSubstr("approval: after")));
}

TEST(WhatIsMissing, IsNothingWhenItIsOver) {
  H h;
  h.Start(Fleet(80));
  h.Do(AbortRequested{});
  EXPECT_THAT(WhatIsMissing(h.rollout, h.now), IsEmpty());
}

JudgedDevice TestDevice(const std::string& id, double n, double errors) {
  JudgedDevice device;
  device.id = id;
  device.stratum = "cam";
  device.since_activation_s = 3'600;
  device.cum[0] = device.epoch[0] = {n, errors};
  return device;
}

TEST(Suspects, AreTheDevicesThatTheFindingComesFrom) {
  JudgeInput input;
  input.config.tau = 0.02;
  for (int i = 0; i < 60; ++i)
    input.devices.push_back(TestDevice(DeviceName(i), 1'000, i == 7 ? 300 : i == 9 ? 200 : 1));
  JudgeOutput output;
  RatioResult finding;
  finding.ok = finding.exceeds = true;
  output.results = {{"fleet/lost_device_rate", VerdictResult{}},
                    {"fleet/error_rate/cumulative", finding}};
  const Suspects suspects = FindSuspects(input, output);
  EXPECT_EQ(suspects.scope, "fleet");
  EXPECT_THAT(suspects.devices, ElementsAre("dev-0007", "dev-0009"));
}

TEST(Suspects, AreTheSilentOnesOfALostFindingInItsHardware) {
  JudgeInput input;
  input.config.interval_s = 60;
  input.devices = {TestDevice("a", 10, 0), TestDevice("b", 10, 0), TestDevice("c", 10, 0)};
  input.devices[1].silence_s = 400;
  input.devices[2].silence_s = 500;
  input.devices[2].stratum = "gate";
  VerdictResult lost;
  lost.ok = lost.exceeds = true;
  JudgeOutput output;
  output.results = {{"cam/lost_device_rate", lost}};
  EXPECT_EQ(FindSuspects(input, output).scope, "cam");
  EXPECT_THAT(FindSuspects(input, output).devices, ElementsAre("b"));
}

TEST(Suspects, AreNobodyWithoutAFinding) { EXPECT_EQ(FindSuspects({}, {}).scope, ""); }

/// A fleet in which every device has made `inferences` with one error in a thousand.
FleetTelemetry History(const std::vector<FleetDevice>& fleet, std::uint32_t inferences) {
  FleetTelemetry telemetry;
  for (std::size_t i = 0; i < fleet.size(); ++i) {
    Telemetry report;
    report.release_id = 11;
    report.activation = 1;
    report.seq = 1;
    report.inferences = inferences;
    report.errors = inferences / 1'000 + static_cast<std::uint32_t>(i % 3);
    EXPECT_TRUE(telemetry.Update(fleet[i].id, [&](DeviceTotals& totals) {
      return AcceptTelemetry(totals, report, {500}).has_value();
    }));
  }
  return telemetry;
}

std::vector<RehearsedStage> RehearseErrors(const std::vector<FleetDevice>& fleet, double limit,
                                           MilliPercent canary) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].target = canary;
  for (StageSpec& stage : spec.stages) stage.criteria.error_rate_max = limit;
  const Started started{.eligible = fleet, .release_ids = {{{"cam", 1}, {"gate", 1}}}};
  return Rehearse(spec, started, History(fleet, 50'000), {1'000}).value();
}

const RehearsedCriterion& Find(const RehearsedStage& stage, const std::string& criterion) {
  for (const RehearsedCriterion& row : stage.criteria) {
    if (row.criterion == criterion && row.scope == "fleet") return row;
  }
  static const RehearsedCriterion kNone;
  return kNone;
}

TEST(Rehearsal, FindsSmallerEffectsWithMoreDevices) {
  const auto fleet = Fleet(400);
  const auto small = RehearseErrors(fleet, 0.01, 10'000);
  const auto large = RehearseErrors(fleet, 0.01, 50'000);
  ASSERT_THAT(small, SizeIs(2));
  EXPECT_THAT(small[0].devices, SizeIs(40));
  EXPECT_THAT(small[1].devices, SizeIs(360));
  const RehearsedCriterion& few = Find(small[0], "error_rate");
  const RehearsedCriterion& many = Find(large[0], "error_rate");
  EXPECT_NEAR(few.observed, 0.00102, 0.00001);
  EXPECT_GT(many.detectable, 0.01);
  EXPECT_GT(few.detectable, many.detectable);
  // The smallest count of lost devices that chance would not explain.
  const RehearsedCriterion& lost = Find(small[0], "lost_device_rate");
  EXPECT_GT(lost.detectable, lost.limit);
  EXPECT_LT(lost.detectable, 0.5);
}

TEST(Rehearsal, SaysWhetherAStageCouldDecide) {
  EXPECT_EQ(RehearseErrors(Fleet(400), 0.01, 50'000)[0].decision, Decision::kPromote);
  const auto few = RehearseErrors(Fleet(100), 0.01, 5'000);
  EXPECT_EQ(few[0].decision, Decision::kHold);
  EXPECT_THAT(few[0].sentence, HasSubstr("not yet shown"));
  // What runs today violates the limit: no release could be told from it.
  EXPECT_NE(RehearseErrors(Fleet(400), 0.0001, 50'000)[0].decision, Decision::kPromote);
}

TEST(Rehearsal, ComparesVariantsInTheFirstStageAndTakesTheWorse) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].target = 50'000;
  for (StageSpec& stage : spec.stages) stage.criteria.error_rate_max = 0.01;
  spec.variants = {{"a", 3}, {"b", 1}};
  const auto fleet = Fleet(144);  // 54 and 18 of 72: too few of b to be promoted
  const Started started{.eligible = fleet,
                        .release_ids = {{{"cam", 1}, {"gate", 1}}, {{"cam", 2}, {"gate", 2}}}};
  const auto stages = Rehearse(spec, started, History(fleet, 50'000), {1'000}).value();
  EXPECT_EQ(stages[0].decision, Decision::kHold);
  EXPECT_EQ(Find(stages[0], "error_rate").devices, 18);
  EXPECT_EQ(Find(stages[1], "error_rate").devices, 144);
}

}  // namespace
}  // namespace sluice
