#include "rollout_engine/rules/rule.h"

#include <algorithm>
#include <array>

namespace sluice {
namespace {

struct ActionRow {
  std::string_view name;
  std::string_view operation;
  bool needs_allow_start;
};
constexpr std::array<ActionRow, 8> kActionRows = {{{"rollout.pause", "pause", false},
                                                   {"rollout.abort", "abort", false},
                                                   {"rollout.roll_back", "roll_back", false},
                                                   {"rollout.resume", "resume", true},
                                                   {"rollout.start", "start", true},
                                                   {"device.quarantine", "quarantine", false},
                                                   {"publish", "", false},
                                                   {"log", "", false}}};

const ActionRow& RowOf(ActionKind kind) { return kActionRows[static_cast<std::size_t>(kind)]; }

constexpr std::string_view kTriggers = "sluice/v1/trigger/";
constexpr std::string_view kServers = "sluice/v1/server/";

}  // namespace

std::string_view ActionName(ActionKind kind) noexcept { return RowOf(kind).name; }
std::string_view OperationName(ActionKind kind) noexcept { return RowOf(kind).operation; }
bool NeedsAllowStart(ActionKind kind) noexcept { return RowOf(kind).needs_allow_start; }

std::string_view RuleModeName(RuleMode mode) noexcept {
  constexpr std::array<std::string_view, 3> kNames = {"enforce", "dry_run", "off"};
  return kNames[static_cast<std::size_t>(mode)];
}

std::vector<std::string> RuleSet::Filters() const {
  std::vector<std::string> filters;
  for (const Rule& rule : rules) {
    if (rule.mode != RuleMode::kOff) filters.push_back(rule.topic.filter);
  }
  std::ranges::sort(filters);
  const auto repeated = std::unique(filters.begin(), filters.end());
  filters.erase(repeated, filters.end());
  return filters;
}

bool IsServerEventTopic(std::string_view topic) noexcept {
  if (!topic.starts_with(kServers)) return false;
  topic.remove_prefix(kServers.size());
  const std::size_t slash = topic.find('/');
  return slash != 0 && slash != std::string_view::npos && topic.substr(slash) == "/event";
}

bool IsOwnTopic(std::string_view topic) noexcept {
  if (topic.starts_with("sluice-dev/") || topic == "sluice-dev") return true;
  if (!topic.starts_with("sluice/")) return false;
  return !topic.starts_with(kTriggers) && !IsServerEventTopic(topic);
}

}  // namespace sluice
