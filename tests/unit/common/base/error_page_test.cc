#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

#include "common/base/error_codes.h"

namespace sluice {
namespace {

TEST(ErrorPage, ExplainsEveryCodeOnceAndNoOther) {
  std::ifstream page(SLUICE_SOURCE_DIR "/docs/errors.md");
  ASSERT_TRUE(page.is_open());
  std::set<std::string> explained;
  for (std::string line; std::getline(page, line);) {
    if (!line.starts_with("| `E_")) continue;
    const std::string code = line.substr(3, line.find('`', 3) - 3);
    EXPECT_TRUE(explained.insert(code).second) << code << " is explained twice";
    EXPECT_TRUE(CodeFromName(code).has_value()) << code << " does not exist";
  }
#define SLUICE_EXPECT_EXPLAINED(name, text) EXPECT_TRUE(explained.contains(text)) << text;
  SLUICE_ERROR_CODES(SLUICE_EXPECT_EXPLAINED)
#undef SLUICE_EXPECT_EXPLAINED
}

}  // namespace
}  // namespace sluice
