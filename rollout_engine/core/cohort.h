// Cohorts: which devices a stage takes, ranked by a hash within each hardware so that small fleets
// are exact.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rollout_engine/core/rollout_spec.h"

namespace sluice {

/// Control devices of one stage, at any fleet size: each costs one Directive.
inline constexpr std::size_t kControlDevicesMax = 20'000;

/// `unit` in [0, 1): the hash of salt and device id, computed by the caller (sluice::CohortUnit of
/// common/crypto).
struct RankedDevice {
  std::string_view id;
  double unit = 0;
  friend auto operator<=>(const RankedDevice& a, const RankedDevice& b) {
    if (auto order = a.unit <=> b.unit; order != 0) return order;
    return std::partial_ordering(a.id <=> b.id);
  }
  friend bool operator==(const RankedDevice&, const RankedDevice&) = default;
};

/// The last device that a stage takes of one hardware. A later joiner is in iff it ranks no higher.
struct CutOff {
  double unit = -1;  // below every device: takes nobody
  std::string id;
  [[nodiscard]] bool Takes(const RankedDevice& device) const {
    return device <= RankedDevice{id, unit};
  }
  friend bool operator==(const CutOff&, const CutOff&) = default;
};
using CutOffs = std::map<std::string, CutOff>;  // by hardware

/// ceil(target x count / 100 %), exactly.
std::size_t CohortSize(MilliPercent target, std::size_t count);

/// The cut-off over one hardware's eligible devices (any order). A target of 100 % without holdback
/// takes every later joiner too. The floor(holdback x count) highest-ranked devices are never
/// taken.
CutOff ChooseCutOff(std::vector<RankedDevice> devices, MilliPercent target, MilliPercent holdback);

/// Which variant a device gets: `variant_unit` against the cumulative weights. 0 without variants.
std::size_t ChooseVariant(std::span<const VariantSpec> variants, double variant_unit);

/// The control arm: of the devices beyond each hardware's cut-off the lowest-ranked, at most `most`
/// in all, shared out in proportion. `beyond` by hardware, any order. Returns ids in ascending
/// order.
std::vector<std::string> ChooseControl(
    const std::map<std::string, std::vector<RankedDevice>>& beyond,
    std::size_t most = kControlDevicesMax);

}  // namespace sluice
