#include "rollout_engine/rules/topic_trie.h"

#include <algorithm>

namespace sluice {

std::uint32_t TopicTrie::Child(std::uint32_t node, std::string_view level) {
  const auto next = static_cast<std::uint32_t>(nodes_.size());
  std::uint32_t child = next;
  if (level == "+") {
    if (nodes_[node].any_level != 0) return nodes_[node].any_level;
    nodes_[node].any_level = child;
  } else {
    const auto [entry, is_new] = nodes_[node].children.emplace(level, child);
    if (!is_new) return entry->second;
  }
  nodes_.emplace_back();
  return next;
}

void TopicTrie::Add(std::string_view filter, std::uint32_t rule) {
  std::uint32_t node = 0;
  while (true) {
    const std::size_t slash = filter.find('/');
    const std::string_view level = filter.substr(0, slash);
    if (level == "#") return nodes_[node].everything.push_back(rule);
    node = Child(node, level);
    if (slash == std::string_view::npos) return nodes_[node].here.push_back(rule);
    filter.remove_prefix(slash + 1);
  }
}

void TopicTrie::Match(std::string_view topic, std::vector<std::uint32_t>& rules) const {
  const auto before = static_cast<std::ptrdiff_t>(rules.size());
  Walk(nodes_.front(), topic, true, rules);
  std::sort(rules.begin() + before, rules.end());
}

// As deep as the deepest filter, not as the topic.
void TopicTrie::Walk(const Node& node, std::string_view rest, bool first,
                     std::vector<std::uint32_t>& rules) const {
  const std::size_t slash = rest.find('/');
  const std::string_view level = rest.substr(0, slash);
  const bool hidden = first && level.starts_with('$');
  if (!hidden) rules.insert(rules.end(), node.everything.begin(), node.everything.end());
  const auto descend = [&](const Node& child) {
    if (slash != std::string_view::npos) return Walk(child, rest.substr(slash + 1), false, rules);
    rules.insert(rules.end(), child.here.begin(), child.here.end());
    rules.insert(rules.end(), child.everything.begin(), child.everything.end());
  };
  if (const auto found = node.children.find(level); found != node.children.end())
    descend(nodes_[found->second]);
  if (node.any_level != 0 && !hidden) descend(nodes_[node.any_level]);
}

}  // namespace sluice
