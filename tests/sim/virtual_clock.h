// Clocks of a simulated world: one time that only the simulation moves, seen by each machine in its
// own way.
#pragma once

#include "common/base/check.h"
#include "common/base/clock.h"

namespace sluice::sim {

/// The world's own time, from 0. The engine's machine reads it unchanged.
class VirtualClock final : public Clock {
 public:
  explicit VirtualClock(std::int64_t wall_start_ms) : wall_start_ms_(wall_start_ms) {}
  void MoveTo(std::int64_t now_ms) {
    SLUICE_CHECK(now_ms >= now_ms_);
    now_ms_ = now_ms;
  }
  [[nodiscard]] std::int64_t now_ms() const { return now_ms_; }
  [[nodiscard]] WallMs Wall() const override { return {wall_start_ms_ + now_ms_}; }
  [[nodiscard]] BootMs Boot() const override { return {now_ms_}; }
  [[nodiscard]] std::int64_t MonotonicUs() const override { return now_ms_ * 1000; }

 private:
  const std::int64_t wall_start_ms_;
  std::int64_t now_ms_ = 0;
};

/// A device's view: its wall clock is wrong by a constant, its boot clock starts anew with the
/// power.
class DeviceClock final : public Clock {
 public:
  DeviceClock(const VirtualClock& world, std::int64_t wall_error_ms)
      : world_(world), wall_error_ms_(wall_error_ms) {}
  void PowerUp() { booted_ms_ = world_.now_ms(); }
  /// The world's time at a moment of this boot clock.
  [[nodiscard]] std::int64_t WorldMs(BootMs at) const { return booted_ms_ + at.ms; }
  [[nodiscard]] WallMs Wall() const override { return {world_.Wall().ms + wall_error_ms_}; }
  [[nodiscard]] BootMs Boot() const override { return {world_.now_ms() - booted_ms_}; }
  [[nodiscard]] std::int64_t MonotonicUs() const override { return Boot().ms * 1000; }

 private:
  const VirtualClock& world_;
  const std::int64_t wall_error_ms_;
  std::int64_t booted_ms_ = 0;
};

}  // namespace sluice::sim
