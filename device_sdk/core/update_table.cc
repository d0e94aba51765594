// The printed form of the update machine's table.
#include "device_sdk/core/update.h"

namespace sluice::device {
namespace {

std::string NamesOf(StateSet states) {
  if (states == kAnyState) return "any";
  std::string names;
  for (int i = 0; i < kUpdateStateCount; ++i) {
    const auto state = static_cast<UpdateState>(i);
    if ((states & In(state)) == 0) continue;
    if (!names.empty()) names += ", ";
    names += UpdateStateName(state);
  }
  return names;
}

}  // namespace

std::string_view EventKindName(EventKind kind) noexcept {
  static constexpr std::array<std::string_view, kEventKindCount> kNames = {
      "Restarted",         "DirectiveReceived",      "DirectiveChecked",
      "ManifestChecked",   "PayloadWritten",         "PayloadFailed",
      "DownloadStopped",   "SlotVerified",           "Validated",
      "ActivationAllowed", "ActivatingAcknowledged", "ModelServing",
      "ModelFailed",       "TrialCheckpoint",        "TrialOver",
      "HealthBad",         "OrderReceived",          "RevertOrdered",
      "EngineSeen",        "RootReplaced",           "TimerFired",
      "Persisted"};
  const auto index = static_cast<std::size_t>(kind);
  return index < kNames.size() ? kNames[index] : "?";
}

std::string TransitionsAsMarkdown() {
  std::string text = "| state | event | next | effects |\n|---|---|---|---|\n";
  for (const Transition& row : table::kTransitions) {
    text += "| " + NamesOf(row.from) + " | " + std::string(EventKindName(row.event)) + " | " +
            NamesOf(row.next) + " | " + std::string(row.effects) + " |\n";
  }
  return text;
}

}  // namespace sluice::device
