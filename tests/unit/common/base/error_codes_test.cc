#include "common/base/error_codes.h"

#include <gtest/gtest.h>

#include <cctype>
#include <set>

namespace sluice {
namespace {

constexpr ErrorCode kAll[] = {
#define SLUICE_VALUE(name, text) ErrorCode::name,
    SLUICE_ERROR_CODES(SLUICE_VALUE)
#undef SLUICE_VALUE
};

TEST(ErrorCodes, HaveUniqueNamesOfOneForm) {
  std::set<std::string_view> names;
  for (const ErrorCode code : kAll) {
    const std::string_view name = CodeName(code);
    EXPECT_TRUE(names.insert(name).second) << name << " is given twice";
    EXPECT_TRUE(name.starts_with("E_") || name.starts_with("W_")) << name;
    for (const char c : name) {
      EXPECT_TRUE(std::isupper(static_cast<unsigned char>(c)) != 0 || c == '_' ||
                  std::isdigit(static_cast<unsigned char>(c)) != 0)
          << name;
    }
  }
}

TEST(ErrorCodes, AreFoundByTheirName) {
  for (const ErrorCode code : kAll) EXPECT_EQ(CodeFromName(CodeName(code)), code);
  EXPECT_EQ(CodeFromName("OK"), ErrorCode::kOk);
  EXPECT_EQ(CodeFromName("E_NO_SUCH_CODE"), std::nullopt);
  EXPECT_EQ(CodeFromName(""), std::nullopt);
}

TEST(ErrorCodes, NameAnUnknownValueAsABug) {
  EXPECT_EQ(CodeName(static_cast<ErrorCode>(60'000)), "E_INTERNAL");
}

}  // namespace
}  // namespace sluice
