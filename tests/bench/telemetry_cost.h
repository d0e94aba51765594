// What the fleet's telemetry costs: intake into state that survives a restart, memory per device,
// and a look over a million devices.
#pragma once

#include "tests/bench/report.h"

namespace sluice::bench {

struct TelemetryCost {
  std::vector<Goal> goals;
  nlohmann::json rows = nlohmann::json::array();
};

/// Beside a map of structs that is stored as JSON. `quick`: a twentieth of the devices.
TelemetryCost MeasureTelemetry(bool quick);

}  // namespace sluice::bench
