// A simulated run as a picture: what the last interval shows, and what is known of the fleet.
#pragma once

#include <string>

#include "rollout_engine/simulate/stage_run.h"

namespace sluice {

/// An SVG of the test arm's error rate over one run of the evidence rule: a point per look for the
/// last interval, the band between the two bounds, the limit, and how the run ended.
std::string PlotRun(const SimulatedStage& stage, const Scenario& scenario, std::uint64_t seed);

}  // namespace sluice
