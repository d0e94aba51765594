// What devices may claim, and what it must never do: count as success, count as zero, or weigh more
// than its cap. NaN and negative numbers do not exist on the wire; a recorded look that holds them
// is refused (snapshot_json_test.cc).
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "common/base/random.h"
#include "rollout_engine/core/judge.h"
#include "rollout_engine/core/telemetry_totals.h"

namespace sluice {
namespace {

constexpr std::uint64_t kOld = 11, kNew = 22;
constexpr std::uint32_t kHuge = std::numeric_limits<std::uint32_t>::max();

Telemetry Report(std::uint64_t release, std::uint32_t seq, std::uint32_t inferences,
                 std::uint32_t errors = 0) {
  Telemetry report;
  report.release_id = release;
  report.activation = release == kOld ? 1 : 2;
  report.boot = 1;
  report.seq = seq;
  report.inferences = inferences;
  report.errors = errors;
  return report;
}

/// A device in its window, with 1,000 inferences and 5 errors of the new release.
DeviceTotals Device() {
  DeviceTotals device;
  EXPECT_TRUE(AcceptTelemetry(device, Report(kOld, 3, 500), {1}).value());
  StartWindow(device, kNew, {2});
  EXPECT_TRUE(AcceptTelemetry(device, Report(kNew, 7, 1'000, 5), {3}).value());
  return device;
}

TEST(BadTelemetry, AReplayedReportChangesNothing) {
  const DeviceTotals before = Device();
  for (const Telemetry& replayed :
       {Report(kNew, 7, 1'000, 5), Report(kNew, 6, 900, 0), Report(kOld, 3, 500)}) {
    DeviceTotals device = before;
    EXPECT_FALSE(AcceptTelemetry(device, replayed, {3}).value());
    EXPECT_EQ(device, before);
  }
}

TEST(BadTelemetry, AReportFromTheFutureCountsWhatItSaysAndNoMore) {
  DeviceTotals device = Device();
  EXPECT_TRUE(AcceptTelemetry(device, Report(kNew, kHuge, 1'100, 6), {4}).value());
  EXPECT_EQ(WindowTotal(device).inferences, 1'100u);
  EXPECT_FALSE(AcceptTelemetry(device, Report(kNew, 8, 1'200, 6), {5}).value());
  EXPECT_EQ(WindowTotal(device).inferences, 1'100u);
}

TEST(BadTelemetry, AReportOlderThanItsWindowCountsInNoWindow) {
  DeviceTotals device = Device();
  Telemetry old = Report(kNew, 8, 2'000, 1'000);
  old.age_ms = kHuge;
  EXPECT_TRUE(AcceptTelemetry(device, old, {4}).value());
  EXPECT_EQ(WindowTotal(device).inferences, 1'000u);
  EXPECT_EQ(WindowTotal(device).errors, 5u);
}

TEST(BadTelemetry, AnImpossibleReportLeavesNoTraceButItsCount) {
  Telemetry more_errors = Report(kNew, 8, 1'100, 1'101);
  Telemetry back = Report(kNew, 8, 999, 5);
  Telemetry fewer_errors = Report(kNew, 8, 1'100, 4);
  Telemetry slow = Report(kNew, 8, 1'100, 5);
  slow.over_latency = 1'101;
  Telemetry correct = Report(kNew, 8, 1'100, 5);
  correct.labelled = 1;
  correct.correct_q8 = 257;
  Telemetry first_of_another_boot = Report(kNew, 1, 10, 11);
  first_of_another_boot.boot = 2;
  Telemetry first_of_another_release = Report(33, 1, 10, 11);
  for (const Telemetry& impossible : {more_errors, back, fewer_errors, slow, correct,
                                      first_of_another_boot, first_of_another_release}) {
    DeviceTotals device = Device();
    DeviceTotals expected = device;
    const auto refused = AcceptTelemetry(device, impossible, {3});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kTmRange);
    ++expected.range_errors;
    EXPECT_EQ(device, expected);
  }
}

TEST(BadTelemetry, ReportsOfManyReleasesNeverEraseWhatTheWindowCounts) {
  DeviceTotals device = Device();
  for (std::uint32_t i = 0; i < 100; ++i) {
    Telemetry report = Report(100 + i, 1, 10);
    report.activation = 3 + i;
    (void)AcceptTelemetry(device, report, {10});
    EXPECT_EQ(WindowTotal(device).inferences, 1'000u);
    EXPECT_EQ(WindowTotal(device).errors, 5u);
    EXPECT_LE(device.segments.size(), kSegmentsMax);
    EXPECT_LE(device.folded.size(), kReleasesMax);
  }
}

TEST(BadTelemetry, AReportThatOvertookAnotherDoesNotBringTheOldReleaseBack) {
  DeviceTotals device;
  StartWindow(device, kNew, {0});
  EXPECT_TRUE(AcceptTelemetry(device, Report(kNew, 1, 10), {1}).value());
  EXPECT_TRUE(AcceptTelemetry(device, Report(kOld, 9, 500), {2}).value());
  EXPECT_EQ(NewestRelease(device), kNew);
}

TEST(BadTelemetry, ABootThatIsFirstHeardLateMayHaveCountedFar) {
  DeviceTotals device;
  EXPECT_TRUE(AcceptTelemetry(device, Report(kOld, 1, 3'000'000'000), {1}).value());
  EXPECT_EQ(TotalOf(device, kOld).inferences, 3'000'000'000u);
}

// ---- what the judge makes of it ----

JudgeInput TwoArms(std::uint64_t seed, int test, int control) {
  SeededRandom random(seed);
  JudgeInput input;
  input.config.limits = {0.001, 0.01, 0.02};
  input.config.planned_looks = 288;
  input.config.epochs = 24;
  input.config.strata = {"cam", "gate"};
  input.look = 100;
  input.elapsed_s = 30'000;
  for (int i = 0; i < test + control; ++i) {
    JudgedDevice device{.id = "d" + std::to_string(i),
                        .arm = i < test ? Arm::kTest : Arm::kControl,
                        .stratum = random.Below(3) == 0 ? "gate" : "cam",
                        .since_activation_s = 30'000,
                        .silence_s = static_cast<double>(random.Below(300))};
    const double n = 5'000 + static_cast<double>(random.Below(20'000));
    const auto share = [&](double of, double most) {
      return std::floor(of * most * static_cast<double>(random.Below(1'000)) / 1'000);
    };
    const double labelled = std::floor(n / 50);
    device.cum = {{{n, share(n, 0.0006)}, {n, share(n, 0.004)}, {labelled, 0}}};
    device.cum[2].y = labelled - share(labelled, 0.14);
    device.epoch = device.cum;
    device.pre = device.cum;
    input.devices.push_back(std::move(device));
  }
  return input;
}

const RatioResult& RatioOf(const JudgeOutput& output, std::string_view key) {
  for (const auto& [name, result] : output.results) {
    if (name == key) return std::get<RatioResult>(result);
  }
  ADD_FAILURE() << "no result " << key;
  static const RatioResult kNone;
  return kNone;
}

TEST(BadTelemetry, NoDeviceOfTheTestArmWeighsMoreThanTenAverageControls) {
  JudgeInput input = TwoArms(1, 60, 100);
  double control_n = 0;
  for (const JudgedDevice& device : input.devices)
    control_n += device.arm == Arm::kControl ? device.cum[0].n : 0;
  const double cap = 10 * control_n / 100;
  for (const double n : {cap * 1.5, 1e9, 4'294'967'295.0, 9e15}) {
    for (const double share : {0.0, 1.0}) {
      input.devices[0].cum[0] = {n, n * share};
      const double huge = RatioOf(Judge(input), "fleet/error_rate/cumulative").test_raw;
      input.devices[0].cum[0] = {cap, cap * share};
      const double capped = RatioOf(Judge(input), "fleet/error_rate/cumulative").test_raw;
      EXPECT_NEAR(huge, capped, 1e-12 * capped) << n << " " << share;
    }
  }
}

TEST(BadTelemetry, HugeSuccessDoesNotHideABadRelease) {
  JudgeInput input = TwoArms(2, 60, 100);
  for (JudgedDevice& device : input.devices) {
    if (device.arm == Arm::kTest) device.cum[0].y = std::floor(device.cum[0].n * 0.02);
  }
  input.devices[0].cum[0] = {9e15, 0};
  EXPECT_EQ(Judge(input).decision, Decision::kRollBack);
}

TEST(BadTelemetry, SilentDevicesAreNeverAReasonToPromote) {
  JudgeInput input = TwoArms(3, 60, 100);
  input.at_soak_end = true;
  for (JudgedDevice& device : input.devices) {
    if (device.arm == Arm::kTest) device.cum = device.epoch = RatioCounts{};
  }
  const JudgeOutput output = Judge(input);
  EXPECT_EQ(output.decision, Decision::kHold);
  EXPECT_EQ(output.hold_cause, HoldCause::kNotShown);
}

/// What a liar may say of its errors, slow answers and scores.
RatioCounts Lie(Random& random, const RatioCounts& truth) {
  const double n = random.Below(2) == 0 ? truth[0].n : 4'294'967'295.0;
  const auto y = [&](double of) { return random.Below(3) == 0 ? 0 : of; };
  return {{{n, y(n)}, {n, y(n)}, {n, y(n)}}};
}

TEST(BadTelemetry, OnePercentOfLiarsInTheTestArmNeverRollsAHealthyReleaseBack) {
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    const int test = seed % 3 == 0 ? 100 : seed % 3 == 1 ? 200 : 400;
    JudgeInput input = TwoArms(seed, test, 400);
    SeededRandom random(seed * 7919);
    for (int liar = 0; liar < test / 100; ++liar) {
      JudgedDevice& device = input.devices[random.Below(static_cast<std::uint64_t>(test))];
      device.cum = Lie(random, device.cum);
      device.epoch = Lie(random, device.epoch);
    }
    const JudgeOutput output = Judge(input);
    EXPECT_NE(output.decision, Decision::kRollBack) << "seed " << seed << ": " << output.sentence;
  }
}

TEST(BadTelemetry, OnePercentOfLiarsInTheTestArmNeverGetsABadReleasePromoted) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    JudgeInput input = TwoArms(seed, 200, 400);
    SeededRandom random(seed * 104729);
    for (JudgedDevice& device : input.devices) {
      if (device.arm == Arm::kTest) device.cum[0].y = std::ceil(device.cum[0].n * 0.003);
    }
    for (int liar = 0; liar < 2; ++liar) {
      JudgedDevice& device = input.devices[random.Below(200)];
      device.cum = Lie(random, device.cum);
    }
    input.at_soak_end = true;
    EXPECT_NE(Judge(input).decision, Decision::kPromote) << "seed " << seed;
  }
}

TEST(BadTelemetry, NoClaimMakesAStatisticInfiniteOrNoNumber) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    JudgeInput input = TwoArms(seed, 40, 40);
    SeededRandom random(seed);
    for (JudgedDevice& device : input.devices) {
      if (random.Below(2) == 0) continue;
      device.cum = Lie(random, device.cum);
      device.epoch = Lie(random, device.epoch);
      device.pre = Lie(random, device.cum);
    }
    for (const auto& [key, result] : Judge(input).results) {
      const auto* ratio = std::get_if<RatioResult>(&result);
      if (ratio == nullptr || !ratio->ok) continue;
      for (const double value : {ratio->theta, ratio->se, ratio->x, ratio->lcb, ratio->ucb,
                                 ratio->diff, ratio->diff_lcb, ratio->beta}) {
        EXPECT_TRUE(std::isfinite(value)) << "seed " << seed << ": " << key;
      }
    }
  }
}

}  // namespace
}  // namespace sluice
