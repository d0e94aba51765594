#include "common/contract/hello.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice {
namespace {

TEST(StateNames, AreDistinctWithinEachEnum) {
  std::set<std::string_view> slots, updates, reports;
  for (int i = 0; i <= 4; ++i) slots.insert(SlotStateName(static_cast<SlotState>(i)));
  for (int i = 0; i < kUpdateStateCount; ++i)
    updates.insert(UpdateStateName(static_cast<UpdateState>(i)));
  for (int i = 1; i <= 11; ++i) reports.insert(ReportStateName(static_cast<ReportState>(i)));
  EXPECT_EQ(slots.size(), 5u);
  EXPECT_EQ(updates.size(), 10u);
  EXPECT_EQ(reports.size(), 11u);
  for (const auto& names : {slots, updates, reports}) EXPECT_EQ(names.count("unknown"), 0u);
}

TEST(StateNames, SayUnknownForAValueOutsideTheEnum) {
  EXPECT_EQ(SlotStateName(static_cast<SlotState>(5)), "unknown");
  EXPECT_EQ(UpdateStateName(static_cast<UpdateState>(kUpdateStateCount)), "unknown");
  EXPECT_EQ(ReportStateName(static_cast<ReportState>(0)), "unknown");
}

TEST(TerminalReports, AreTheFiveThatEndADirective) {
  std::set<std::string_view> terminal;
  for (int i = 1; i <= 11; ++i) {
    if (IsTerminal(static_cast<ReportState>(i)))
      terminal.insert(ReportStateName(static_cast<ReportState>(i)));
  }
  EXPECT_EQ(terminal, (std::set<std::string_view>{"confirmed", "failed", "rejected", "reverted",
                                                  "withdrawn"}));
  EXPECT_FALSE(IsTerminal(static_cast<ReportState>(0)));
}

}  // namespace
}  // namespace sluice
