#include "common/contract/directive.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(ActionNames, AreThoseOfTheProtocol) {
  EXPECT_EQ(DirectiveActionName(DirectiveAction::kInstall), "install");
  EXPECT_EQ(DirectiveActionName(DirectiveAction::kRevert), "revert");
  EXPECT_EQ(DirectiveActionName(DirectiveAction::kHold), "hold");
  EXPECT_EQ(OrderActionName(OrderAction::kHold), "hold");
  EXPECT_EQ(OrderActionName(OrderAction::kAbort), "abort");
  EXPECT_EQ(OrderActionName(OrderAction::kRollBack), "roll_back");
}

TEST(ActionNames, SayUnknownForAValueOutsideTheEnum) {
  EXPECT_EQ(DirectiveActionName(static_cast<DirectiveAction>(0)), "unknown");
  EXPECT_EQ(OrderActionName(static_cast<OrderAction>(9)), "unknown");
}

TEST(SequenceNumbers, CompareByEpochThenSeq) {
  EXPECT_LT((SequenceNumber{1, 9}), (SequenceNumber{2, 0}));
  EXPECT_LT((SequenceNumber{2, 0}), (SequenceNumber{2, 1}));
  EXPECT_EQ((SequenceNumber{2, 1}), (SequenceNumber{2, 1}));
}

}  // namespace
}  // namespace sluice
