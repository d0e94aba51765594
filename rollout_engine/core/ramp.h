// The ramp: how many devices may switch now. Counts permits, not offers.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "common/base/clock.h"
#include "rollout_engine/core/rollout_spec.h"

namespace sluice {

/// Waves of permits that grow while the last wave is healthy, under a cap per minute.
struct Ramp {
  std::int32_t wave_size = 0;
  BootMs wave_started;
  std::set<std::string> wave;  // who got a permit in this wave
  BootMs minute_started;
  std::int32_t granted_in_minute = 0;
  friend bool operator==(const Ramp&, const Ramp&) = default;
};

/// The first wave, from now.
Ramp StartRamp(const RateSpec& rate, BootMs now);
/// How many permits may be given at this moment.
std::int32_t PermitsLeft(const Ramp& ramp, const RateSpec& rate, BootMs now);
/// REQUIRES: PermitsLeft > 0.
void CountPermit(Ramp& ramp, const std::string& device, BootMs now);
/// Opens the next wave if its time has come: larger only if the last one was used up and is
/// `healthy` (or the file does not ask for it). A wave that is not yet healthy stays open, without
/// further permits.
void AdvanceRamp(Ramp& ramp, const RateSpec& rate, bool healthy, BootMs now);
/// When to look again whether PermitsLeft has risen. Later than `now`.
BootMs RampDueAt(const Ramp& ramp, const RateSpec& rate, BootMs now);

}  // namespace sluice
