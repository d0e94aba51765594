// Decodes what a range coder with carry (LZMA's scheme) wrote: adaptive bits, trees of them, raw
// bits. Reads no bounds: whoever holds it keeps enough bytes ahead of `next`.
#pragma once

#include <cstdint>

#include "common/payload/elem_models.h"

namespace sluice {

inline constexpr std::uint32_t kRangeMin = 1u << 24;

/// A plain value, so that loops copy it into registers.
struct RangeDecoder {
  std::uint32_t range = UINT32_MAX;
  std::uint32_t code = 0;
  std::uint32_t is_bad = 0;  // not 0: raw bits that no encoder writes
  const std::uint8_t* next = nullptr;

  [[gnu::always_inline]] void Normalise() {
    if (range >= kRangeMin) return;
    TakeByte();
    if (range < kRangeMin) [[unlikely]] {
      TakeByte();
    }
  }
  [[gnu::always_inline]] void TakeByte() {
    range <<= 8;
    code = code << 8 | *next++;
  }

  /// At most 2 bytes. Branches on the bit: where it cannot be guessed, waiting for it as a
  /// conditional move does costs more than a wrong guess now and then.
  [[gnu::always_inline]] unsigned Bit(Probability& probability) {
    const unsigned p = probability;
    const auto zero_range = static_cast<std::uint32_t>(std::uint64_t{range} * p >> 16);
    unsigned bit = 0;
    if (code < zero_range) {
      range = zero_range;
      probability = AfterZero(p);
    } else {
      code -= zero_range;
      range -= zero_range;
      probability = AfterOne(p);
      bit = 1;
    }
    Normalise();
    return bit;
  }

  /// The `kBits` of a number from the top, by the bits before.
  template <int kBits>
  [[gnu::always_inline]] unsigned Tree(Probability* tree) {
    unsigned node = 1;
    // Unrolled: each bit has its own place in the processor's memory of branches.
#pragma GCC unroll 8
    for (int i = 0; i < kBits; ++i) node = 2 * node + Bit(tree[node]);
    return node - (1u << kBits);
  }

  /// `bits` at most 8, one byte at most.
  [[gnu::always_inline]] std::uint32_t RawGroup(int bits) {
    range >>= bits;
    const std::uint32_t value = code / range;
    is_bad |= value >> bits;
    code -= value * range;
    Normalise();
    return value;
  }
  [[gnu::always_inline]] std::uint32_t RawByte() {
    range >>= 8;
    const std::uint32_t value = code / range;
    is_bad |= value >> 8;
    code -= value * range;
    TakeByte();  // the range had 2^32 at most and 2^24 at least
    return value;
  }
  [[gnu::always_inline]] std::uint32_t Raw(int bits) {
    std::uint32_t value = 0;
    for (; bits >= 8; bits -= 8) value = value << 8 | RawByte();
    return bits == 0 ? value : value << bits | RawGroup(bits);
  }
};

}  // namespace sluice
