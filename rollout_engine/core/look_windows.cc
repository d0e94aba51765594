// The windows that a look counts in: when they open, and for whom.
#include <bit>

#include "rollout_engine/core/control_windows.h"
#include "rollout_engine/core/look.h"

namespace sluice {
namespace {

// A window counts whatever release the device reports first.
constexpr std::uint64_t kFirstReported = 0;

void OpenControlWindow(const Rollout& rollout, const std::string& device, FleetTelemetry& fleet,
                       BootMs now) {
  fleet.Update(device, [&](DeviceTotals& totals) {
    const std::uint64_t release_id = NewestRelease(totals).value_or(kFirstReported);
    TakeBaseline(totals, release_id, rollout.spec.baseline_ms, now);
    StartWindow(totals, release_id, now);
  });
}

/// Of the hardware of a device that was just exposed. Returns who began anew.
std::vector<std::string> RestartControls(const Rollout& rollout, const Member& exposed,
                                         FleetTelemetry& fleet, BootMs now) {
  std::vector<std::string> restarted;
  if (rollout.runs.empty()) return restarted;
  const StageRun& run = rollout.runs.back();
  const auto controls = run.controls.find(exposed.hardware);
  const auto count = run.exposed.find(exposed.hardware);
  if (controls == run.controls.end() || count == run.exposed.end()) return restarted;
  const auto seed = std::bit_cast<std::uint64_t>(exposed.unit);
  for (const std::size_t place : ControlsToRestart(controls->second.size(), count->second, seed)) {
    const std::string& device = controls->second[place];
    const auto member = rollout.members.find(device);
    if (member == rollout.members.end() || !member->second.control) continue;  // it has left
    OpenControlWindow(rollout, device, fleet, now);
    restarted.push_back(device);
  }
  return restarted;
}

}  // namespace

void OpenStageWindow(const Rollout& rollout, FleetTelemetry& fleet, BootMs now) {
  for (const auto& [id, member] : rollout.members) {
    if (member.control) {
      OpenControlWindow(rollout, id, fleet, now);
    } else if (IsInTestArm(rollout, member)) {
      // Its history stays that of before.
      const std::uint64_t release_id = ReleaseIdOf(rollout, member);
      fleet.Update(id, [&](DeviceTotals& totals) { StartWindow(totals, release_id, now); });
    }
  }
}

void OpenEpochWindow(const Rollout& rollout, FleetTelemetry& fleet, BootMs now) {
  for (const auto& [id, member] : rollout.members) {
    if (!member.control && !IsInTestArm(rollout, member)) continue;
    if (fleet.Contains(id))
      fleet.Update(id, [&](DeviceTotals& totals) { StartEpoch(totals, now); });
  }
}

std::vector<std::string> OpenDeviceWindow(const Rollout& rollout, const std::string& device,
                                          FleetTelemetry& fleet, BootMs now) {
  const auto member = rollout.members.find(device);
  if (member == rollout.members.end()) return {};
  const std::uint64_t release_id = ReleaseIdOf(rollout, member->second);
  fleet.Update(device, [&](DeviceTotals& totals) {
    totals.pre.reset();
    if (const auto former = NewestRelease(totals); former.has_value() && *former != release_id) {
      TakeBaseline(totals, *former, rollout.spec.baseline_ms, now);
    }
    StartWindow(totals, release_id, now);
  });
  std::vector<std::string> opened = RestartControls(rollout, member->second, fleet, now);
  opened.push_back(device);
  return opened;
}

}  // namespace sluice
