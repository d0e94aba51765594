#include "common/contract/topics.h"

#include <algorithm>
#include <array>
#include <optional>

#include "common/base/check.h"
#include "common/contract/limits.h"

namespace sluice {
namespace {

constexpr std::string_view kUpPrefix = "sluice-dev/v1/up/";
constexpr std::string_view kDownPrefix = "sluice-dev/v1/down/";
constexpr std::string_view kAllPrefix = "sluice-dev/v1/all/";

// In the order of the enumerators.
constexpr std::array<std::string_view, 5> kUpNames = {"hello", "report", "telemetry", "presence",
                                                      "fetch"};
constexpr std::array<std::string_view, 2> kDownNames = {"directive", "chunk"};
constexpr std::array<std::string_view, 3> kAllNames = {"root", "freshness", "order"};

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

template <class Kind, std::size_t n>
std::string_view NameOf(Kind kind, const std::array<std::string_view, n>& names) {
  const auto index = static_cast<std::size_t>(kind);
  SLUICE_CHECK(index < n);
  return names[index];
}

template <class Kind, std::size_t n>
std::optional<Kind> KindOf(std::string_view name, const std::array<std::string_view, n>& names) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Kind>(found - names.begin());
}

/// Cuts the first level off `rest`; the whole of it when there is no '/'.
std::string_view TakeLevel(std::string_view& rest) {
  const std::size_t slash = rest.find('/');
  const std::string_view level = rest.substr(0, slash);
  rest = slash == std::string_view::npos ? std::string_view{} : rest.substr(slash + 1);
  return level;
}

/// "p00".."p63"; -1 for anything else.
int PartitionNumber(std::string_view level) {
  if (level.size() != 3 || level[0] != 'p') return -1;
  if (level[1] < '0' || level[1] > '9' || level[2] < '0' || level[2] > '9') return -1;
  const int number = (level[1] - '0') * 10 + (level[2] - '0');
  return number < limits::kPartitions ? number : -1;
}

// The topic itself stays out of the text: it comes from outside and may hold anything.
tl::unexpected<Error> NotATopic(std::string_view plane) {
  return Fail(ErrorCode::kTopic, "not a topic of " + std::string(plane) +
                                     "; schemas/topics.md lists the topics of this protocol");
}

}  // namespace

bool IsTopicLevel(std::string_view text) noexcept {
  return !text.empty() && text.size() <= limits::kTopicLevelMax &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsAlphanumeric(c) || c == '_' || c == '-'; });
}

bool IsRegistryId(std::string_view text) noexcept {
  return !text.empty() && text.size() <= limits::kIdMax && text.front() != '.' &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return IsAlphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

Status CheckIdentity(std::string_view what, std::string_view text) {
  if (IsTopicLevel(text)) return {};
  return Fail(ErrorCode::kBadIdentity, std::string(what) + ": allowed [A-Za-z0-9_-]{1,64}");
}

Status CheckRegistryId(std::string_view what, std::string_view text) {
  if (IsRegistryId(text)) return {};
  return Fail(ErrorCode::kBadId,
              std::string(what) + ": allowed [A-Za-z0-9._-]{1,64}, not starting with '.'");
}

std::string BuildTopic(const UpTopic& topic) {
  SLUICE_CHECK(IsTopicLevel(topic.device));
  SLUICE_CHECK(topic.partition >= 0 && topic.partition < limits::kPartitions);
  std::string text(kUpPrefix);
  text += 'p';
  text += static_cast<char>('0' + topic.partition / 10);
  text += static_cast<char>('0' + topic.partition % 10);
  text += '/';
  text += topic.device;
  text += '/';
  text += NameOf(topic.kind, kUpNames);
  return text;
}

std::string BuildTopic(const DownTopic& topic) {
  SLUICE_CHECK(IsTopicLevel(topic.device));
  std::string text(kDownPrefix);
  text += topic.device;
  text += '/';
  text += NameOf(topic.kind, kDownNames);
  return text;
}

std::string BuildTopic(AllKind kind) {
  return std::string(kAllPrefix) + std::string(NameOf(kind, kAllNames));
}

Result<UpTopic> ParseUpTopic(std::string_view text) {
  if (!text.starts_with(kUpPrefix)) return NotATopic("sluice-dev/v1/up");
  std::string_view rest = text.substr(kUpPrefix.size());
  const int partition = PartitionNumber(TakeLevel(rest));
  const std::string_view device = TakeLevel(rest);
  const std::optional<UpKind> kind = KindOf<UpKind>(rest, kUpNames);
  if (partition < 0 || !IsTopicLevel(device) || !kind) return NotATopic("sluice-dev/v1/up");
  return UpTopic{partition, std::string(device), *kind};
}

Result<DownTopic> ParseDownTopic(std::string_view text) {
  if (!text.starts_with(kDownPrefix)) return NotATopic("sluice-dev/v1/down");
  std::string_view rest = text.substr(kDownPrefix.size());
  const std::string_view device = TakeLevel(rest);
  const std::optional<DownKind> kind = KindOf<DownKind>(rest, kDownNames);
  if (!IsTopicLevel(device) || !kind) return NotATopic("sluice-dev/v1/down");
  return DownTopic{std::string(device), *kind};
}

Result<AllKind> ParseAllTopic(std::string_view text) {
  if (!text.starts_with(kAllPrefix)) return NotATopic("sluice-dev/v1/all");
  const std::optional<AllKind> kind = KindOf<AllKind>(text.substr(kAllPrefix.size()), kAllNames);
  if (!kind) return NotATopic("sluice-dev/v1/all");
  return *kind;
}

std::string UpFilter(UpKind kind) {
  return std::string(kUpPrefix) + "+/+/" + std::string(NameOf(kind, kUpNames));
}

}  // namespace sluice
