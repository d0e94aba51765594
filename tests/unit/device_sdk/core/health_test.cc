#include "device_sdk/core/health.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace sluice::device {
namespace {

ReleaseManifest ManifestWithSet() {
  ReleaseManifest manifest;
  manifest.validation.sha256.bytes.fill(1);
  manifest.validation.accuracy_expected = 0.9;
  manifest.validation.accuracy_tolerance = 0.05;
  manifest.limits = {.error_rate_max = 0.01, .latency_p99_max_ms = 10, .accuracy_drop_max = 0.02};
  return manifest;
}

SetRun RunWith(std::uint32_t n, std::uint32_t right) {
  SetRun run;
  run.n = n;
  run.scores.assign(n, 0);
  std::fill_n(run.scores.begin(), right, std::uint8_t{255});
  return run;
}

TEST(JudgeValidation, PassesAReleaseThatIsAsGood) {
  const ValidationVerdict verdict =
      JudgeValidation(ManifestWithSet(), RunWith(100, 92), RunWith(100, 91));
  EXPECT_FALSE(verdict.failure);
  EXPECT_EQ(verdict.numbers.n, 100u);
  EXPECT_EQ(verdict.numbers.n_base, 100u);
  EXPECT_EQ(verdict.numbers.correct_base, 92u);
  EXPECT_EQ(verdict.numbers.only_base, 1u);
  EXPECT_EQ(verdict.numbers.only_new, 0u);
}

TEST(JudgeValidation, CountsDiscordantPairs) {
  SetRun base = RunWith(100, 92);
  SetRun candidate = RunWith(100, 92);
  candidate.scores[0] = 0;
  candidate.scores[99] = 255;
  const ValidationVerdict verdict = JudgeValidation(ManifestWithSet(), base, candidate);
  EXPECT_EQ(verdict.numbers.only_base, 1u);
  EXPECT_EQ(verdict.numbers.only_new, 1u);
}

TEST(JudgeValidation, FailsOnWhatIsWrong) {
  const SetRun base = RunWith(100, 99);
  SetRun dropped = RunWith(100, 96);
  SetRun below_manifest = RunWith(100, 80);
  SetRun failing = RunWith(100, 99);
  failing.errors = 1;
  SetRun not_finite = RunWith(100, 99);
  not_finite.non_finite = 1;
  SetRun slow = RunWith(100, 99);
  slow.slow = 6;
  SetRun not_run;
  SetRun short_scores = RunWith(100, 99);
  short_scores.scores.pop_back();
  for (const SetRun& run :
       {dropped, below_manifest, failing, not_finite, slow, not_run, short_scores}) {
    const ValidationVerdict verdict = JudgeValidation(ManifestWithSet(), base, run);
    ASSERT_TRUE(verdict.failure);
    EXPECT_EQ(verdict.failure->code, ErrorCode::kValidation);
  }
}

TEST(JudgeValidation, LeavesAFewSlowItemsToChance) {
  // A busy processor takes the turn from any run now and then; the digest would be bad for ever.
  SetRun run = RunWith(90, 85);
  run.slow = 4;
  EXPECT_FALSE(JudgeValidation(ManifestWithSet(), RunWith(90, 85), run).failure);
  run.slow = 5;
  EXPECT_TRUE(JudgeValidation(ManifestWithSet(), RunWith(90, 85), run).failure);
}

TEST(JudgeValidation, FailsOnNanInALimit) {
  ReleaseManifest manifest = ManifestWithSet();
  manifest.limits.accuracy_drop_max = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(JudgeValidation(manifest, RunWith(100, 95), RunWith(100, 95)).failure);
  manifest = ManifestWithSet();
  manifest.validation.accuracy_expected = std::numeric_limits<double>::quiet_NaN();
  EXPECT_TRUE(JudgeValidation(manifest, RunWith(100, 95), RunWith(100, 95)).failure);
}

TEST(JudgeValidation, JudgesAloneWithoutABase) {
  EXPECT_FALSE(JudgeValidation(ManifestWithSet(), std::nullopt, RunWith(100, 90)).failure);
  EXPECT_TRUE(JudgeValidation(ManifestWithSet(), std::nullopt, RunWith(100, 70)).failure);
}

TEST(JudgeValidation, CountsNoPairsWhereNothingServes) {
  const ValidationVerdict verdict =
      JudgeValidation(ManifestWithSet(), std::nullopt, RunWith(100, 95));
  EXPECT_FALSE(verdict.failure);
  EXPECT_EQ(verdict.numbers.correct_new, 95u);
  EXPECT_EQ(verdict.numbers.n_base, 0u);
  EXPECT_EQ(verdict.numbers.correct_base, 0u);
  EXPECT_EQ(ValidationDropQ(verdict.numbers), Telemetry::kValDropNotRun);
}

TEST(JudgeValidation, HasNothingToJudgeWithoutASet) {
  const ValidationVerdict verdict = JudgeValidation({}, std::nullopt, {});
  EXPECT_FALSE(verdict.failure);
  EXPECT_EQ(ValidationDropQ(verdict.numbers), Telemetry::kValDropNotRun);
}

TEST(ValidationDropQ, IsTheDropIn512ths) {
  ValidationNumbers numbers;
  numbers.n = numbers.n_base = 100;
  numbers.correct_base = 90;
  numbers.correct_new = 80;
  EXPECT_EQ(ValidationDropQ(numbers), 51);
  numbers.correct_new = 90;
  numbers.correct_base = 80;
  EXPECT_EQ(ValidationDropQ(numbers), -51);
  numbers.correct_base = 0;
  numbers.correct_new = 100;
  EXPECT_EQ(ValidationDropQ(numbers), -127);
}

class TrialHealthTest : public testing::Test {
 protected:
  static TrialHealth Trial() {
    TrialHealth::Terms terms;
    terms.limits = {.error_rate_max = 0.01, .latency_p99_max_ms = 50, .accuracy_drop_max = 0};
    terms.soak_ms = 10'000;
    terms.budget_left_ms = 900'000;
    terms.min_inferences = 50;
    return TrialHealth(terms, 0);
  }
  const Status well_{};
  const Status unwell_ = Fail(ErrorCode::kHookFailed, "exit 1");
};

TEST_F(TrialHealthTest, ConfirmsAfterTheSoakWithEvidence) {
  TrialHealth trial = Trial();
  EXPECT_FALSE(trial.Check(9'999, {60, 0, 0}, well_).over);
  const auto judgement = trial.Check(10'000, {60, 0, 0}, well_);
  EXPECT_TRUE(judgement.over);
  EXPECT_TRUE(judgement.evidence);
}

TEST_F(TrialHealthTest, WaitsForEvidenceUntilTheBudgetIsSpent) {
  TrialHealth trial = Trial();
  EXPECT_FALSE(trial.Check(10'000, {49, 0, 0}, well_).over);
  EXPECT_FALSE(trial.Check(899'999, {49, 0, 0}, well_).over);
  const auto judgement = trial.Check(900'000, {49, 0, 0}, well_);
  EXPECT_TRUE(judgement.over);
  EXPECT_FALSE(judgement.evidence);
}

TEST_F(TrialHealthTest, NeedsTwoBadIntervalsInARow) {
  TrialHealth trial = Trial();
  EXPECT_FALSE(trial.Check(1'000, {100, 6, 0}, well_).bad);
  EXPECT_FALSE(trial.Check(2'000, {200, 6, 0}, well_).bad) << "a good interval between";
  EXPECT_FALSE(trial.Check(3'000, {300, 12, 0}, well_).bad);
  const auto judgement = trial.Check(4'000, {400, 18, 0}, well_);
  ASSERT_TRUE(judgement.bad);
  EXPECT_EQ(judgement.bad->code, ErrorCode::kHealth);
}

TEST_F(TrialHealthTest, DoesNotJudgeFewInferences) {
  TrialHealth trial = Trial();
  for (std::uint32_t i = 1; i <= 9; ++i) {
    EXPECT_FALSE(trial.Check(i * 1'000, {11 * i, 11 * i, 0}, well_).bad);
  }
}

TEST_F(TrialHealthTest, FindsSlowInferences) {
  TrialHealth trial = Trial();
  EXPECT_FALSE(trial.Check(1'000, {100, 0, 6}, well_).bad);
  EXPECT_TRUE(trial.Check(2'000, {200, 0, 12}, well_).bad);
  TrialHealth at_limit = Trial();
  EXPECT_FALSE(at_limit.Check(1'000, {100, 0, 1}, well_).bad);
  EXPECT_FALSE(at_limit.Check(2'000, {200, 0, 2}, well_).bad) << "exactly at the limit holds";
}

TEST_F(TrialHealthTest, DoesNotTakeChanceForABadRelease) {
  TrialHealth trial = Trial();
  for (std::uint32_t i = 1; i <= 9; ++i) {  // three times the limit, on few inferences
    EXPECT_FALSE(trial.Check(i * 1'000, {100 * i, 3 * i, 3 * i}, well_).bad);
  }
}

TEST_F(TrialHealthTest, JudgesCountersNoOftenerThanItsInterval) {
  TrialHealth::Terms terms;
  terms.limits = {.error_rate_max = 0.01, .latency_p99_max_ms = 0, .accuracy_drop_max = 0};
  terms.soak_ms = 10'000;
  terms.interval_ms = 5'000;
  terms.budget_left_ms = 900'000;
  TrialHealth trial(terms, 0);
  EXPECT_FALSE(trial.Check(1'000, {1'000, 500, 0}, well_).bad);
  EXPECT_FALSE(trial.Check(5'000, {5'000, 2'500, 0}, well_).bad);
  EXPECT_FALSE(trial.Check(9'999, {9'000, 4'500, 0}, well_).bad);
  EXPECT_TRUE(trial.Check(10'000, {10'000, 5'000, 0}, well_).bad);
}

TEST(IsShownOver, HoldsAtTheLimitAndTakesNoCountOnNaN) {
  EXPECT_FALSE(IsShownOver(10, 1'000, 0.01));
  EXPECT_FALSE(IsShownOver(20, 1'000, 0.01));  // 10 + 9.8 + 1
  EXPECT_TRUE(IsShownOver(21, 1'000, 0.01));
  EXPECT_TRUE(IsShownOver(0, 1'000, std::nan("")));
}

TEST_F(TrialHealthTest, DoesNotConfirmRightAfterABadInterval) {
  TrialHealth trial = Trial();
  EXPECT_FALSE(trial.Check(10'000, {100, 50, 0}, well_).over);
  EXPECT_TRUE(trial.Check(11'000, {200, 50, 0}, well_).over);
}

TEST_F(TrialHealthTest, FindsARunnerThatFailsThreeTimesInARow) {
  TrialHealth trial = Trial();
  EXPECT_FALSE(trial.Check(1'000, {}, unwell_).bad);
  EXPECT_FALSE(trial.Check(2'000, {}, unwell_).bad);
  EXPECT_FALSE(trial.Check(3'000, {}, well_).bad);
  EXPECT_FALSE(trial.Check(4'000, {}, unwell_).bad);
  EXPECT_FALSE(trial.Check(5'000, {}, unwell_).bad);
  EXPECT_TRUE(trial.Check(6'000, {}, unwell_).bad);
}

TEST_F(TrialHealthTest, AsksForACheckpointEachMinuteAndProvesTheStartOnce) {
  TrialHealth::Terms terms;
  terms.soak_ms = 500'000;
  terms.budget_left_ms = 900'000;
  TrialHealth trial(terms, 0);
  EXPECT_FALSE(trial.Check(59'999, {}, well_).checkpoint);
  auto judgement = trial.Check(60'000, {}, well_);
  EXPECT_TRUE(judgement.checkpoint && judgement.start_proven);
  EXPECT_EQ(judgement.budget_left_ms, 840'000);
  judgement = trial.Check(120'000, {}, well_);
  EXPECT_TRUE(judgement.checkpoint);
  EXPECT_FALSE(judgement.start_proven);
}

TEST_F(TrialHealthTest, TakesThePairedValidationAsEvidenceWhenNoInferenceIsAskedFor) {
  TrialHealth::Terms terms;
  terms.soak_ms = 10;
  terms.budget_left_ms = 1'000;
  TrialHealth trial(terms, 0);
  const auto judgement = trial.Check(10, {}, well_);
  EXPECT_TRUE(judgement.over && judgement.evidence);
}

}  // namespace
}  // namespace sluice::device
