#include "common/mqtt/reconnect_backoff.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sluice {
namespace {

/// The longest of many delays that `backoff` may draw next, after so many failures.
std::int64_t Longest(ReconnectBackoff backoff, int after_failures) {
  SeededRandom random(1);
  for (int i = 0; i < after_failures; ++i) backoff.NextMs(random);
  std::int64_t longest = 0;
  for (int draw = 0; draw < 2'000; ++draw) {
    ReconnectBackoff same = backoff;
    longest = std::max(longest, same.NextMs(random));
  }
  return longest;
}

TEST(ReconnectBackoff, DoublesItsCeilingFromOneSecondToFiveMinutes) {
  const ReconnectBackoff backoff{ReconnectDelays{}};
  const std::int64_t ceilings_ms[] = {1'000,  2'000,   4'000,   8'000,   16'000, 32'000,
                                      64'000, 128'000, 256'000, 300'000, 300'000};
  for (int failures = 0; failures < 11; ++failures) {
    const std::int64_t longest_ms = Longest(backoff, failures);
    EXPECT_LE(longest_ms, ceilings_ms[failures]);
    EXPECT_GT(longest_ms, ceilings_ms[failures] * 99 / 100);
  }
}

TEST(ReconnectBackoff, SpreadsTheDelayDownToZero) {
  SeededRandom random(7);
  int below_a_tenth = 0;
  for (int i = 0; i < 1'000; ++i) {
    ReconnectBackoff backoff{ReconnectDelays{}};
    if (backoff.NextMs(random) < 100) ++below_a_tenth;
  }
  EXPECT_NEAR(below_a_tenth, 100, 40);
}

TEST(ReconnectBackoff, StartsAnewOnlyAfterAConnectionThatOutlivedTheCeiling) {
  SeededRandom random(3);
  ReconnectBackoff backoff({.first_ms = 10, .max_ms = 1'000});
  for (int i = 0; i < 5; ++i) backoff.NextMs(random);  // ceiling 320
  backoff.ConnectionLasted(320);
  EXPECT_GT(Longest(backoff, 0), 160);
  backoff.ConnectionLasted(321);
  EXPECT_LE(Longest(backoff, 0), 10);
}

}  // namespace
}  // namespace sluice
