#include "rollout_engine/rules/topic_trie.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "rollout_engine/rules/topic_pattern.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::uint32_t> Match(const TopicTrie& trie, std::string_view topic) {
  std::vector<std::uint32_t> rules;
  trie.Match(topic, rules);
  return rules;
}

TEST(TopicTrie, FindsEveryRuleWhoseFilterCoversTheTopic) {
  TopicTrie trie;
  trie.Add("plant/+/status", 0);
  trie.Add("plant/7/status", 1);
  trie.Add("plant/#", 2);
  trie.Add("#", 3);
  trie.Add("plant/7/status", 4);
  EXPECT_THAT(Match(trie, "plant/7/status"), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(Match(trie, "plant/8/status"), ElementsAre(0, 2, 3));
  EXPECT_THAT(Match(trie, "plant"), ElementsAre(2, 3));
  EXPECT_THAT(Match(trie, "other"), ElementsAre(3));
  EXPECT_THAT(Match(trie, "plant/7/status/x"), ElementsAre(2, 3));
}

TEST(TopicTrie, KeepsWildcardsOffTopicsThatStartWithADollar) {
  TopicTrie trie;
  trie.Add("#", 0);
  trie.Add("+/uptime", 1);
  trie.Add("$SYS/#", 2);
  EXPECT_THAT(Match(trie, "$SYS/uptime"), ElementsAre(2));
  EXPECT_THAT(Match(TopicTrie(), "a"), IsEmpty());
}

TEST(TopicTrie, AgreesWithAComparisonFilterByFilter) {
  const std::vector<std::string> levels = {"a", "b", "+", ""};
  std::vector<std::string> filters;
  for (const std::string& first : levels) {
    for (const std::string& second : levels) {
      filters.push_back(first + "/" + second);
      filters.push_back(first + "/" + second + "/#");
    }
    filters.push_back(first + "/#");
  }
  TopicTrie trie;
  for (std::uint32_t i = 0; i < filters.size(); ++i) trie.Add(filters[i], i);
  for (const std::string topic : {"a", "a/b", "b/b/c", "/", "//x", "c/a", "a/b/c/d"}) {
    std::vector<std::uint32_t> expected;
    for (std::uint32_t i = 0; i < filters.size(); ++i) {
      if (FiltersOverlap(filters[i], topic)) expected.push_back(i);
    }
    EXPECT_EQ(Match(trie, topic), expected) << topic;
  }
}

}  // namespace
}  // namespace sluice
