// Which rows of its tensor a LOWRANK operation predicts from, and how their coefficients travel.
#pragma once

#include <array>
#include <cstdint>

namespace sluice {

/// Rows that one operation names.
inline constexpr std::uint32_t kLowrankRowsMax = 16;
/// Of an i16 coefficient: bits behind the point.
inline constexpr std::uint8_t kLowrankFractionBitsMax = 30;

/// An operation's elements are a run of a matrix, row after row. The rows that it names end before
/// its first element.
struct LowrankRows {
  std::uint32_t row_elements = 0;  // of the tensor, 1 or more
  std::uint32_t column = 0;        // of the operation's first element in its row
  std::uint8_t count = 0;          // 1 .. kLowrankRowsMax
  std::uint8_t fraction_bits = 0;  // 0: coefficients are f32; else i16 / 2^fraction_bits
  /// How many rows before that of the operation's first element, 1 or more.
  std::array<std::uint32_t, kLowrankRowsMax> back{};
  friend bool operator==(const LowrankRows&, const LowrankRows&) = default;

  [[nodiscard]] std::uint32_t CoefficientWidth() const { return fraction_bits == 0 ? 4 : 2; }
  /// Rows that `elements` elements touch, the first and last in part perhaps.
  [[nodiscard]] std::uint64_t RowsOf(std::uint64_t elements) const {
    return (column + elements - 1) / row_elements + 1;
  }
  /// Of all coefficients: for each row touched one for each row named.
  [[nodiscard]] std::uint64_t CoefficientBytes(std::uint64_t elements) const {
    return RowsOf(elements) * count * CoefficientWidth();
  }
};

}  // namespace sluice
