// The table of legal (status, event) pairs: consulted by Step, walked by a test, printed for docs.
#include <array>

#include "rollout_engine/core/rollout.h"

namespace sluice {
namespace {

constexpr Legality kNo = Legality::kRefused;
// A blank in the table. NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp)
constexpr Legality ___ = Legality::kIgnored;
constexpr Legality Yes = Legality::kAccepted;

constexpr std::array<std::string_view, kEventCount> kEventNames = {
    "Started",          "DeviceJoined",   "DeviceLeft",       "DeviceReported",  "PermitWanted",
    "LookJudged",       "TimerFired",     "PauseRequested",   "ResumeRequested", "PromoteRequested",
    "ApproveRequested", "AbortRequested", "RollBackRequested"};

using Row = std::array<Legality, kRolloutStatusCount>;
// clang-format off
constexpr std::array<Row, kEventCount> kTable = {{
    // scheduled running holding paused awaiting rolling_back rolled_back aborted completed
    {Yes,        kNo,    kNo,    kNo,   kNo,     kNo,         kNo,        kNo,    kNo},  // Started
    {___,        Yes,    Yes,    Yes,   Yes,     ___,         ___,        ___,    ___},  // DeviceJoined
    {___,        Yes,    Yes,    Yes,   Yes,     Yes,         Yes,        Yes,    Yes},  // DeviceLeft
    {___,        Yes,    Yes,    Yes,   Yes,     Yes,         Yes,        Yes,    Yes},  // DeviceReported
    {___,        Yes,    Yes,    Yes,   Yes,     ___,         ___,        ___,    Yes},  // PermitWanted
    {___,        Yes,    Yes,    Yes,   Yes,     ___,         ___,        ___,    Yes},  // LookJudged
    {___,        Yes,    Yes,    Yes,   Yes,     Yes,         ___,        ___,    Yes},  // TimerFired
    {kNo,        Yes,    Yes,    kNo,   Yes,     kNo,         kNo,        kNo,    kNo},  // PauseRequested
    {kNo,        kNo,    Yes,    Yes,   kNo,     kNo,         kNo,        kNo,    kNo},  // ResumeRequested
    {kNo,        Yes,    Yes,    Yes,   Yes,     kNo,         kNo,        kNo,    kNo},  // PromoteRequested
    {kNo,        kNo,    kNo,    kNo,   Yes,     kNo,         kNo,        kNo,    kNo},  // ApproveRequested
    {Yes,        Yes,    Yes,    Yes,   Yes,     kNo,         kNo,        kNo,    kNo},  // AbortRequested
    {kNo,        Yes,    Yes,    Yes,   Yes,     kNo,         kNo,        Yes,    Yes},  // RollBackRequested
}};
// clang-format on

std::string_view CellText(Legality legality) {
  switch (legality) {
    case Legality::kRefused:
      return "refused";
    case Legality::kIgnored:
      return "ignored";
    case Legality::kAccepted:
      return "yes";
  }
  return "";
}

}  // namespace

Legality LegalityOf(RolloutStatus status, std::size_t event) noexcept {
  return kTable[event][static_cast<std::size_t>(status)];
}

std::string_view EventName(std::size_t event) noexcept { return kEventNames[event]; }

std::string PrintRolloutTable() {
  std::string text = "| event |";
  std::string rule = "|---|";
  for (std::size_t status = 0; status < kRolloutStatusCount; ++status) {
    text += " " + std::string(RolloutStatusName(static_cast<RolloutStatus>(status))) + " |";
    rule += "---|";
  }
  text += "\n" + rule + "\n";
  for (std::size_t event = 0; event < kEventCount; ++event) {
    text += "| " + std::string(EventName(event)) + " |";
    for (std::size_t status = 0; status < kRolloutStatusCount; ++status) {
      text +=
          " " + std::string(CellText(LegalityOf(static_cast<RolloutStatus>(status), event))) + " |";
    }
    text += "\n";
  }
  return text;
}

}  // namespace sluice
