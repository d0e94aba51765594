// A DDSketch of latencies with 2 % relative error, recorded lock-free: for people to look at, never
// to decide by.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "common/base/bytes.h"

namespace sluice::device {

/// Bin i holds latencies v (in ms) with gamma^(i-1) < v <= gamma^i, gamma = 1.02 / 0.98; from about
/// 1 us to 100 s.
class LatencySketch {
 public:
  static constexpr int kFirstIndex = -174;
  static constexpr int kLastIndex = 288;

  /// Any thread.
  void Record(std::int64_t latency_us) noexcept;
  void Clear() noexcept;
  /// All since the last Take or Clear: zigzag varint of the first used index, then varint pairs
  /// (index delta, count). Empty without latencies. When it would exceed the telemetry's room, the
  /// highest bins are added to the last that fits.
  [[nodiscard]] Bytes Take();

 private:
  std::array<std::atomic<std::uint32_t>, kLastIndex - kFirstIndex + 1> bins_{};
};

}  // namespace sluice::device
