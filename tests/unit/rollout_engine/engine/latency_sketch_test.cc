// The engine's reader against the device's writer.
#include "rollout_engine/engine/latency_sketch.h"

#include <gtest/gtest.h>

#include "common/base/random.h"
#include "device_sdk/agent/latency_sketch.h"

namespace sluice {
namespace {

TEST(LatencyP99, IsWithinTwoPercentOfWhatTheDeviceMeasured) {
  for (const std::int64_t scale_us : {3, 900, 5'000, 2'000'000}) {
    device::LatencySketch sketch;
    for (int i = 1; i <= 1'000; ++i) sketch.Record(i <= 990 ? scale_us : 10 * scale_us);
    const auto p99_ms = LatencyP99Ms(sketch.Take());
    ASSERT_TRUE(p99_ms) << scale_us;
    const double wanted_ms = static_cast<double>(scale_us) / 1'000;
    EXPECT_NEAR(*p99_ms, wanted_ms, 0.0201 * wanted_ms);
    for (int i = 1; i <= 1'000; ++i) sketch.Record(i <= 980 ? scale_us : 10 * scale_us);
    EXPECT_NEAR(LatencyP99Ms(sketch.Take()).value_or(0), 10 * wanted_ms, 0.201 * wanted_ms);
  }
}

TEST(LatencyHistogram, AddsUpWhatSeveralDevicesMeasured) {
  device::LatencySketch fast;
  device::LatencySketch slow;
  for (int i = 0; i < 985; ++i) fast.Record(5'000);
  for (int i = 0; i < 15; ++i) slow.Record(80'000);
  LatencyHistogram both;
  EXPECT_FALSE(both.P99Ms());
  EXPECT_TRUE(both.Add(fast.Take()));
  EXPECT_NEAR(both.P99Ms().value(), 5, 0.11);
  EXPECT_TRUE(both.Add(slow.Take()));
  EXPECT_NEAR(both.P99Ms().value(), 80, 1.61) << "1.5 % of all are slow";
  EXPECT_FALSE(both.Add(Bytes{2, 0, 5, 0x80})) << "nothing of a sketch that is cut short";
  EXPECT_NEAR(both.P99Ms().value(), 80, 1.61);
}

TEST(LatencyP99, IsNothingForWhatIsNoSketch) {
  EXPECT_FALSE(LatencyP99Ms({}));
  EXPECT_FALSE(LatencyP99Ms(Bytes{2}));
  EXPECT_FALSE(LatencyP99Ms(Bytes{2, 0}));
  EXPECT_FALSE(LatencyP99Ms(Bytes{2, 0, 0})) << "no latency in it";
  EXPECT_FALSE(LatencyP99Ms(Bytes{2, 0xff, 0xff, 0x7f, 1})) << "beyond every latency";
  SeededRandom random(1);
  for (int i = 0; i < 2'000; ++i) {
    Bytes noise(random.Below(40));
    random.Fill(noise);
    (void)LatencyP99Ms(noise);
  }
}

}  // namespace
}  // namespace sluice
