// The bits of elements: how they are stored, split and ordered.
#pragma once

#include <type_traits>

#include "common/base/bytes.h"
#include "common/payload/elem_models.h"

namespace sluice {

template <ElementKind kKind>
inline constexpr std::uint32_t kSignBit = 1u << (8 * ElementWidth(kKind) - 1);
template <ElementKind kKind>
inline constexpr std::uint32_t kElementMask = kSignBit<kKind> | (kSignBit<kKind> - 1);

/// Differences of floats are counted in steps to the next float: the order of values is made the
/// order of unsigned numbers.
template <ElementKind kKind>
constexpr std::uint32_t Ordered(std::uint32_t bits) {
  if constexpr (!IsFloat(kKind)) return bits;
  return ((bits & kSignBit<kKind>) != 0 ? ~bits : bits | kSignBit<kKind>)&kElementMask<kKind>;
}
template <ElementKind kKind>
constexpr std::uint32_t FromOrdered(std::uint32_t ordered) {
  if constexpr (!IsFloat(kKind)) return ordered;
  return ((ordered & kSignBit<kKind>) != 0 ? ordered & ~kSignBit<kKind> : ~ordered) &
         kElementMask<kKind>;
}

/// From an old to a new element: the steps up, or down where `is_negative`, modulo the width.
template <ElementKind kKind>
struct OrderedDifference {
  constexpr OrderedDifference(std::uint32_t old_bits, std::uint32_t new_bits) {
    const std::uint32_t moved =
        (Ordered<kKind>(new_bits) - Ordered<kKind>(old_bits)) & kElementMask<kKind>;
    is_negative = (moved & kSignBit<kKind>) != 0;
    magnitude = is_negative ? (~moved + 1) & kElementMask<kKind> : moved;
  }
  std::uint32_t magnitude;
  bool is_negative;
};

/// Of all the bits of an element; for integers none.
template <ElementKind kKind>
inline constexpr int kMantissaBits = kKind == ElementKind::kF32   ? 23
                                     : kKind == ElementKind::kF16 ? 10
                                                                  : 7;
template <ElementKind kKind>
inline constexpr int kExponentBits = kKind == ElementKind::kF16 ? 5 : 8;

template <ElementKind kKind>
constexpr int ExponentOf(std::uint32_t bits) {
  if constexpr (!IsFloat(kKind)) return 0;
  return static_cast<int>(bits >> kMantissaBits<kKind> & ((1u << kExponentBits<kKind>)-1));
}

/// The row of LiteralModels::exponent after an element with `exponent`.
template <ElementKind kKind>
constexpr int ExponentRow(int exponent) {
  // The 40 exponents that weights have; an f16 has no more than 32.
  if constexpr (kKind == ElementKind::kF16) return exponent;
  return std::clamp(exponent - 100, 0, kExponentContexts - 1);
}

template <ElementKind kKind>
std::uint32_t LoadElement(const std::uint8_t* from) {
  if constexpr (ElementWidth(kKind) == 4) return LoadLe<std::uint32_t>(from);
  if constexpr (ElementWidth(kKind) == 2) return LoadLe<std::uint16_t>(from);
  return *from;
}
template <ElementKind kKind>
void StoreElement(std::uint8_t* to, std::uint32_t bits) {
  for (unsigned i = 0; i < ElementWidth(kKind); ++i) {
    to[i] = static_cast<std::uint8_t>(bits >> (8 * i));
  }
}

/// Calls `call` with the kind as a std::integral_constant and returns what it returns.
template <class Call>
auto WithKind(ElementKind kind, const Call& call) {
  using enum ElementKind;
  switch (kind) {
    case kI8:
      return call(std::integral_constant<ElementKind, kI8>());
    case kF16:
      return call(std::integral_constant<ElementKind, kF16>());
    case kBf16:
      return call(std::integral_constant<ElementKind, kBf16>());
    case kF32:
      return call(std::integral_constant<ElementKind, kF32>());
    case kI32:
      return call(std::integral_constant<ElementKind, kI32>());
    case kI16:
      return call(std::integral_constant<ElementKind, kI16>());
    case kBytes:
      break;
  }
  return call(std::integral_constant<ElementKind, kBytes>());
}

}  // namespace sluice
