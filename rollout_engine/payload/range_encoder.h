// Writes what common/payload/range_decoder.h reads, bit for bit. Checks no bounds: whoever holds it
// keeps enough room ahead of `next`.
#pragma once

#include <cstdint>

#include "common/payload/range_decoder.h"

namespace sluice {

/// A plain value, so that loops copy it into registers.
struct RangeEncoder {
  std::uint64_t low = 0;
  std::uint32_t range = UINT32_MAX;
  std::uint8_t* next = nullptr;

  /// REQUIRES: room for the first byte, which takes the last possible carry.
  void Begin(std::uint8_t* to) {
    *this = {};
    *to = 0;
    next = to + 1;
  }
  /// 4 bytes. Together with the first one and one per normalisation they are all.
  void Finish() {
    for (int i = 0; i < 4; ++i) Shift();
  }

  /// At most 2 bytes. Without a branch: unlike the decoder it has the bit long before it needs it.
  [[gnu::always_inline]] void Bit(Probability& probability, unsigned bit) {
    const unsigned p = probability;
    const auto zero_range = static_cast<std::uint32_t>(std::uint64_t{range} * p >> 16);
    const std::uint32_t if_one = 0 - bit;
    low += zero_range & if_one;
    range = zero_range + ((range - 2 * zero_range) & if_one);
    probability = static_cast<Probability>(AfterZero(p) + ((AfterOne(p) - AfterZero(p)) & if_one));
    Normalise();
  }
  [[gnu::always_inline]] void Tree(Probability* tree, int bits, unsigned value) {
    unsigned node = 1;
    for (int i = bits - 1; i >= 0; --i) {
      const unsigned bit = value >> i & 1;
      Bit(tree[node], bit);
      node = 2 * node + bit;
    }
  }
  /// The low `bits` of `value`, at least 1; a byte for each 8 of them or part.
  [[gnu::always_inline]] void Raw(int bits, std::uint32_t value) {
    for (; bits > 8; bits -= 8) RawGroup(8, value >> (bits - 8) & 0xFF);
    RawGroup(bits, value & ((1u << bits) - 1));
  }

 private:
  [[gnu::always_inline]] void RawGroup(int bits, std::uint32_t value) {
    range >>= bits;
    low += std::uint64_t{value} * range;
    Normalise();
  }
  [[gnu::always_inline]] void Normalise() {
    while (range < kRangeMin) {
      range <<= 8;
      Shift();
    }
  }
  [[gnu::always_inline]] void Shift() {
    if (low >> 32 != 0) Carry();
    *next++ = static_cast<std::uint8_t>(low >> 24);
    low = low << 8 & UINT32_MAX;
  }
  void Carry() {
    // The first byte stays below 255, so this ends there at the latest.
    for (std::uint8_t* byte = next - 1; ++*byte == 0;) --byte;
  }
};

}  // namespace sluice
