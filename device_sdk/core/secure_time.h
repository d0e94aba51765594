// The time against which validity is judged: the engine's word where there is one, never a wall
// clock alone.
#pragma once

#include <optional>

#include "common/base/clock.h"
#include "common/base/result.h"

namespace sluice::device {

/// t0 = `now` of the newest Answer + boot-clock time since; before an Answer the wall clock, but
/// never below the floor.
class SecureTime {
 public:
  /// `floor_ms`: the highest `now` of any verified word of the engine, at first the Root's
  /// `created`.
  explicit SecureTime(std::int64_t floor_ms) : floor_ms_(floor_ms) {}

  /// A `now` more than five minutes below the floor, or beyond `root_expires_ms` + 400 days, is
  /// E_CLOCK.
  Status Check(std::int64_t now_ms, std::int64_t root_expires_ms) const;
  /// A live Answer (its nonce is ours). REQUIRES: Check passed.
  void OnAnswer(std::int64_t now_ms, BootMs at);
  /// A Freshness, perhaps an old one. REQUIRES: Check passed.
  void OnFreshness(std::int64_t now_ms) { floor_ms_ = now_ms > floor_ms_ ? now_ms : floor_ms_; }
  /// After a Root that keeps no former director key.
  void Reset(std::int64_t floor_ms);

  [[nodiscard]] std::int64_t NowMs(WallMs wall, BootMs boot) const;
  /// True iff only the floor is known: no Answer yet and a wall clock that is plainly wrong
  /// (W_CLOCK_UNTRUSTED).
  [[nodiscard]] bool IsUntrusted(WallMs wall) const;
  /// An Answer of this boot has said what time it is; before that NowMs is a guess.
  [[nodiscard]] bool IsLive() const { return anchor_.has_value(); }
  [[nodiscard]] std::int64_t floor_ms() const { return floor_ms_; }

 private:
  [[nodiscard]] bool IsWallPlausible(WallMs wall) const;

  std::int64_t floor_ms_;
  struct Anchor {
    std::int64_t now_ms;
    BootMs at;
  };
  std::optional<Anchor> anchor_;
};

}  // namespace sluice::device
