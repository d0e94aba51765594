#include "common/base/result.h"

#include <gtest/gtest.h>

#include <memory>

#include "common/base/check.h"

namespace sluice {
namespace {

Result<int> Half(int value) {
  if (value % 2 != 0) return Fail(ErrorCode::kUsage, std::to_string(value) + " is odd");
  return value / 2;
}

Result<int> Quarter(int value) {
  SLUICE_ASSIGN(const int half, Half(value));
  SLUICE_ASSIGN(const int quarter, Half(half));
  return quarter;
}

Status CheckDivisible(int value) {
  SLUICE_TRY(Half(value));
  return {};
}

Result<std::unique_ptr<int>> Boxed(int value) {
  SLUICE_ASSIGN(const int half, Half(value));
  return std::make_unique<int>(half);
}

TEST(ResultMacros, PassTheValueOn) {
  EXPECT_EQ(Quarter(12), 3);
  EXPECT_TRUE(CheckDivisible(2).has_value());
  EXPECT_EQ(*Boxed(8).value(), 4);
}

TEST(ResultMacros, LeaveWithTheFirstError) {
  EXPECT_EQ(Quarter(7).error(), (Error{ErrorCode::kUsage, "7 is odd"}));
  EXPECT_EQ(Quarter(6).error(), (Error{ErrorCode::kUsage, "3 is odd"}));
  EXPECT_EQ(CheckDivisible(5).error().text, "5 is odd");
  EXPECT_EQ(Boxed(1).error().code, ErrorCode::kUsage);
}

TEST(Error, ReadsFromTheOutsideIn) {
  const Error inner{ErrorCode::kIo, "no such directory"};
  EXPECT_EQ(inner.Line(), "E_IO: no such directory");
  EXPECT_EQ(inner.With("open slot b").Line(), "E_IO: open slot b: no such directory");
  EXPECT_EQ((Error{ErrorCode::kIo, ""}).Line(), "E_IO");
  EXPECT_EQ((Error{ErrorCode::kIo, ""}).With("open slot b").Line(), "E_IO: open slot b");
}

TEST(Check, NamesTheExpressionAndThePlace) {
  EXPECT_DEATH(SLUICE_CHECK(1 + 1 == 3), "E_INTERNAL: check failed: 1 \\+ 1 == 3 at .*result_test");
}

}  // namespace
}  // namespace sluice
