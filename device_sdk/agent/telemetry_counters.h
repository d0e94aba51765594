// Counts what the serving model does; recording is lock-free and may happen on any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "device_sdk/agent/latency_sketch.h"

namespace sluice::device {

/// Cumulative since the activation began, as telemetry wants them.
struct CounterSnapshot {
  std::uint32_t inferences = 0, errors = 0, over_latency = 0;
  std::uint32_t labelled = 0, correct_q8 = 0;
};

/// Recording: any thread. Everything else: the agent's thread.
class TelemetryCounters {
 public:
  void RecordInference(std::int64_t latency_us, bool ok) noexcept;
  /// 0..1; what is not (NaN included) counts as labelled and wrong, never as a success.
  void RecordOutcome(double score) noexcept;

  /// A new activation: everything from 0, inferences slower than `latency_limit_us` are
  /// over_latency (0 = none are).
  void StartActivation(std::uint32_t latency_limit_us) noexcept;
  /// Another limit for the same activation.
  void SetLatencyLimit(std::uint32_t latency_limit_us) noexcept;
  /// What is counted can be read at any time: errors and over_latency are never above inferences.
  [[nodiscard]] CounterSnapshot Read() const noexcept;
  /// The latencies since the last call, encoded; empty if there were none.
  Bytes TakeSketch();

 private:
  struct Block {
    std::atomic<std::uint32_t> inferences{0}, errors{0}, over_latency{0}, labelled{0},
        correct_q8{0};
    std::atomic<std::uint32_t> latency_limit_us{0};
    void Clear(std::uint32_t limit_us) noexcept;
  };
  // Two blocks take turns, so that a switch never mixes the counts of two models in one.
  std::array<Block, 2> blocks_;
  std::atomic<std::size_t> current_{0};
  LatencySketch sketch_;
};

}  // namespace sluice::device
