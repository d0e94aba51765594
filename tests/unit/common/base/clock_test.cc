#include "common/base/clock.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(BootMs, MeasuresDurations) {
  const BootMs start{1'000};
  EXPECT_EQ((start + 250).ms, 1'250);
  EXPECT_EQ((start + 250) - start, 250);
  EXPECT_LT(start, start + 1);
}

TEST(SystemClock, ReadsPlausibleUnitsAndNeverRunsBack) {
  const SystemClock clock;
  constexpr std::int64_t kYear2020Ms = 1'577'836'800'000;
  constexpr std::int64_t kYear2500Ms = 16'725'225'600'000;
  EXPECT_GT(clock.Wall().ms, kYear2020Ms);
  EXPECT_LT(clock.Wall().ms, kYear2500Ms);
  const BootMs boot = clock.Boot();
  EXPECT_LE(boot, clock.Boot());
  const std::int64_t monotonic_us = clock.MonotonicUs();
  EXPECT_LE(monotonic_us, clock.MonotonicUs());
  // Both count from boot, the boot clock counts suspend too.
  EXPECT_LE(monotonic_us / 1'000, clock.Boot().ms);
}

}  // namespace
}  // namespace sluice
