#include "device_sdk/agent/latency_sketch.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "common/contract/limits.h"

namespace sluice::device {
namespace {

std::uint32_t TakeVarint(const Bytes& bytes, std::size_t& at) {
  std::uint32_t value = 0;
  for (int shift = 0;; shift += 7) {
    const std::uint8_t byte = bytes.at(at++);
    value |= static_cast<std::uint32_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
}

/// Latency in ms -> count, as a reader of telemetry sees it.
std::map<double, std::uint32_t> Read(const Bytes& bytes) {
  std::map<double, std::uint32_t> bins;
  std::size_t at = 0;
  const std::uint32_t zigzag = TakeVarint(bytes, at);
  int index = static_cast<int>(zigzag >> 1) ^ -static_cast<int>(zigzag & 1);
  while (at < bytes.size()) {
    index += static_cast<int>(TakeVarint(bytes, at));
    const double gamma = 1.02 / 0.98;
    bins[2 * std::pow(gamma, index) / (gamma + 1)] += TakeVarint(bytes, at);
  }
  return bins;
}

TEST(LatencySketch, KeepsLatenciesWithinTwoPercent) {
  for (const std::int64_t latency_us : {10, 999, 1'000, 1'001, 40'000, 2'000'000}) {
    LatencySketch sketch;
    sketch.Record(latency_us);
    const auto bins = Read(sketch.Take());
    ASSERT_EQ(bins.size(), 1u);
    EXPECT_NEAR(bins.begin()->first, static_cast<double>(latency_us) / 1000,
                0.0201 * static_cast<double>(latency_us) / 1000);
    EXPECT_EQ(bins.begin()->second, 1u);
  }
}

TEST(LatencySketch, StartsAnewWithEachTake) {
  LatencySketch sketch;
  EXPECT_TRUE(sketch.Take().empty());
  for (int i = 0; i < 300; ++i) sketch.Record(5'000);
  EXPECT_EQ(Read(sketch.Take()).begin()->second, 300u);
  EXPECT_TRUE(sketch.Take().empty());
}

TEST(LatencySketch, TakesWhateverAClockGives) {
  LatencySketch sketch;
  for (const std::int64_t odd : {INT64_MIN, std::int64_t{-1}, std::int64_t{0}, INT64_MAX})
    sketch.Record(odd);
  std::uint32_t total = 0;
  for (const auto& [ms, count] : Read(sketch.Take())) total += count;
  EXPECT_EQ(total, 4u);
}

TEST(LatencySketch, FitsIntoATelemetryMessageAndLosesNoCount) {
  LatencySketch sketch;
  std::uint32_t recorded = 0;
  for (double us = 1; us < 1e8; us *= 1.02, ++recorded)
    sketch.Record(static_cast<std::int64_t>(us));
  const Bytes bytes = sketch.Take();
  EXPECT_LE(bytes.size(), limits::kLatencyBinsMax);
  std::uint32_t total = 0;
  for (const auto& [ms, count] : Read(bytes)) total += count;
  EXPECT_EQ(total, recorded);
}

}  // namespace
}  // namespace sluice::device
