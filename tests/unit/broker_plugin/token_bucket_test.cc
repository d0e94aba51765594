#include "broker_plugin/token_bucket.h"

#include <gtest/gtest.h>

namespace sluice::plugin {
namespace {

int TakeAll(TokenBucket& bucket, BootMs now) {
  int taken = 0;
  while (taken < 100'000 && bucket.TryTake(1, now)) ++taken;
  return taken;
}

TEST(TokenBucket, StartsFullAndGivesItsBurst) {
  TokenBucket bucket(20, 100, {5'000});
  EXPECT_EQ(TakeAll(bucket, {5'000}), 100);
}

TEST(TokenBucket, GivesItsRateWhateverTheStepsOfTheClock) {
  for (const int step_ms : {1, 7, 50, 999}) {
    TokenBucket bucket(20, 100, {0});
    TakeAll(bucket, {0});
    int taken = 0;
    for (BootMs now{0}; now.ms < 10'000;) {
      now = now + step_ms;
      taken += TakeAll(bucket, now);
    }
    EXPECT_NEAR(taken, 200, 20) << step_ms;
  }
}

TEST(TokenBucket, SavesUpNoMoreThanItsBurst) {
  TokenBucket bucket(20, 100, {0});
  TakeAll(bucket, {0});
  EXPECT_EQ(TakeAll(bucket, {86'400'000}), 100);
}

TEST(TokenBucket, GivesNothingForTheTimeThatAClockRunsBack) {
  TokenBucket bucket(20, 100, {60'000});
  TakeAll(bucket, {60'000});
  EXPECT_EQ(TakeAll(bucket, {0}), 0);
  EXPECT_EQ(TakeAll(bucket, {60'000}), 0);
}

TEST(TokenBucket, TakesAllOrNothing) {
  TokenBucket bucket(1'000, 1'000, {0});
  EXPECT_FALSE(bucket.TryTake(1'001, {0}));
  EXPECT_TRUE(bucket.TryTake(1'000, {0}));
  EXPECT_FALSE(bucket.TryTake(1, {0}));
}

TEST(TokenBucket, KeepsNoMoreThanANewBurstAllows) {
  TokenBucket bucket(20, 100, {0});
  bucket.SetRate(1, 5);
  EXPECT_EQ(TakeAll(bucket, {0}), 5);
  EXPECT_EQ(TakeAll(bucket, {2'000}), 2);
}

}  // namespace
}  // namespace sluice::plugin
