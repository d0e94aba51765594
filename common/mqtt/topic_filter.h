// Topics and filters of MQTT 3.1.1: which are well formed and which match.
#pragma once

#include <string_view>

namespace sluice {

/// A topic that may be published to: not empty, at most 65,535 bytes, without '+', '#' and NUL.
bool IsPublishTopic(std::string_view topic) noexcept;
/// A filter that may be subscribed to: '+' stands alone in its level, '#' alone in the last one.
bool IsTopicFilter(std::string_view filter) noexcept;
/// Whether `filter` covers `topic`; a wildcard in the first level does not cover "$SYS/...".
/// REQUIRES: both well formed.
bool TopicMatches(std::string_view filter, std::string_view topic) noexcept;

}  // namespace sluice
