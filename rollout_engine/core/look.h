// A look: gathers what the judge reads from a rollout and its devices' telemetry, and opens the
// windows it counts in.
#pragma once

#include <string>
#include <vector>

#include "rollout_engine/core/judge.h"
#include "rollout_engine/core/look_roster.h"
#include "rollout_engine/core/rollout.h"

namespace sluice {

struct Look {
  JudgeInput input;
  std::int32_t reachable = 0;
  std::int32_t reachable_active = 0;
  bool enough_active = false;
  std::optional<double> memory_increase_percent;
};

/// The answer to the effect RunLook, with a list of its devices. REQUIRES: the rollout is in a
/// stage.
Look BuildLook(const Rollout& rollout, const FleetTelemetry& fleet, BootMs now,
               std::int32_t variant = 0, const Sleepers& sleepers = {});
/// By the rule that the rollout's file names.
JudgeOutput JudgeLook(const Rollout& rollout, const Look& look);

struct JudgedLook {
  Look look;
  JudgeOutput output;
};
/// Both at once, reading each device where it is: the look lists none. REQUIRES: as BuildLook; a
/// roster that is fresh.
JudgedLook LookAndJudge(const Rollout& rollout, const RosterDevices& devices, BootMs now,
                        std::int32_t variant = 0);

/// What variants are ranked by: the upper bound of accuracy_drop on the fleet; where that is not
/// tested, of error_rate, then of latency_exceed. Nothing without data.
std::optional<double> RankingBound(const JudgeOutput& output);
/// The event that carries the result back.
LookJudged MakeLookJudged(const RunLook& request, const Look& look, const JudgeOutput& output);

/// The answers to the effect OpenWindow: of every device in either arm, of every device, of one
/// that activates.
void OpenStageWindow(const Rollout& rollout, FleetTelemetry& fleet, BootMs now);
void OpenEpochWindow(const Rollout& rollout, FleetTelemetry& fleet, BootMs now);
/// Returns whose windows it opened: the device's, and some of the control arm's
/// (control_windows.h).
std::vector<std::string> OpenDeviceWindow(const Rollout& rollout, const std::string& device,
                                          FleetTelemetry& fleet, BootMs now);

}  // namespace sluice
