// What ELEM's coders remember within a block: adaptive probabilities, and the context that picks
// them. Reset at every block; shared by all kinds of elements.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/payload/element_kind.h"

namespace sluice {

/// Of a 0 bit, times 65,536.
using Probability = std::uint16_t;
inline constexpr Probability kEvenOdds = 32'768;

/// Bits that are nearly certain still cost 1/1400 of a bit, and an unlucky one 11.
inline constexpr unsigned kProbabilityMin = 32;

/// After a 0 and after a 1: 1/32 closer to certainty.
constexpr Probability AfterZero(unsigned p) {
  return static_cast<Probability>(std::min(p + ((65'535 - p) >> 5), 65'535 - kProbabilityMin));
}
constexpr Probability AfterOne(unsigned p) {
  return static_cast<Probability>(std::max(p - (p >> 5), kProbabilityMin));
}

/// Bits that a difference has at most, and the contexts that its length is predicted in.
inline constexpr int kBitLengthMax = 32;
inline constexpr int kDeltaContexts = 72;

/// Of the difference between an old and a new element.
struct DeltaModels {
  // By the elements before: the last one is as it was, is changed, is after another that is.
  Probability is_changed[kDeltaContexts][3];
  Probability bit_length[kDeltaContexts][64];  // a tree of 6 bits
  Probability sign[kBitLengthMax + 1];
  Probability second_bit[kBitLengthMax + 1];  // below the top one, by length and the bits before
  Probability third_bit[kBitLengthMax + 1][2];
  Probability fourth_bit[kBitLengthMax + 1][4];

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
