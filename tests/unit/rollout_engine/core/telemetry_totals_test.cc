#include "rollout_engine/core/telemetry_totals.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/base/random.h"
#include "common/contract/limits.h"

namespace sluice {
namespace {

constexpr std::uint64_t kOld = 11;
constexpr std::uint64_t kNew = 22;

Telemetry Report(std::uint64_t release, std::uint32_t activation, std::uint16_t boot,
                 std::uint32_t seq, std::uint32_t inferences, std::uint32_t errors = 0) {
  Telemetry report;
  report.release_id = release;
  report.activation = activation;
  report.boot = boot;
  report.seq = seq;
  report.inferences = inferences;
  report.errors = errors;
  return report;
}

bool Accepted(DeviceTotals& device, const Telemetry& report, BootMs at = {0}) {
  const auto accepted = AcceptTelemetry(device, report, at);
  EXPECT_TRUE(accepted.has_value()) << accepted.error().Line();
  return accepted.value_or(false);
}

TEST(TelemetryTotals, CountsADuplicateOnceAndAnOlderReportNotAtAll) {
  DeviceTotals device;
  EXPECT_TRUE(Accepted(device, Report(kOld, 1, 1, 5, 100, 3)));
  EXPECT_FALSE(Accepted(device, Report(kOld, 1, 1, 5, 100, 3)));
  EXPECT_FALSE(Accepted(device, Report(kOld, 1, 1, 4, 90, 2)));
  EXPECT_EQ(TotalOf(device, kOld).inferences, 100u);
  EXPECT_EQ(TotalOf(device, kOld).errors, 3u);
}

TEST(TelemetryTotals, AcceptsAFirstReportWithNothingInIt) {
  DeviceTotals device;
  EXPECT_TRUE(Accepted(device, Report(kOld, 1, 1, 0, 0)));
  EXPECT_TRUE(Accepted(device, Report(kOld, 1, 1, 1, 0)));
}

TEST(TelemetryTotals, SumsOverBootsAndActivationsOfOneRelease) {
  DeviceTotals device;
  Accepted(device, Report(kOld, 1, 1, 9, 100));
  Accepted(device, Report(kOld, 1, 2, 1, 10));
  Accepted(device, Report(kNew, 2, 2, 1, 7));
  Accepted(device, Report(kOld, 3, 2, 1, 1));
  EXPECT_EQ(TotalOf(device, kOld).inferences, 111u);
  EXPECT_EQ(TotalOf(device, kNew).inferences, 7u);
}

TEST(TelemetryTotals, LossDuplicatesAndReorderingDoNotBiasTheTotal) {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    SeededRandom random(seed);
    std::vector<Telemetry> reports;
    std::uint64_t truth = 0;
    for (std::uint16_t boot = 1; boot <= 4; ++boot) {
      std::uint32_t inferences = 0;
      for (std::uint32_t seq = 1; seq <= 20; ++seq) {
        inferences += static_cast<std::uint32_t>(random.Below(50));
        reports.push_back(Report(kOld, 1, boot, seq, inferences, inferences / 10));
      }
      truth += inferences;
    }
    std::vector<Telemetry> wire;
    for (const Telemetry& report : reports) {
      const bool last_of_boot = report.seq == 20;
      if (!last_of_boot && random.Below(3) == 0) continue;   // lost
      wire.insert(wire.end(), 1 + random.Below(2), report);  // or doubled
    }
    for (std::size_t i = wire.size(); i > 1; --i) std::swap(wire[i - 1], wire[random.Below(i)]);
    DeviceTotals device;
    for (const Telemetry& report : wire) Accepted(device, report);
    EXPECT_EQ(TotalOf(device, kOld).inferences, truth) << "seed " << seed;
  }
}

TEST(TelemetryTotals, FollowsACounterOverItsWrap) {
  DeviceTotals device;
  Accepted(device, Report(kOld, 1, 1, 1, 2'000'000'000));
  Accepted(device, Report(kOld, 1, 1, 2, 4'000'000'000));
  Accepted(device, Report(kOld, 1, 1, 3, 1'000'000'000));
  EXPECT_EQ(TotalOf(device, kOld).inferences, 1'000'000'000 + (std::uint64_t{1} << 32));
}

TEST(TelemetryTotals, DropsAndCountsWhatIsOutOfRangeAndKeepsTheRest) {
  DeviceTotals device;
  Accepted(device, Report(kOld, 1, 1, 1, 1'000, 5));
  const DeviceTotals before = device;

  Telemetry back = Report(kOld, 1, 1, 2, 999, 5);
  Telemetry more_errors = Report(kOld, 1, 1, 2, 1'000, 1'001);
  Telemetry more_slow = Report(kOld, 1, 1, 2, 1'000, 5);
  more_slow.over_latency = 1'001;
  Telemetry more_correct = Report(kOld, 1, 1, 2, 1'000, 5);
  more_correct.labelled = 10;
  more_correct.correct_q8 = 10 * 256 + 1;
  std::uint64_t dropped = 0;
  for (const Telemetry& report : {back, more_errors, more_slow, more_correct}) {
    const auto refused = AcceptTelemetry(device, report, {5});
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::kTmRange);
    EXPECT_EQ(device.range_errors, ++dropped);
    EXPECT_EQ(device.segments, before.segments);
  }
  EXPECT_TRUE(Accepted(device, Report(kOld, 1, 1, 3, 1'100, 6)));
}

TEST(TelemetryTotals, CrashesMayNotFallWithinABoot) {
  DeviceTotals device;
  Telemetry report = Report(kOld, 1, 1, 1, 10);
  report.crashes = 2;
  Accepted(device, report);
  report.seq = 2;
  report.crashes = 1;
  EXPECT_FALSE(AcceptTelemetry(device, report, {0}).has_value());
}

TEST(TelemetryTotals, KeepsTheTotalWhenItFoldsOldBootsAndDropsReportsOfThose) {
  DeviceTotals device;
  for (std::uint16_t boot = 1; boot <= 30; ++boot) Accepted(device, Report(kOld, 1, boot, 1, 10));
  EXPECT_LE(device.segments.size(), kSegmentsMax);
  EXPECT_EQ(TotalOf(device, kOld).inferences, 300u);
  EXPECT_FALSE(Accepted(device, Report(kOld, 1, 1, 2, 20)));
  EXPECT_EQ(TotalOf(device, kOld).inferences, 300u);
}

TEST(TelemetryTotals, CountsFromTheStartOfItsWindows) {
  DeviceTotals device;
  Accepted(device, Report(kOld, 1, 1, 1, 100), {1'000});
  StartWindow(device, kOld, {2'000});
  Accepted(device, Report(kOld, 1, 1, 2, 150), {3'000});
  StartEpoch(device, {4'000});
  Accepted(device, Report(kOld, 1, 2, 1, 7), {5'000});
  EXPECT_EQ(WindowTotal(device).inferences, 57u);
  EXPECT_EQ(EpochTotal(device).inferences, 7u);
}

TEST(TelemetryTotals, PutsALateReportWhereItWasSampled) {
  DeviceTotals device;
  Accepted(device, Report(kOld, 1, 1, 1, 100), {1'000});
  StartWindow(device, kOld, {2'000});
  Telemetry before_window = Report(kOld, 1, 1, 2, 130);
  before_window.age_ms = 1'500;
  Accepted(device, before_window, {3'000});
  EXPECT_EQ(WindowTotal(device).inferences, 0u);
  StartEpoch(device, {4'000});
  Telemetry before_epoch = Report(kOld, 1, 1, 3, 170);
  before_epoch.age_ms = 1'500;
  Accepted(device, before_epoch, {5'000});
  EXPECT_EQ(WindowTotal(device).inferences, 40u);
  EXPECT_EQ(EpochTotal(device).inferences, 0u);
}

TEST(TelemetryTotals, FreezesTheWindowWhenTheDeviceLeavesItsRelease) {
  DeviceTotals device;
  StartWindow(device, kNew, {0});
  Accepted(device, Report(kNew, 2, 1, 1, 40, 4), {1'000});
  Accepted(device, Report(kOld, 3, 1, 1, 1'000), {2'000});
  EXPECT_EQ(WindowTotal(device).inferences, 40u);
  EXPECT_EQ(WindowTotal(device).errors, 4u);
}

TEST(TelemetryTotals, CountsASilentDeviceFromItsFirstReportOn) {
  DeviceTotals device;
  StartWindow(device, NewestRelease(device).value_or(0), {0});
  Accepted(device, Report(kOld, 1, 1, 50, 900), {1'000});
  EXPECT_EQ(WindowTotal(device).inferences, 0u);
  Accepted(device, Report(kOld, 1, 1, 51, 910), {2'000});
  EXPECT_EQ(WindowTotal(device).inferences, 10u);
}

TEST(TelemetryTotals, TakesTheLastHoursBeforeAsHistory) {
  constexpr std::int64_t kBaseline = 7 * limits::kHour;
  DeviceTotals device;
  for (std::uint32_t hour = 0; hour <= 20; ++hour) {
    const BootMs at{hour * limits::kHour};
    Accepted(device, Report(kOld, 1, 1, hour + 1, hour * 100), at);
    KeepMark(device, kBaseline, at);
  }
  EXPECT_LE(device.marks.size(), kMarksMax);
  TakeBaseline(device, kOld, kBaseline, {20 * limits::kHour});
  ASSERT_TRUE(device.pre.has_value());
  EXPECT_EQ((*device.pre)[0].n, 700);
}

TEST(TelemetryTotals, TakesAllThereIsAsHistoryOfAYoungDevice) {
  DeviceTotals device;
  Accepted(device, Report(kOld, 1, 1, 1, 30, 3));
  TakeBaseline(device, kOld, limits::kDay, {1'000});
  EXPECT_EQ((*device.pre)[0], (RatioCount{30, 3}));
}

TEST(TelemetryTotals, RatiosPutNBeforeYAndScoresInWholeOnes) {
  const Counters counters{.inferences = 10,
                          .errors = 1,
                          .over_latency = 2,
                          .labelled = 4,
                          .correct_q8 = 3 * 256 + 128,
                          .crashes = 0};
  EXPECT_EQ(counters.Ratios(), (RatioCounts{{{10, 1}, {10, 2}, {4, 3.5}}}));
}

TEST(TelemetryTotals, RemembersWhenItHeardTheDeviceLastEvenOfARefusedReport) {
  DeviceTotals device;
  (void)AcceptTelemetry(device, Report(kOld, 1, 1, 1, 1, 2), {7'000});
  EXPECT_EQ(device.last_heard, BootMs{7'000});
}

}  // namespace
}  // namespace sluice
