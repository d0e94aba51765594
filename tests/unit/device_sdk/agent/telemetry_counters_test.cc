#include "device_sdk/agent/telemetry_counters.h"

#include <gtest/gtest.h>

#include <limits>
#include <thread>
#include <vector>

namespace sluice::device {
namespace {

TEST(TelemetryCounters, CountsInferencesErrorsAndSlowOnes) {
  TelemetryCounters counters;
  counters.StartActivation(1'000);
  counters.RecordInference(1'000, true);
  counters.RecordInference(1'001, true);
  counters.RecordInference(10, false);
  const CounterSnapshot snapshot = counters.Read();
  EXPECT_EQ(snapshot.inferences, 3u);
  EXPECT_EQ(snapshot.errors, 1u);
  EXPECT_EQ(snapshot.over_latency, 1u);
}

TEST(TelemetryCounters, CallsNothingSlowWithoutALimit) {
  TelemetryCounters counters;
  counters.RecordInference(std::numeric_limits<std::int64_t>::max(), true);
  EXPECT_EQ(counters.Read().over_latency, 0u);
}

TEST(TelemetryCounters, NeverTakesAnInvalidScoreForASuccess) {
  TelemetryCounters counters;
  for (const double score : {std::numeric_limits<double>::quiet_NaN(),
                             std::numeric_limits<double>::infinity(), -0.1, 1.1, 1e308}) {
    counters.RecordOutcome(score);
  }
  counters.RecordOutcome(0.5);
  EXPECT_EQ(counters.Read().labelled, 6u);
  EXPECT_EQ(counters.Read().correct_q8, 128u);
}

TEST(TelemetryCounters, StartsFromZeroWithEachActivation) {
  TelemetryCounters counters;
  for (int i = 0; i < 3; ++i) {
    counters.RecordInference(10, false);
    counters.StartActivation(5);
    EXPECT_EQ(counters.Read().inferences, 0u);
    counters.RecordInference(10, true);
    EXPECT_EQ(counters.Read().over_latency, 1u);
  }
}

TEST(TelemetryCounters, LosesNothingAndNeverShowsMoreErrorsThanInferences) {
  TelemetryCounters counters;
  constexpr int kThreads = 4, kEach = 20'000;
  std::vector<std::jthread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&counters] {
      for (int i = 0; i < kEach; ++i) counters.RecordInference(10, false);
    });
  }
  for (int i = 0; i < 1'000; ++i) {
    const CounterSnapshot snapshot = counters.Read();
    ASSERT_LE(snapshot.errors, snapshot.inferences);
  }
  threads.clear();
  EXPECT_EQ(counters.Read().inferences, std::uint32_t{kThreads} * kEach);
  EXPECT_EQ(counters.Read().errors, std::uint32_t{kThreads} * kEach);
}

}  // namespace
}  // namespace sluice::device
