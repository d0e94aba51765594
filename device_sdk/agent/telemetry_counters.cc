#include "device_sdk/agent/telemetry_counters.h"

namespace sluice::device {

void TelemetryCounters::Block::Clear(std::uint32_t limit_us) noexcept {
  for (auto* counter : {&inferences, &errors, &over_latency, &labelled, &correct_q8}) {
    counter->store(0, std::memory_order_relaxed);
  }
  latency_limit_us.store(limit_us, std::memory_order_relaxed);
}

void TelemetryCounters::RecordInference(std::int64_t latency_us, bool ok) noexcept {
  Block& block = blocks_[current_.load(std::memory_order_acquire)];
  const std::uint32_t limit_us = block.latency_limit_us.load(std::memory_order_relaxed);
  // The whole before its parts, and Read takes the parts first: no reader sees more errors than
  // inferences.
  block.inferences.fetch_add(1, std::memory_order_release);
  if (!ok) block.errors.fetch_add(1, std::memory_order_release);
  if (limit_us > 0 && latency_us > static_cast<std::int64_t>(limit_us)) {
    block.over_latency.fetch_add(1, std::memory_order_release);
  }
  sketch_.Record(latency_us);
}

void TelemetryCounters::RecordOutcome(double score) noexcept {
  Block& block = blocks_[current_.load(std::memory_order_acquire)];
  const bool valid = score >= 0 && score <= 1;
  block.labelled.fetch_add(1, std::memory_order_release);
  if (valid)
    block.correct_q8.fetch_add(static_cast<std::uint32_t>(score * 256), std::memory_order_release);
}

void TelemetryCounters::StartActivation(std::uint32_t latency_limit_us) noexcept {
  const std::size_t next = 1 - current_.load(std::memory_order_relaxed);
  blocks_[next].Clear(latency_limit_us);
  current_.store(next, std::memory_order_release);
  sketch_.Clear();
}

void TelemetryCounters::SetLatencyLimit(std::uint32_t latency_limit_us) noexcept {
  blocks_[current_.load(std::memory_order_relaxed)].latency_limit_us.store(
      latency_limit_us, std::memory_order_relaxed);
}

CounterSnapshot TelemetryCounters::Read() const noexcept {
  const Block& block = blocks_[current_.load(std::memory_order_relaxed)];
  CounterSnapshot snapshot;
  snapshot.errors = block.errors.load(std::memory_order_acquire);
  snapshot.over_latency = block.over_latency.load(std::memory_order_acquire);
  snapshot.correct_q8 = block.correct_q8.load(std::memory_order_acquire);
  snapshot.inferences = block.inferences.load(std::memory_order_acquire);
  snapshot.labelled = block.labelled.load(std::memory_order_acquire);
  return snapshot;
}

Bytes TelemetryCounters::TakeSketch() { return sketch_.Take(); }

}  // namespace sluice::device
