#include "rollout_engine/core/cohort.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr double kAboveAllUnits = 1;

}  // namespace

std::size_t CohortSize(MilliPercent target, std::size_t count) {
  const std::uint64_t scaled = static_cast<std::uint64_t>(target) * count;
  return static_cast<std::size_t>((scaled + kAllMilliPercent - 1) / kAllMilliPercent);
}

CutOff ChooseCutOff(std::vector<RankedDevice> devices, MilliPercent target, MilliPercent holdback) {
  if (target >= kAllMilliPercent && holdback == 0) return {kAboveAllUnits, ""};
  const std::size_t held_back =
      static_cast<std::uint64_t>(holdback) * devices.size() / kAllMilliPercent;
  const std::size_t taken =
      std::min(CohortSize(target, devices.size()), devices.size() - held_back);
  if (taken == 0) return {};
  const auto last = devices.begin() + static_cast<std::ptrdiff_t>(taken - 1);
  std::nth_element(devices.begin(), last, devices.end());
  return {last->unit, std::string(last->id)};
}

std::size_t ChooseVariant(std::span<const VariantSpec> variants, double variant_unit) {
  double weights = 0;
  for (const VariantSpec& variant : variants) weights += variant.weight;
  double below = 0;
  for (std::size_t i = 0; i + 1 < variants.size(); ++i) {
    below += variants[i].weight;
    if (variant_unit * weights < below) return i;
  }
  return variants.empty() ? 0 : variants.size() - 1;
}

std::vector<std::string> ChooseControl(
    const std::map<std::string, std::vector<RankedDevice>>& beyond, std::size_t most) {
  std::size_t candidates = 0;
  for (const auto& [hardware, devices] : beyond) candidates += devices.size();
  std::vector<std::string> chosen;
  for (const auto& [hardware, devices] : beyond) {
    // Rounded down, so that the shares never add up to more than `most`.
    const std::size_t share =
        candidates <= most ? devices.size() : devices.size() * most / candidates;
    std::vector<RankedDevice> ranked = devices;
    std::sort(ranked.begin(), ranked.end());
    for (std::size_t i = 0; i < share; ++i) chosen.emplace_back(ranked[i].id);
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace sluice
