#include "rollout_engine/rules/payload.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(Payload, IsRefusedWhenItIsNoJson) {
  for (const char* const text :
       {"", "{", "{\"a\":1}x", "nan", "'a'", "{\"a\":\"\xff\"}", "1e999"}) {
    const auto payload = Payload::ParseJson(text);
    ASSERT_FALSE(payload) << text;
    EXPECT_EQ(payload.error().code, ErrorCode::kRuleValue) << text;
  }
}

TEST(Payload, MayBeOneValue) {
  EXPECT_EQ(Payload::ParseJson("42")->root().number, 42);
  EXPECT_EQ(Payload::ParseJson("\"x\"")->root().text, "x");
  EXPECT_EQ(Payload::FromText("STOPPED")->root().text, "STOPPED");
  EXPECT_FALSE(Payload::FromText("\xff"));
}

TEST(Payload, SurvivesAnyDepth) {
  const std::string deep = std::string(60'000, '[') + std::string(60'000 / 2, ']');
  EXPECT_FALSE(Payload::ParseJson(deep));
  EXPECT_TRUE(Payload::ParseJson(std::string(30'000, '[') + std::string(30'000, ']')));
}

TEST(Payload, WritesValuesAsJsonDoes) {
  const auto payload =
      Payload::ParseJson(R"([1, -0.5, 1e300, 9007199254740993, "a\"b", null, true])");
  ASSERT_TRUE(payload);
  const auto at = [&](std::size_t i) { return JsonText(Payload::Element(payload->root(), i)); };
  EXPECT_EQ(at(0), "1");
  EXPECT_EQ(at(1), "-0.5");
  EXPECT_EQ(at(2), "1e+300");
  EXPECT_EQ(at(3), "9007199254740992");
  EXPECT_EQ(at(4), R"("a\"b")");
  EXPECT_EQ(at(5), "null");
  EXPECT_EQ(at(6), "true");
  EXPECT_EQ(at(7), "missing");
  EXPECT_EQ(JsonText(payload->root()), "[7 elements]");
  EXPECT_EQ(ScalarText(Payload::Element(payload->root(), 4)), "a\"b");
}

}  // namespace
}  // namespace sluice
