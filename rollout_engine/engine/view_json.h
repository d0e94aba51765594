// What people and their tools see, as flat JSON: the payloads of the operator plane, which the HTTP
// API extends.
//
// Built from the engine's state at one moment, keeps nothing. Included by .cc files only: the JSON
// library is slow to compile.
#pragma once

#include <string>

#include "rollout_engine/engine/rollout_runner.h"
#include "rollout_engine/engine/stored_json.h"
#include "rollout_engine/engine/views.h"

namespace sluice {

/// The state that views are built from.
struct ViewSources {
  const RolloutLog& log;
  const DeviceDirectory& devices;
  const TelemetryBook& telemetry;
  const RolloutRunner& runner;
  Offers& offers;  // looks up and remembers names of releases
  BootMs now;
  WallMs wall;
};

/// Where a device is in its update: by the rollout that has it, else by its own last word.
DeviceState StateOf(const ViewSources& sources, const Device& device);
/// An operator's word for what a report says.
DeviceState StateOf(ReportState state) noexcept;

Json EngineJson(const EngineFacts& facts, const ViewSources& sources);
Json FleetJson(const ViewSources& sources);
Json RolloutJson(const ViewSources& sources, const RolloutEntry& entry);
/// REQUIRES: 0 <= stage < stages.
Json StageJson(const ViewSources& sources, const RolloutEntry& entry, std::int32_t stage);
/// One release of several that are compared, with its newest look. REQUIRES: 0 <= variant <
/// variants.
Json VariantJson(const ViewSources& sources, const RolloutEntry& entry, std::int32_t variant);
/// REQUIRES: `look` is of this rollout.
Json ComparisonJson(const RolloutEntry& entry, const LookSummary& look);
Json DeviceJson(const ViewSources& sources, const Device& device);
Json DeviceMetricsJson(const ViewSources& sources, const Device& device);

}  // namespace sluice
