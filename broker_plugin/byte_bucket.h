// A byte rate with a short memory: what was not sent may be sent later, up to a quarter of a
// second's worth.
#pragma once

#include <algorithm>
#include <cstdint>

#include "broker_plugin/chunk_limits.h"
#include "common/base/clock.h"

namespace sluice::plugin {

class ByteBucket {
 public:
  /// Starts full. A rate of 0 is no limit.
  ByteBucket(std::uint64_t bytes_per_s, BootMs now)
      : bytes_per_s_(static_cast<std::int64_t>(std::min(bytes_per_s, kRateMax))),
        level_(Capacity()),
        filled_at_(now) {}

  /// Whether anything may be sent now: a chunk that is longer than what is left is sent and owed.
  [[nodiscard]] bool MaySend(BootMs now) {
    if (bytes_per_s_ == 0) return true;
    Refill(now);
    return level_ > 0;
  }
  /// REQUIRES: MaySend said so at this time.
  void Take(std::uint64_t bytes) {
    if (bytes_per_s_ != 0) level_ -= static_cast<std::int64_t>(bytes) * kUnits;
  }
  /// Forgetting a full bucket loses nothing.
  [[nodiscard]] bool IsFull(BootMs now) const { return LevelAt(now) == Capacity(); }

 private:
  static constexpr std::uint64_t kRateMax = 1ULL << 40;
  // Levels are in thousandths of a byte, so that a rate below 1 kB/s fills within a millisecond,
  // too.
  static constexpr std::int64_t kUnits = 1'000;

  [[nodiscard]] std::int64_t Capacity() const { return bytes_per_s_ * limits::kBucketDepth; }
  [[nodiscard]] std::int64_t LevelAt(BootMs now) const {
    const std::int64_t passed_ms = std::clamp<std::int64_t>(now - filled_at_, 0, kRefillMax);
    return std::min(Capacity(), level_ + passed_ms * bytes_per_s_);
  }
  void Refill(BootMs now) {
    level_ = LevelAt(now);
    filled_at_ = std::max(filled_at_, now);
  }
  static constexpr std::int64_t kRefillMax = 3'600'000;  // ms

  std::int64_t bytes_per_s_;
  std::int64_t level_;
  BootMs filled_at_;
};

}  // namespace sluice::plugin
