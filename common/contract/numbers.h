// Numbers that order what an engine says, and the small identifiers that ride along.
#pragma once

#include <array>
#include <compare>
#include <cstdint>

namespace sluice {

/// (engine_epoch, seq), compared in this order. {0, 0} = none yet.
struct SequenceNumber {
  std::uint64_t epoch = 0;
  std::uint64_t seq = 0;
  friend auto operator<=>(const SequenceNumber&, const SequenceNumber&) = default;
};

using Nonce = std::array<std::uint8_t, 16>;     // fresh per hello
using Instance = std::array<std::uint8_t, 16>;  // fresh per `sluice-agent init`

}  // namespace sluice
