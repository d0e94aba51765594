#include "common/base/random.h"

#include <gtest/gtest.h>

#include <deque>

namespace sluice {
namespace {

/// Gives the draws it was told to.
class ScriptedRandom final : public Random {
 public:
  explicit ScriptedRandom(std::deque<std::uint64_t> draws) : draws_(std::move(draws)) {}
  std::uint64_t Next() override {
    const std::uint64_t draw = draws_.at(0);
    draws_.pop_front();
    return draw;
  }

 private:
  std::deque<std::uint64_t> draws_;
};

TEST(SeededRandom, GivesTheSequenceThatTheStandardPrescribes) {
  SeededRandom random(5489);
  std::uint64_t draw = 0;
  for (int i = 0; i < 10'000; ++i) draw = random.Next();
  EXPECT_EQ(draw, 9981545732273789042u);  // [rand.predef]: the 10000th of a default mt19937_64
}

TEST(RandomBelow, ThrowsAwayDrawsThatWouldFavourSmallValues) {
  // 2^64 mod 3 = 1: the highest draw belongs to an incomplete span.
  ScriptedRandom random({UINT64_MAX, UINT64_MAX - 1});
  EXPECT_EQ(random.Below(3), (UINT64_MAX - 1) % 3);
}

TEST(RandomBelow, CoversItsRangeAndNoMore) {
  SeededRandom random(1);
  std::array<int, 7> seen{};
  for (int i = 0; i < 7'000; ++i) ++seen.at(random.Below(7));
  for (const int count : seen) EXPECT_GT(count, 800);
  EXPECT_EQ(random.Below(1), 0u);
}

TEST(RandomBelow, EndsTheProcessForAnEmptyRange) {
  SeededRandom random(1);
  EXPECT_DEATH(random.Below(0), "E_INTERNAL: check failed: bound > 0");
}

TEST(RandomUnit, LiesInTheHalfOpenInterval) {
  ScriptedRandom random({0, UINT64_MAX, std::uint64_t{1} << 63});
  EXPECT_EQ(random.Unit(), 0.0);
  EXPECT_EQ(random.Unit(), 1.0 - 0x1.0p-53);
  EXPECT_EQ(random.Unit(), 0.5);
}

TEST(RandomFill, WritesEveryByteOfAnyLength) {
  for (std::size_t size = 0; size <= 17; ++size) {
    ScriptedRandom random({0x0807060504030201, 0x100f0e0d0c0b0a09, 0x1817161514131211});
    Bytes bytes(size + 1, 0xee);
    random.Fill(std::span(bytes).first(size));
    for (std::size_t i = 0; i < size; ++i) EXPECT_EQ(bytes[i], i + 1);
    EXPECT_EQ(bytes[size], 0xee);
  }
}

TEST(SystemRandom, DoesNotRepeatItself) {
  SystemRandom random;
  EXPECT_NE(random.Next(), random.Next());
}

}  // namespace
}  // namespace sluice
