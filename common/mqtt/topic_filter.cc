#include "common/mqtt/topic_filter.h"

#include <cstddef>

namespace sluice {
namespace {

constexpr std::size_t kTopicBytesMax = 65'535;

/// Takes the first level off `rest`; `last` says that nothing follows it.
std::string_view TakeLevel(std::string_view& rest, bool& last) {
  const std::size_t slash = rest.find('/');
  last = slash == std::string_view::npos;
  const std::string_view level = rest.substr(0, slash);
  rest = last ? std::string_view{} : rest.substr(slash + 1);
  return level;
}

}  // namespace

bool IsPublishTopic(std::string_view topic) noexcept {
  return !topic.empty() && topic.size() <= kTopicBytesMax &&
         topic.find_first_of(std::string_view("+#\0", 3)) == std::string_view::npos;
}

bool IsTopicFilter(std::string_view filter) noexcept {
  if (filter.empty() || filter.size() > kTopicBytesMax) return false;
  if (filter.find('\0') != std::string_view::npos) return false;
  bool last = false;
  while (!last) {
    const std::string_view level = TakeLevel(filter, last);
    if (level == "+" || (level == "#" && last)) continue;
    if (level.find_first_of("+#") != std::string_view::npos) return false;
  }
  return true;
}

bool TopicMatches(std::string_view filter, std::string_view topic) noexcept {
  if (topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'))) return false;
  bool filter_ended = false;
  bool topic_ended = false;
  while (true) {
    const std::string_view want = TakeLevel(filter, filter_ended);
    if (want == "#") return true;
    const std::string_view have = TakeLevel(topic, topic_ended);
    if (want != "+" && want != have) return false;
    // "a/#" covers "a" itself too.
    if (topic_ended) return filter_ended || filter == "#";
    if (filter_ended) return false;
  }
}

}  // namespace sluice
