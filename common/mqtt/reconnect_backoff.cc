#include "common/mqtt/reconnect_backoff.h"

#include <algorithm>

#include "common/base/check.h"

namespace sluice {

ReconnectBackoff::ReconnectBackoff(ReconnectDelays delays)
    : delays_(delays), ceiling_ms_(delays.first_ms) {
  SLUICE_CHECK(0 < delays.first_ms && delays.first_ms <= delays.max_ms);
}

std::int64_t ReconnectBackoff::NextMs(Random& random) {
  const auto draw = random.Below(static_cast<std::uint64_t>(ceiling_ms_) + 1);
  // Halved instead of doubled in the comparison, so that no ceiling can overflow.
  ceiling_ms_ = ceiling_ms_ > delays_.max_ms / 2 ? delays_.max_ms : ceiling_ms_ * 2;
  return static_cast<std::int64_t>(draw);
}

void ReconnectBackoff::ConnectionLasted(std::int64_t ms) {
  if (ms > ceiling_ms_) ceiling_ms_ = delays_.first_ms;
}

}  // namespace sluice
