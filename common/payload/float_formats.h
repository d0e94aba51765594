// 16-bit floats as f32 and back, and the one step that QDELTA takes, with the same bits on every
// machine: no F16C, no fused multiply-add, nearest even.
#pragma once

#include <bit>
#include <cstdint>

#include "common/payload/element_kind.h"

namespace sluice {

/// Exact.
constexpr float HalfToFloat(std::uint16_t half) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = half >> 10 & 0x1Fu;
  const std::uint32_t mantissa = half & 0x3FFu;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000u | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
  return (sign != 0) ? -magnitude : magnitude;
}

/// Nearest, ties to even; overflow is infinite. NaN stays NaN.
constexpr std::uint16_t FloatToHalf(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = bits >> 16 & 0x8000u;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) {  // NaN, kept quiet
    return static_cast<std::uint16_t>(sign | 0x7E00u | (magnitude >> 13 & 0x3FFu));
  }
  if (magnitude >= 0x47800000u) return static_cast<std::uint16_t>(sign | 0x7C00u);  // >= 2^16
  std::uint32_t shift = 13;
  std::uint32_t whole = magnitude - (112u << 23);  // the exponent of a half, if it is a normal one
  if (magnitude < 0x38800000u) {                   // < 2^-14: a subnormal half
    const std::uint32_t exponent = magnitude >> 23;
    if (exponent < 102) return static_cast<std::uint16_t>(sign);  // below half the smallest
    shift = 126 - exponent;
    whole = (magnitude & 0x7FFFFFu) | 0x800000u;
  }
  std::uint32_t half = whole >> shift;
  const std::uint32_t rest = whole & ((1u << shift) - 1);
  const std::uint32_t tie = 1u << (shift - 1);
  if (rest > tie || (rest == tie && (half & 1) != 0)) ++half;  // may carry into infinity, rightly
  return static_cast<std::uint16_t>(sign | half);
}

/// Exact.
constexpr float Bf16ToFloat(std::uint16_t value) noexcept {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value) << 16);
}

/// Nearest, ties to even; overflow is infinite. NaN stays NaN.
constexpr std::uint16_t FloatToBf16(float value) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>(bits >> 16 | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

/// An element of a float kind as f32, from its bits. REQUIRES: IsFloat(kind).
constexpr float ElementToFloat(ElementKind kind, std::uint32_t bits) noexcept {
  if (kind == ElementKind::kF16) return HalfToFloat(static_cast<std::uint16_t>(bits));
  if (kind == ElementKind::kBf16) return Bf16ToFloat(static_cast<std::uint16_t>(bits));
  return std::bit_cast<float>(bits);
}

/// The bits of the element nearest to `value`. REQUIRES: IsFloat(kind).
constexpr std::uint32_t FloatToElement(ElementKind kind, float value) noexcept {
  if (kind == ElementKind::kF16) return FloatToHalf(value);
  if (kind == ElementKind::kBf16) return FloatToBf16(value);
  return std::bit_cast<std::uint32_t>(value);
}

/// |k| up to which k * step is exact in f32, given that a step has at most 8 significant bits.
inline constexpr std::int32_t kQdeltaStepsMax = 32'767;
inline constexpr int kQdeltaBits = std::bit_width(std::uint32_t{kQdeltaStepsMax});

/// The bits of old + k * step: one rounding to f32, one to the kind; those of old where k is 0.
/// REQUIRES: IsFloat(kind), |k| <= kQdeltaStepsMax, a step of at most 8 significant bits.
constexpr std::uint32_t StepElement(ElementKind kind, std::uint32_t old_bits, std::int32_t k,
                                    float step) noexcept {
  if (k == 0) return old_bits;
  return FloatToElement(kind, ElementToFloat(kind, old_bits) + static_cast<float>(k) * step);
}

}  // namespace sluice
