// A token bucket on the boot clock: `rate` tokens a second, at most `burst` saved up.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/base/clock.h"

namespace sluice::plugin {

/// Counts thousandths of a token, so that a rate of one a minute or a turn of one millisecond lose
/// nothing to rounding. Starts full.
class TokenBucket {
 public:
  TokenBucket() = default;
  /// REQUIRES: rate_per_s and burst at most 2^30.
  TokenBucket(std::uint32_t rate_per_s, std::uint32_t burst, BootMs now)
      : rate_per_s_(rate_per_s),
        burst_(burst),
        milli_tokens_(std::int64_t{burst} * kMilli),
        at_(now) {}

  /// Takes `tokens` if there are as many. More than the burst never fit.
  bool TryTake(std::uint32_t tokens, BootMs now) {
    if (!Has(tokens, now)) return false;
    milli_tokens_ -= std::int64_t{tokens} * kMilli;
    return true;
  }

  bool Has(std::uint32_t tokens, BootMs now) {
    Refill(now);
    return milli_tokens_ >= std::int64_t{tokens} * kMilli;
  }

  /// New limits; what was saved up stays, as far as the new burst allows.
  void SetRate(std::uint32_t rate_per_s, std::uint32_t burst) {
    rate_per_s_ = rate_per_s;
    burst_ = burst;
    milli_tokens_ = std::min(milli_tokens_, std::int64_t{burst} * kMilli);
  }

 private:
  static constexpr std::int64_t kMilli = 1'000;
  // Longer than any bucket takes to fill whose burst is at least a thousandth of its rate.
  static constexpr std::int64_t kLongMs = 3'600'000;

  void Refill(BootMs now) {
    const std::int64_t passed_ms = std::clamp<std::int64_t>(now - at_, 0, kLongMs);
    at_ = std::max(at_, now);
    milli_tokens_ = std::min(std::int64_t{burst_} * kMilli,
                             milli_tokens_ + passed_ms * std::int64_t{rate_per_s_});
  }

  std::uint32_t rate_per_s_ = 0;
  std::uint32_t burst_ = 0;
  std::int64_t milli_tokens_ = 0;
  BootMs at_;
};

}  // namespace sluice::plugin
