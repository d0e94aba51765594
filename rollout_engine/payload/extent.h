// A run of an artifact's bytes that either occurs in the base or is new.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace sluice {

struct Extent {
  std::uint64_t out_offset = 0;
  std::uint64_t length = 0;
  std::optional<std::uint64_t> base_offset;  // nothing: the bytes are literals
  friend bool operator==(const Extent&, const Extent&) = default;
};

/// Rising, without gaps or overlap.
using ExtentList = std::vector<Extent>;

}  // namespace sluice
