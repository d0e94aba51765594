// Topic filters to the numbers of the rules that have them. A topic that no filter covers costs one
// look-up a level, however many rules there are.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sluice {

class TopicTrie {
 public:
  TopicTrie() : nodes_(1) {}

  /// REQUIRES: a well-formed filter.
  void Add(std::string_view filter, std::uint32_t rule);
  /// Appends the rules whose filters cover `topic`, lowest number first. A wildcard in the first
  /// level does not cover "$SYS/...".
  void Match(std::string_view topic, std::vector<std::uint32_t>& rules) const;

 private:
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct Node {
    std::unordered_map<std::string, std::uint32_t, Hash, std::equal_to<>> children;
    std::uint32_t any_level = 0;            // child of '+', 0 = none
    std::vector<std::uint32_t> here;        // filters that end here
    std::vector<std::uint32_t> everything;  // filters that end here with '#'
  };
  std::uint32_t Child(std::uint32_t node, std::string_view level);
  void Walk(const Node& node, std::string_view rest, bool first,
            std::vector<std::uint32_t>& rules) const;

  std::vector<Node> nodes_;  // the first is the root
};

}  // namespace sluice
