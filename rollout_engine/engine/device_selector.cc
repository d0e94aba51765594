#include "rollout_engine/engine/device_selector.h"

#include <algorithm>

namespace sluice {
namespace {

bool Matches(const SelectorTerm& term, const Device& device) {
  if (term.key == "hardware") return device.hardware() == term.value;
  const auto& attributes = device.hello->attributes;
  return std::any_of(attributes.begin(), attributes.end(), [&](const auto& attribute) {
    return attribute.first == term.key && attribute.second == term.value;
  });
}

}  // namespace

bool Fits(const std::vector<SelectorTerm>& selector, const Device& device) {
  return std::all_of(selector.begin(), selector.end(),
                     [&](const SelectorTerm& term) { return Matches(term, device); });
}

bool IsFor(const OrderEntry& entry, const std::string& hardware) {
  return entry.hardware.empty() ||
         std::find(entry.hardware.begin(), entry.hardware.end(), hardware) != entry.hardware.end();
}

}  // namespace sluice
