// MQTT topic filters as a rule writes them, with names for single levels: "plant/+line/status".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sluice {

/// A name that stands for one level of the topic, in expressions and templates.
struct Capture {
  std::string name;
  std::size_t level = 0;  // from 0
  friend bool operator==(const Capture&, const Capture&) = default;
};

struct TopicPattern {
  std::string filter;  // as the broker takes it: "plant/+/status"
  std::vector<Capture> captures;
  friend bool operator==(const TopicPattern&, const TopicPattern&) = default;
};

/// E_TOPIC: malformed, too long, too deep, a name twice or a reserved one. '+' alone captures
/// nothing.
Result<TopicPattern> ParseTopicPattern(std::string_view text);

/// Whether a topic exists that both filters cover. REQUIRES: both well formed; a topic is a filter.
bool FiltersOverlap(std::string_view a, std::string_view b) noexcept;
/// The levels of a topic or filter. Views into `topic`.
std::vector<std::string_view> LevelsOf(std::string_view topic);

/// Words of the expression language, which no capture may have as its name.
bool IsReservedWord(std::string_view word) noexcept;

}  // namespace sluice
