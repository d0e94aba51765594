// The topic grammar of schemas/topics.md: building and parsing, nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/base/result.h"

namespace sluice {

/// [A-Za-z0-9_-]{1,64}: a device identity, and any level of a topic.
bool IsTopicLevel(std::string_view text) noexcept;
/// [A-Za-z0-9._-]{1,64}, not starting with '.': names of releases, models, hardware, rollouts,
/// stages.
bool IsRegistryId(std::string_view text) noexcept;
/// Status forms of the two, with E_BAD_IDENTITY and E_BAD_ID and the rule in the text; `what` names
/// the field.
Status CheckIdentity(std::string_view what, std::string_view text);
Status CheckRegistryId(std::string_view what, std::string_view text);

enum class UpKind : std::uint8_t { kHello, kReport, kTelemetry, kPresence, kFetch };
enum class DownKind : std::uint8_t { kDirective, kChunk };
enum class AllKind : std::uint8_t { kRoot, kFreshness, kOrder };

struct UpTopic {
  int partition =
      0;  // 0..63 as written in the topic; the reader compares it with PartitionOf(device)
  std::string device;
  UpKind kind = UpKind::kHello;
  friend bool operator==(const UpTopic&, const UpTopic&) = default;
};
struct DownTopic {
  std::string device;
  DownKind kind = DownKind::kDirective;
  friend bool operator==(const DownTopic&, const DownTopic&) = default;
};

/// REQUIRES: a valid identity and a partition in 0..63.
std::string BuildTopic(const UpTopic& topic);
std::string BuildTopic(const DownTopic& topic);
std::string BuildTopic(AllKind kind);

/// Exact inverses: a text that BuildTopic would not produce is E_TOPIC.
Result<UpTopic> ParseUpTopic(std::string_view text);
Result<DownTopic> ParseDownTopic(std::string_view text);
Result<AllKind> ParseAllTopic(std::string_view text);

/// The filters that an engine subscribes to, all partitions: sluice-dev/v1/up/+/+/hello and so on.
std::string UpFilter(UpKind kind);

}  // namespace sluice
