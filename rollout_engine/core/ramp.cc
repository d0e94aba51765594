#include "rollout_engine/core/ramp.h"

#include <algorithm>
#include <cmath>

#include "common/base/check.h"

namespace sluice {
namespace {

constexpr std::int64_t kMinuteMs = limits::kMinute;
constexpr std::int32_t kWaveMax = 1'000'000'000;  // the cap per minute decides long before

bool IsSameMinute(const Ramp& ramp, BootMs now) { return now - ramp.minute_started < kMinuteMs; }

std::int32_t Grown(std::int32_t wave_size, double factor) {
  return static_cast<std::int32_t>(std::min<double>(kWaveMax, std::ceil(wave_size * factor)));
}

}  // namespace

Ramp StartRamp(const RateSpec& rate, BootMs now) {
  return {
      .wave_size = rate.initial_devices, .wave_started = now, .wave = {}, .minute_started = now};
}

std::int32_t PermitsLeft(const Ramp& ramp, const RateSpec& rate, BootMs now) {
  const std::int32_t in_wave = ramp.wave_size - static_cast<std::int32_t>(ramp.wave.size());
  const std::int32_t used = IsSameMinute(ramp, now) ? ramp.granted_in_minute : 0;
  return std::max(0, std::min(in_wave, rate.max_per_minute - used));
}

void CountPermit(Ramp& ramp, const std::string& device, BootMs now) {
  if (!IsSameMinute(ramp, now)) {
    ramp.minute_started = now;
    ramp.granted_in_minute = 0;
  }
  ++ramp.granted_in_minute;
  ramp.wave.insert(device);
}

void AdvanceRamp(Ramp& ramp, const RateSpec& rate, bool healthy, BootMs now) {
  if (now - ramp.wave_started < rate.every_ms) return;
  if (rate.require_success && !healthy) return;
  // A wave that nobody needed is no evidence that a larger one is safe.
  const bool used_up = static_cast<std::int32_t>(ramp.wave.size()) >= ramp.wave_size;
  if (used_up) ramp.wave_size = Grown(ramp.wave_size, rate.factor);
  ramp.wave_started = now;
  ramp.wave.clear();
}

BootMs RampDueAt(const Ramp& ramp, const RateSpec& rate, BootMs now) {
  BootMs due = ramp.wave_started + rate.every_ms;
  if (ramp.granted_in_minute >= rate.max_per_minute) {
    due = std::min(due, ramp.minute_started + kMinuteMs);
  }
  // An overdue wave is not healthy yet: look again after as long as a wave, a minute at most.
  return due > now ? due : now + std::min(rate.every_ms, kMinuteMs);
}

}  // namespace sluice
