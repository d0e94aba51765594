#include "broker_plugin/byte_bucket.h"

#include <gtest/gtest.h>

namespace sluice::plugin {
namespace {

constexpr std::uint64_t kRate = 100'000;  // bytes per second

TEST(ByteBucket, HoldsAQuarterOfASecondAtFirst) {
  ByteBucket bucket(kRate, {0});
  std::uint64_t sent = 0;
  for (; bucket.MaySend({0}); sent += 1'000) bucket.Take(1'000);
  EXPECT_EQ(sent, 25'000U);
}

TEST(ByteBucket, GivesItsRateOverTime) {
  ByteBucket bucket(kRate, {0});
  std::uint64_t sent = 0;
  for (std::int64_t ms = 0; ms < 10'000; ++ms) {
    for (; bucket.MaySend({ms}); sent += 16'320) bucket.Take(16'320);
  }
  EXPECT_GE(sent, 10 * kRate);
  EXPECT_LE(sent, 10 * kRate + 25'000 + 16'320);
}

TEST(ByteBucket, LosesNoFractionOfAByteWhenAskedEveryMillisecond) {
  ByteBucket bucket(100, {0});  // a tenth of a byte per ms
  std::uint64_t sent = 0;
  for (std::int64_t ms = 0; ms <= 10'000; ++ms) {
    for (; bucket.MaySend({ms}); ++sent) bucket.Take(1);
  }
  EXPECT_EQ(sent, 1'025U);
}

TEST(ByteBucket, PaysForAChunkThatIsLongerThanItHolds) {
  ByteBucket bucket(1'000, {0});
  ASSERT_TRUE(bucket.MaySend({0}));
  bucket.Take(16'320);
  EXPECT_FALSE(bucket.MaySend({16'000}));
  EXPECT_TRUE(bucket.MaySend({16'200}));
}

TEST(ByteBucket, NeverHoldsMoreThanItsDepthHoweverLongNobodyAsks) {
  ByteBucket bucket(kRate, {0});
  EXPECT_TRUE(bucket.MaySend({90'000'000}));
  bucket.Take(25'000);
  EXPECT_FALSE(bucket.MaySend({90'000'000}));
}

TEST(ByteBucket, IsNoLimitWithARateOfZero) {
  ByteBucket bucket(0, {0});
  bucket.Take(UINT32_MAX);
  EXPECT_TRUE(bucket.MaySend({0}));
}

TEST(ByteBucket, KnowsWhenItIsFullAgain) {
  ByteBucket bucket(kRate, {0});
  EXPECT_TRUE(bucket.IsFull({0}));
  bucket.Take(10'000);
  EXPECT_FALSE(bucket.IsFull({99}));
  EXPECT_TRUE(bucket.IsFull({100}));
}

}  // namespace
}  // namespace sluice::plugin
