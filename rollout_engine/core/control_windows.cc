#include "rollout_engine/core/control_windows.h"

#include <cmath>

#include "common/base/check.h"
#include "common/base/random.h"

namespace sluice {

std::vector<std::size_t> ControlsToRestart(std::size_t controls, std::int64_t exposed,
                                           std::uint64_t seed) {
  SLUICE_CHECK(exposed >= 1);
  std::vector<std::size_t> places;
  SeededRandom random(seed);
  const double log_stay = exposed == 1 ? 0 : std::log1p(-1 / static_cast<double>(exposed));
  for (std::size_t place = 0; place < controls; ++place) {
    if (exposed > 1) {  // past those that stay: how many follows a geometric distribution
      const double uniform = (static_cast<double>(random.Next() >> 11) + 0.5) * 0x1p-53;
      const double stay = std::floor(std::log(uniform) / log_stay);
      if (stay >= static_cast<double>(controls - place)) break;
      place += static_cast<std::size_t>(stay);
    }
    places.push_back(place);
  }
  return places;
}

}  // namespace sluice
