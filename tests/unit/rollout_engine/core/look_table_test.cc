// The sums of one pass against the same estimate row by row.
#include "rollout_engine/core/look_table.h"

#include <gtest/gtest.h>

#include <cmath>

#include "common/base/random.h"

namespace sluice {
namespace {

JudgeInput AnyLook(std::uint64_t seed) {
  SeededRandom random(seed);
  JudgeInput input;
  input.config.limits = {0.001, 0.01, 0.02};
  for (std::uint64_t i = random.Below(4); i > 0; --i)
    input.config.strata.push_back("hw-" + std::to_string(i));
  const double base_rate = std::pow(10, -4 * random.Unit());
  const std::uint64_t devices = 4 + random.Below(1'500);
  for (std::uint64_t i = 0; i < devices; ++i) {
    JudgedDevice device;
    device.id = std::to_string(i);
    device.arm = random.Below(3) == 0 ? Arm::kControl : Arm::kTest;
    device.stratum = "hw-" + std::to_string(random.Below(5));
    const auto counts = [&](double n_mean) {
      RatioCounts ratios;
      for (RatioCount& count : ratios) {
        const bool is_heavy = random.Below(50) == 0;
        count.n =
            random.Below(10) == 0 ? 0 : std::floor(n_mean * (is_heavy ? 40 : 2) * random.Unit());
        count.y = count.n * base_rate * random.Unit();
      }
      return ratios;
    };
    device.cum = counts(5'000);
    device.epoch = counts(100);
    if (random.Below(10) != 0) device.pre = counts(90'000);
    input.devices.push_back(std::move(device));
  }
  return input;
}

/// Every row on its own: what the sums stand for.
ArmSample RowByRow(const ArmSample& sample) {
  return {.groups = {}, .heavy = sample.list_rows(), .list_rows = sample.list_rows};
}

void ExpectNear(double is, double wanted, const char* what) {
  EXPECT_NEAR(is, wanted, 1e-10 * std::abs(wanted)) << what;
}

void ExpectSame(const ArmEstimate& is, const ArmEstimate& wanted) {
  EXPECT_EQ(is.m, wanted.m);
  ExpectNear(is.sum_n, wanted.sum_n, "n");
  ExpectNear(is.sum_y, wanted.sum_y, "y");
  ExpectNear(is.theta, wanted.theta, "theta");
  ExpectNear(is.variance, wanted.variance, "variance");
  ExpectNear(is.beta, wanted.beta, "beta");
}

TEST(LookTable, EstimatesFromSumsWhatItWouldRowByRow) {
  std::size_t compared = 0, capped = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const JudgeInput input = AnyLook(seed);
    const SnapshotDevices devices(input);
    const LookTable table(input.config, devices);
    for (std::size_t scope = 0; scope <= input.config.strata.size(); ++scope) {
      for (const Metric metric : kMetrics) {
        for (const Window window : kWindows) {
          const ArmSample test = table.Sample(scope, Arm::kTest, metric, window);
          const ArmSample control = table.Sample(scope, Arm::kControl, metric, window);
          EXPECT_EQ(test.Rows(), test.list_rows().size());
          EXPECT_EQ(control.Rows(), control.list_rows().size());
          const auto sums = EstimateRatio(test, control);
          const auto rows = EstimateRatio(RowByRow(test), RowByRow(control));
          ASSERT_EQ(sums.has_value(), rows.has_value());
          if (!sums) continue;
          ++compared;
          capped += test.heavy.size();
          ExpectSame(sums->test, rows->test);
          ExpectSame(*sums->control, *rows->control);
          ExpectNear(sums->covariate_mean_variance, rows->covariate_mean_variance, "covariate");
          ExpectNear(sums->cap, rows->cap, "cap");
        }
      }
    }
  }
  EXPECT_GT(compared, 500u);
  EXPECT_GT(capped, 100u);
}

TEST(LookTable, TakesRowsOneByOneWhereSumsWouldBeRoundingError) {
  // Everybody errs in exactly the same share: all that is left of the squares is rounding.
  JudgeInput input;
  for (int i = 0; i < 400; ++i) {
    JudgedDevice device;
    device.id = std::to_string(i);
    device.arm = i % 2 == 0 ? Arm::kControl : Arm::kTest;
    const double n = 1'000 + i;
    device.cum = device.epoch = {{{n, n * 0.3}, {n, 0}, {n, n * 0.3}}};
    device.pre = device.cum;
    input.devices.push_back(device);
  }
  const SnapshotDevices devices(input);
  const LookTable table(input.config, devices);
  const auto estimate = EstimateRatio(
      table.Sample(LookTable::kFleet, Arm::kTest, Metric::kErrorRate, Window::kCumulative),
      table.Sample(LookTable::kFleet, Arm::kControl, Metric::kErrorRate, Window::kCumulative));
  ASSERT_TRUE(estimate.has_value());
  EXPECT_DOUBLE_EQ(estimate->test.raw, 0.3);
  EXPECT_NEAR(estimate->test.theta, 0.3, 1e-9);
  const double floor = 0.3 * 0.7 / estimate->test.sum_n;  // of the binomial variance
  EXPECT_NEAR(estimate->test.variance, floor, 1e-4 * floor);
}

}  // namespace
}  // namespace sluice
