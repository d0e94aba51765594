// What a device should have been told and was not: after a restart, a lost message, or an absence.
#pragma once

#include <optional>

#include "rollout_engine/engine/dispatch.h"
#include "rollout_engine/engine/rollout_log.h"

namespace sluice {

/// Nothing when the Directive that stands does what the rollouts want of the device, or when they
/// want nothing.
std::optional<Wanted> MissingDirective(const RolloutLog& log, Offers& offers, const Device& device,
                                       WallMs now);

/// The same, but only what completed rollouts have brought to its like: what is left to say to one
/// whose own rollout has just ended.
std::optional<Wanted> MissingBaseline(const RolloutLog& log, Offers& offers, const Device& device,
                                      WallMs now);

}  // namespace sluice
