#include "rollout_engine/rules/topic_pattern.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

TEST(TopicPattern, NamesLevels) {
  const auto pattern = ParseTopicPattern("plant/+line/+/status/#");
  ASSERT_TRUE(pattern) << pattern.error().Line();
  EXPECT_EQ(pattern->filter, "plant/+/+/status/#");
  EXPECT_EQ(pattern->captures, (std::vector<Capture>{{"line", 1}}));
}

TEST(TopicPattern, RefusesWhatNoBrokerTakesAndNamesThatMeanSomethingElse) {
  for (const char* const text :
       {"", "a/#/b", "a#", "a+", "a/b+", "+1a", "+a-b", "+payload", "+now", "+matches", "+x/+x",
        "a\nb", "1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17"}) {
    const auto pattern = ParseTopicPattern(text);
    ASSERT_FALSE(pattern) << text;
    EXPECT_EQ(pattern.error().code, ErrorCode::kTopic) << text;
  }
  EXPECT_FALSE(ParseTopicPattern(std::string(257, 'a')));
}

TEST(TopicPattern, TellsWhetherTwoFiltersHaveATopicInCommon) {
  const auto overlap = [](const char* a, const char* b) {
    EXPECT_EQ(FiltersOverlap(a, b), FiltersOverlap(b, a)) << a << " " << b;
    return FiltersOverlap(a, b);
  };
  EXPECT_TRUE(overlap("a/b", "a/b"));
  EXPECT_TRUE(overlap("a/+", "+/b"));
  EXPECT_TRUE(overlap("a/#", "a"));
  EXPECT_TRUE(overlap("#", "x/y/z"));
  EXPECT_TRUE(overlap("a/+/c", "a/b/#"));
  EXPECT_TRUE(overlap("a/+", "a/#"));
  EXPECT_FALSE(overlap("a/b", "a/c"));
  EXPECT_FALSE(overlap("a", "a/b"));
  EXPECT_FALSE(overlap("a/+", "a/b/c"));
  EXPECT_FALSE(overlap("a/+/#", "a"));
  EXPECT_FALSE(overlap("$SYS/x", "#"));
  EXPECT_FALSE(overlap("$SYS/x", "+/x"));
  EXPECT_TRUE(overlap("$SYS/x", "$SYS/#"));
}

}  // namespace
}  // namespace sluice
