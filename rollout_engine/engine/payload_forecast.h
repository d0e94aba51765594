// What an update to a release costs each kind of device in the fleet, built to know and not
// guessed.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "rollout_engine/engine/offers.h"

namespace sluice {

/// Devices that are served by one payload.
struct ForecastRow {
  std::string hardware;
  Digest base;               // zero: in full, since the engine holds nothing that they run
  std::string base_release;  // "" = none that the registry knows
  MemoryClass memory_class = MemoryClass::kL;
  std::size_t devices = 0;
  std::uint64_t artifact_bytes = 0;
  std::optional<std::uint64_t> payload_bytes;  // nothing: it is being built, or `problem`
  std::string problem;                         // why it cannot be built
};

/// Most devices first, at most limits::kForecastRowsMax, so that a look at a release leaves the
/// builder to devices that wait. Asks it for what is not built: call again until nothing is
/// missing.
std::vector<ForecastRow> ForecastPayloads(const Release& release,
                                          const std::map<std::string, Device>& devices,
                                          Offers& offers, const ObjectStore& objects);

}  // namespace sluice
