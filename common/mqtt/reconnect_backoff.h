// How long to wait before the next connection: full jitter under a ceiling that doubles.
//
// Without the jitter a broker's restart would bring its whole fleet back in the same second.
#pragma once

#include <cstdint>

#include "common/base/random.h"

namespace sluice {

struct ReconnectDelays {
  std::int64_t first_ms = 1'000;
  std::int64_t max_ms = 300'000;
};

class ReconnectBackoff {
 public:
  /// REQUIRES: 0 < first_ms <= max_ms.
  explicit ReconnectBackoff(ReconnectDelays delays);
  /// Uniform in [0, ceiling]; the ceiling doubles with each call up to max_ms.
  std::int64_t NextMs(Random& random);
  /// Says how long the last connection was up. Only one that outlived the ceiling resets it: two
  /// clients that push each other off the broker by the same id must slow down too.
  void ConnectionLasted(std::int64_t ms);

 private:
  ReconnectDelays delays_;
  std::int64_t ceiling_ms_;
};

}  // namespace sluice
