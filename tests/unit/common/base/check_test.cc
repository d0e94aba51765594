#include "common/base/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using testing::HasSubstr;

/// Puts the abort back, whatever the test did.
struct HandlerScope {
  explicit HandlerScope(CheckHandler handler) : former(SetCheckHandler(handler)) {}
  ~HandlerScope() { SetCheckHandler(nullptr); }
  HandlerScope(const HandlerScope&) = delete;
  HandlerScope& operator=(const HandlerScope&) = delete;
  CheckHandler former;
};

void ReturnAtOnce(const char*, const char*, int) {}

TEST(CheckDeathTest, EndsTheProcessAndSaysWhere) {
  EXPECT_DEATH(SLUICE_CHECK(1 + 1 == 3), "check failed: 1 \\+ 1 == 3 at .*check_test.cc:");
}

TEST(CheckDeathTest, EndsTheProcessWhenItsHandlerReturns) {
  const HandlerScope scope(&ReturnAtOnce);
  EXPECT_DEATH(SLUICE_CHECK(false), "E_INTERNAL");
}

TEST(CheckDeathTest, EndsTheProcessAgainOnceTheHandlerIsTakenBack) {
  SetCheckHandler(&ThrowCheckFailure);
  EXPECT_EQ(SetCheckHandler(nullptr), &ThrowCheckFailure);
  EXPECT_DEATH(SLUICE_CHECK(false), "E_INTERNAL");
}

TEST(Check, ThrowsWhatItWouldHavePrintedWhenAskedTo) {
  const HandlerScope scope(&ThrowCheckFailure);
  EXPECT_EQ(scope.former, nullptr);
  try {
    SLUICE_CHECK(2 < 1);
    FAIL() << "nothing was thrown";
  } catch (const CheckFailure& failure) {
    EXPECT_THAT(failure.what(), HasSubstr("check failed: 2 < 1 at "));
    EXPECT_THAT(failure.what(), HasSubstr("check_test.cc:"));
  }
}

TEST(Check, SaysNothingWhenItHolds) {
  const HandlerScope scope(&ThrowCheckFailure);
  EXPECT_NO_THROW(SLUICE_CHECK(true));
}

}  // namespace
}  // namespace sluice
