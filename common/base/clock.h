// Three clocks that must not be mixed: wall for validity and display, boot for durations, monotonic
// for latency.
#pragma once

#include <compare>
#include <cstdint>

namespace sluice {

/// Milliseconds since 1970-01-01 UTC. May step; never used for a duration.
struct WallMs {
  std::int64_t ms = 0;
  friend auto operator<=>(const WallMs&, const WallMs&) = default;
};

/// Milliseconds since boot, suspend included. Durations and deadlines.
struct BootMs {
  std::int64_t ms = 0;
  friend auto operator<=>(const BootMs&, const BootMs&) = default;
  friend BootMs operator+(BootMs at, std::int64_t delta_ms) { return {at.ms + delta_ms}; }
  friend std::int64_t operator-(BootMs later, BootMs earlier) { return later.ms - earlier.ms; }
};

/// The port. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual WallMs Wall() const = 0;
  [[nodiscard]] virtual BootMs Boot() const = 0;
  /// Microseconds of a clock that neither steps nor counts suspend: latency only.
  [[nodiscard]] virtual std::int64_t MonotonicUs() const = 0;
};

/// The machine's clocks, read through libc.
class SystemClock final : public Clock {
 public:
  [[nodiscard]] WallMs Wall() const override;
  [[nodiscard]] BootMs Boot() const override;
  [[nodiscard]] std::int64_t MonotonicUs() const override;
};

}  // namespace sluice
