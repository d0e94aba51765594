#include "device_sdk/core/secure_time.h"

#include <gtest/gtest.h>

#include "common/contract/limits.h"

namespace sluice::device {
namespace {

constexpr std::int64_t kFloor = 1'700'000'000'000;

TEST(SecureTime, TakesTheWallClockWhileItIsPlausible) {
  const SecureTime time(kFloor);
  EXPECT_EQ(time.NowMs({kFloor + limits::kDay}, {}), kFloor + limits::kDay);
  EXPECT_FALSE(time.IsUntrusted({kFloor + limits::kDay}));
}

TEST(SecureTime, TakesTheFloorForAClockThatIsWrongByYears) {
  const SecureTime time(kFloor);
  for (const std::int64_t wall :
       {std::int64_t{0}, kFloor - limits::kHour, kFloor + 401 * limits::kDay}) {
    EXPECT_EQ(time.NowMs({wall}, {}), kFloor);
    EXPECT_TRUE(time.IsUntrusted({wall}));
  }
}

TEST(SecureTime, RunsOnTheBootClockFromAnAnswerOn) {
  SecureTime time(kFloor);
  time.OnAnswer(kFloor + limits::kHour, {5'000});
  EXPECT_EQ(time.NowMs({0}, {8'000}), kFloor + limits::kHour + 3'000);
  EXPECT_FALSE(time.IsUntrusted({0}));
}

TEST(SecureTime, NeverFallsBelowItsFloor) {
  SecureTime time(kFloor);
  time.OnFreshness(kFloor + limits::kDay);
  time.OnFreshness(kFloor);
  EXPECT_EQ(time.floor_ms(), kFloor + limits::kDay);
}

TEST(SecureTime, RefusesAnEngineWhoseClockIsWrong) {
  const SecureTime time(kFloor);
  const std::int64_t root_expires = kFloor + 100 * limits::kDay;
  EXPECT_TRUE(time.Check(kFloor - limits::kClockSlackBack, root_expires));
  EXPECT_EQ(time.Check(kFloor - limits::kClockSlackBack - 1, root_expires).error().code,
            ErrorCode::kClock);
  EXPECT_TRUE(time.Check(root_expires + limits::kClockSlackAhead, root_expires));
  EXPECT_EQ(time.Check(root_expires + limits::kClockSlackAhead + 1, root_expires).error().code,
            ErrorCode::kClock);
}

}  // namespace
}  // namespace sluice::device
