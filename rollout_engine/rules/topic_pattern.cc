#include "rollout_engine/rules/topic_pattern.h"

#include <algorithm>
#include <array>

#include "rollout_engine/config/yaml_reader.h"
#include "rollout_engine/rules/limits.h"

namespace sluice {
namespace {

constexpr std::array<std::string_view, 16> kReservedWords = {
    "payload", "topic", "client", "rule", "now",    "true", "false", "null",
    "and",     "or",    "not",    "in",   "exists", "abs",  "min",   "max"};

bool IsNameStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsNamePart(char c) { return IsNameStart(c) || (c >= '0' && c <= '9'); }

bool IsCaptureName(std::string_view name) {
  return !name.empty() && name.size() <= limits::kCaptureNameMax && IsNameStart(name.front()) &&
         std::ranges::all_of(name, IsNamePart);
}

Status AddCapture(std::string_view name, std::size_t level, TopicPattern& pattern) {
  if (!IsCaptureName(name)) {
    return Fail(ErrorCode::kTopic, "level " + Shown("+" + std::string(name)) +
                                       ": '+' stands alone or before a name of [A-Za-z0-9_]{1,32}");
  }
  if (IsReservedWord(name)) {
    return Fail(ErrorCode::kTopic,
                "'+" + std::string(name) + "' is a word of the language; take another name");
  }
  if (std::ranges::find(pattern.captures, name, &Capture::name) != pattern.captures.end()) {
    return Fail(ErrorCode::kTopic, "'+" + std::string(name) + "' names two levels; rename one");
  }
  pattern.captures.push_back({std::string(name), level});
  return {};
}

}  // namespace

bool IsReservedWord(std::string_view word) noexcept {
  return word == "matches" || std::ranges::find(kReservedWords, word) != kReservedWords.end();
}

std::vector<std::string_view> LevelsOf(std::string_view topic) {
  std::vector<std::string_view> levels;
  while (true) {
    const std::size_t slash = topic.find('/');
    levels.push_back(topic.substr(0, slash));
    if (slash == std::string_view::npos) return levels;
    topic.remove_prefix(slash + 1);
  }
}

Result<TopicPattern> ParseTopicPattern(std::string_view text) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20; };
  if (text.empty() || text.size() > limits::kRuleTopicBytesMax ||
      std::ranges::any_of(text, is_control)) {
    return Fail(ErrorCode::kTopic, Shown(text) + "; allowed 1 to " +
                                       std::to_string(limits::kRuleTopicBytesMax) +
                                       " bytes without control characters");
  }
  const std::vector<std::string_view> levels = LevelsOf(text);
  if (levels.size() > limits::kRuleTopicLevelsMax) {
    return Fail(ErrorCode::kTopic, std::to_string(levels.size()) + " levels; allowed " +
                                       std::to_string(limits::kRuleTopicLevelsMax));
  }
  TopicPattern pattern;
  for (std::size_t i = 0; i < levels.size(); ++i) {
    std::string_view level = levels[i];
    if (level.starts_with('+')) {
      if (level.size() > 1) SLUICE_TRY(AddCapture(level.substr(1), i, pattern));
      level = "+";
    } else if (level.find_first_of("+#") != std::string_view::npos &&
               !(level == "#" && i + 1 == levels.size())) {
      return Fail(ErrorCode::kTopic,
                  "level " + Shown(level) + ": '#' stands alone and last, '+' first in its level");
    }
    pattern.filter += (i == 0 ? "" : "/") + std::string(level);
  }
  return pattern;
}

bool FiltersOverlap(std::string_view a, std::string_view b) noexcept {
  const auto is_wild = [](std::string_view f) { return f.starts_with('+') || f.starts_with('#'); };
  if ((a.starts_with('$') && is_wild(b)) || (b.starts_with('$') && is_wild(a))) return false;
  while (true) {
    const std::size_t slash_a = a.find('/'), slash_b = b.find('/');
    const std::string_view level_a = a.substr(0, slash_a), level_b = b.substr(0, slash_b);
    if (level_a == "#" || level_b == "#") return true;
    if (level_a != "+" && level_b != "+" && level_a != level_b) return false;
    const bool last_a = slash_a == std::string_view::npos,
               last_b = slash_b == std::string_view::npos;
    // "a/#" covers "a" itself too.
    if (last_a && last_b) return true;
    if (last_a) return b.substr(slash_b + 1) == "#";
    if (last_b) return a.substr(slash_a + 1) == "#";
    a.remove_prefix(slash_a + 1);
    b.remove_prefix(slash_b + 1);
  }
}

}  // namespace sluice
