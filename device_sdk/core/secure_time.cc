#include "device_sdk/core/secure_time.h"

#include <algorithm>

#include "common/contract/limits.h"

namespace sluice::device {

Status SecureTime::Check(std::int64_t now_ms, std::int64_t root_expires_ms) const {
  if (now_ms < floor_ms_ - limits::kClockSlackBack) {
    return Fail(ErrorCode::kClock,
                "the engine's clock is behind what it said before; correct it there");
  }
  if (now_ms > root_expires_ms + limits::kClockSlackAhead) {
    return Fail(ErrorCode::kClock,
                "the engine's clock is far beyond the Root's life; correct it there");
  }
  return {};
}

void SecureTime::OnAnswer(std::int64_t now_ms, BootMs at) {
  anchor_ = Anchor{now_ms, at};
  floor_ms_ = std::max(floor_ms_, now_ms);
}

void SecureTime::Reset(std::int64_t floor_ms) {
  floor_ms_ = floor_ms;
  anchor_.reset();
}

bool SecureTime::IsWallPlausible(WallMs wall) const {
  return wall.ms >= floor_ms_ - limits::kClockSlackBack &&
         wall.ms <= floor_ms_ + limits::kClockSlackAhead;
}

std::int64_t SecureTime::NowMs(WallMs wall, BootMs boot) const {
  if (anchor_) return std::max(floor_ms_, anchor_->now_ms + (boot - anchor_->at));
  return IsWallPlausible(wall) ? std::max(floor_ms_, wall.ms) : floor_ms_;
}

bool SecureTime::IsUntrusted(WallMs wall) const { return !anchor_ && !IsWallPlausible(wall); }

}  // namespace sluice::device
