#include "common/mqtt/topic_filter.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice {
namespace {

TEST(TopicFilter, MatchesLevelByLevel) {
  EXPECT_TRUE(TopicMatches("a/b/c", "a/b/c"));
  EXPECT_FALSE(TopicMatches("a/b/c", "a/b"));
  EXPECT_FALSE(TopicMatches("a/b", "a/b/c"));
  EXPECT_FALSE(TopicMatches("a/b/c", "a/b/cc"));
  EXPECT_TRUE(TopicMatches("a//c", "a//c"));
}

TEST(TopicFilter, PlusCoversExactlyOneLevel) {
  EXPECT_TRUE(TopicMatches("up/+/+/hello", "up/p07/dev-1/hello"));
  EXPECT_FALSE(TopicMatches("up/+/+/hello", "up/p07/dev-1/report"));
  EXPECT_FALSE(TopicMatches("up/+/hello", "up/p07/dev-1/hello"));
  EXPECT_TRUE(TopicMatches("+", "a"));
  EXPECT_FALSE(TopicMatches("+", "a/b"));
  EXPECT_TRUE(TopicMatches("a/+", "a/"));
}

TEST(TopicFilter, HashCoversTheRestAndTheParent) {
  EXPECT_TRUE(TopicMatches("#", "a/b/c"));
  EXPECT_TRUE(TopicMatches("a/#", "a/b/c"));
  EXPECT_TRUE(TopicMatches("a/#", "a"));
  EXPECT_FALSE(TopicMatches("a/#", "ab"));
  EXPECT_FALSE(TopicMatches("a/b/#", "a"));
}

TEST(TopicFilter, LeadingWildcardsLeaveTheBrokersOwnTopicsAlone) {
  EXPECT_FALSE(TopicMatches("#", "$SYS/uptime"));
  EXPECT_FALSE(TopicMatches("+/uptime", "$SYS/uptime"));
  EXPECT_TRUE(TopicMatches("$SYS/#", "$SYS/uptime"));
}

TEST(TopicFilter, RefusesMisplacedWildcards) {
  EXPECT_TRUE(IsTopicFilter("a/+/b/#"));
  EXPECT_TRUE(IsTopicFilter("#"));
  EXPECT_FALSE(IsTopicFilter(""));
  EXPECT_FALSE(IsTopicFilter("a/#/b"));
  EXPECT_FALSE(IsTopicFilter("a/b#"));
  EXPECT_FALSE(IsTopicFilter("a+/b"));
  EXPECT_FALSE(IsTopicFilter(std::string_view("a\0b", 3)));
  EXPECT_FALSE(IsTopicFilter(std::string(65'536, 'a')));
}

TEST(TopicFilter, RefusesToPublishToWildcardsNulAndNothing) {
  EXPECT_TRUE(IsPublishTopic("a/b"));
  EXPECT_FALSE(IsPublishTopic(""));
  EXPECT_FALSE(IsPublishTopic("a/+"));
  EXPECT_FALSE(IsPublishTopic("#"));
  EXPECT_FALSE(IsPublishTopic(std::string_view("a\0b", 3)));
  EXPECT_FALSE(IsPublishTopic(std::string(65'536, 'a')));
}

}  // namespace
}  // namespace sluice
