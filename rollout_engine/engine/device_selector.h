// Which devices a rollout file or an order means.
#pragma once

#include <string>
#include <vector>

#include "common/contract/directive.h"
#include "rollout_engine/core/rollout_spec.h"
#include "rollout_engine/engine/device_directory.h"

namespace sluice {

/// Every term holds of what the device says of itself. REQUIRES: it has said hello.
bool Fits(const std::vector<SelectorTerm>& selector, const Device& device);

/// The entry speaks of this hardware: it names it, or none.
bool IsFor(const OrderEntry& entry, const std::string& hardware);

}  // namespace sluice
