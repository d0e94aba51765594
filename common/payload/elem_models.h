// What ELEM's coders remember within a block: adaptive probabilities, and the context that picks
// them. Reset at every block; shared by all kinds of elements.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "common/payload/element_kind.h"

namespace sluice {

/// Of a 0 bit, times 65,536.
using Probability = std::uint16_t;
inline constexpr Probability kEvenOdds = 32'768;

/// After a 0 and after a 1: 1/32 closer to certainty, but never out of [32, 65,503]. A bit that is
/// nearly certain still costs 1/1400 of a bit, and an unlucky one 11.
constexpr Probability AfterZero(unsigned p) {
  return static_cast<Probability>(p + ((65'534 - p) >> 5));
}
constexpr Probability AfterOne(unsigned p) { return static_cast<Probability>(p - ((p - 1) >> 5)); }

/// Bits that a difference has at most, and the contexts that its length is predicted in.
inline constexpr int kBitLengthMax = 32;
inline constexpr int kDeltaContexts = 72;

/// Of the number that tells one of the lengths 1 .. `most`.
constexpr int LengthBits(int most) {
  return static_cast<int>(std::bit_width(static_cast<unsigned>(most - 1)));
}

/// Of the difference between an old and a new element.
struct DeltaModels {
  // By the elements before: the last one is as it was, is changed, is after another that is.
  Probability is_changed[kDeltaContexts][3];
  // Trees of LengthBits, one after the other by their number of bits: other widths, other trees.
  Probability bit_length[kDeltaContexts][2 << LengthBits(kBitLengthMax)];
  Probability second_bit[kBitLengthMax + 1];  // below the top one, by length and the bits before
  Probability third_bit[kBitLengthMax + 1][2];
  Probability sign[4];  // where nothing is left to be raw: lengths 1, 2 and 3

  /// The tree of `kBits` bits in a context.
  template <int kBits>
  Probability* LengthTree(int context) {
    return bit_length[context] + (1 << kBits);
  }

  void Reset() { std::fill_n(&is_changed[0][0], sizeof *this / sizeof(Probability), kEvenOdds); }
};

inline constexpr int kExponentContexts = 40;

/// Of elements that nothing is known of.
struct LiteralModels {
  Probability exponent[kExponentContexts][256];  // by the exponent before
  Probability byte[4][256];                      // by its place in the element

  void Reset() { std::fill_n(&exponent[0][0], sizeof *this / sizeof(Probability), kEvenOdds); }
};

/// Predicts the length of the next difference from those before. Reset at every operation.
class DeltaContext {
 public:
  /// For an element whose old value has this exponent field (0 for integers).
  [[nodiscard]] int Index(int exponent) const {
    return 2 * (std::clamp((average_ >> 4) - exponent, -2, 33) + 2) + ((average_ >> 3) & 1);
  }
  [[nodiscard]] int run() const { return run_; }

  void Changed(int exponent, int bit_length) {
    const int seen = 16 * (bit_length + exponent);
    average_ += (seen - average_ + (seen > average_ ? 7 : -7)) / 8;
    run_ = run_ == 0 ? 1 : 2;
  }
  template <ElementKind kKind>
  void Same(int exponent) {
    const int seen = IsFloat(kKind) ? std::min(average_, 16 * exponent) : 0;
    average_ += (seen - average_) / 8;
    run_ = 0;
  }

 private:
  int average_ = 0;  // of bit length + exponent, in sixteenths
  int run_ = 0;      // changed elements in a row, at most 2
};

}  // namespace sluice
