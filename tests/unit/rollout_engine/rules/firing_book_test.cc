#include "rollout_engine/rules/firing_book.h"

#include <gtest/gtest.h>

#include "rollout_engine/rules/limits.h"

namespace sluice {
namespace {

Digest Number(std::uint32_t number) {
  Digest digest;
  StoreLe(digest.bytes.data(), number);
  return digest;
}

TEST(ExpiringSet, ForgetsAtTheMomentItWasTold) {
  ExpiringSet set(10);
  set.Add(Number(1), BootMs{0}, 100);
  EXPECT_TRUE(set.Contains(Number(1), BootMs{99}));
  EXPECT_FALSE(set.Contains(Number(1), BootMs{100}));
  set.Add(Number(1), BootMs{50}, 100);
  EXPECT_TRUE(set.Contains(Number(1), BootMs{149}));
  set.Add(Number(2), BootMs{500}, 100);
  EXPECT_EQ(set.size(), 1u);
}

TEST(ExpiringSet, ForgetsWhatWouldEndFirstWhenItIsFull) {
  ExpiringSet set(3);
  set.Add(Number(1), BootMs{0}, 1'000);
  for (std::uint32_t i = 2; i < 10; ++i) set.Add(Number(i), BootMs{i}, 100);
  EXPECT_EQ(set.size(), 3u);
  EXPECT_TRUE(set.Contains(Number(1), BootMs{10}));
  EXPECT_TRUE(set.Contains(Number(9), BootMs{10}));
  EXPECT_FALSE(set.Contains(Number(2), BootMs{10}));
}

TEST(FiringBook, LimitsARuleAndAllRulesInAnyMinute) {
  FiringBook book;
  const std::size_t most = limits::kActionsPerRuleWindow;
  EXPECT_TRUE(book.MayAct("a", most, false, BootMs{0}));
  EXPECT_FALSE(book.MayAct("a", most + 1, false, BootMs{0}));
  book.NoteActions("a", most, false, BootMs{0});
  EXPECT_FALSE(book.MayAct("a", 1, false, BootMs{59'999}));
  EXPECT_TRUE(book.MayAct("a", 1, false, BootMs{60'000}));
  for (std::size_t i = 0; i < limits::kActionsPerWindow / most; ++i)
    book.NoteActions("r" + std::to_string(i), most, false, BootMs{60'000});
  EXPECT_FALSE(book.MayAct("b", 1, false, BootMs{60'001}));
  EXPECT_TRUE(book.MayAct("b", 1, true, BootMs{60'001}));
}

TEST(FiringBook, LetsADryRunCostNobodyElse) {
  FiringBook book;
  for (int i = 0; i < 20; ++i) book.NoteActions("d" + std::to_string(i), 6, true, BootMs{0});
  EXPECT_TRUE(book.MayAct("b", 6, false, BootMs{1}));
}

TEST(FiringBook, TellsSixProblemsOfARuleAMinute) {
  FiringBook book;
  int told = 0;
  for (int i = 0; i < 100; ++i) told += book.MayTell("a", BootMs{i}) ? 1 : 0;
  EXPECT_EQ(told, 6);
  EXPECT_TRUE(book.MayTell("b", BootMs{100}));
  EXPECT_TRUE(book.MayTell("a", BootMs{60'000}));
}

}  // namespace
}  // namespace sluice
