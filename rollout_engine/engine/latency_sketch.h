// Reads the latency sketch of a telemetry message (docs/protocol.md): for people to look at, never
// to decide by.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/base/bytes.h"

namespace sluice {

/// The latencies of any number of sketches, added up bin by bin.
class LatencyHistogram {
 public:
  LatencyHistogram();
  /// False for bytes that are no sketch or hold no latency; then nothing is added.
  bool Add(ByteView sketch);
  /// The 99th percentile in ms, within 2 %. Nothing without a latency.
  [[nodiscard]] std::optional<double> P99Ms() const;

 private:
  std::vector<std::uint64_t> counts_;
  std::uint64_t total_ = 0;
};

/// Of one sketch.
std::optional<double> LatencyP99Ms(ByteView sketch);

}  // namespace sluice
