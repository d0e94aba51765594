// Reads the latency sketch of a telemetry message (docs/protocol.md): for people to look at, never
// to decide by.
#pragma once

#include <optional>

#include "common/base/bytes.h"

namespace sluice {

/// The 99th percentile in ms, within 2 %. Nothing for bytes that are no sketch or hold no latency.
std::optional<double> LatencyP99Ms(ByteView sketch);

}  // namespace sluice
