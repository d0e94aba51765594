#include "common/payload/lowrank_predictor.h"

#include <cfloat>
#include <cmath>

#include "common/payload/element_bits.h"
#include "common/payload/float_formats.h"

// Every sum is rounded once: no x87, no contraction (the build sets -ffp-contract=off), no flush to
// zero. Of 32-bit ARM's NEON, which flushes, compilers make no use for floats unless told to.
static_assert(FLT_EVAL_METHOD == 0, "build for arithmetic in f32: SSE2, NEON or VFP");

namespace sluice {

Status LowrankPredictor::LoadCoefficients(const LowrankRows& rows, const Place& place,
                                          std::uint64_t row) {
  std::array<std::uint8_t, 4 * kLowrankRowsMax> bytes;
  const std::uint32_t width = rows.CoefficientWidth();
  const std::size_t length = std::size_t{width} * rows.count;
  SLUICE_TRY(place.coefficients.ReadAt(place.coefficients_at + row * length,
                                       std::span(bytes).first(length)));
  const float unit = std::bit_cast<float>((127u - rows.fraction_bits) << 23);
  for (std::uint32_t k = 0; k < rows.count; ++k) {
    const std::uint8_t* const at = bytes.data() + std::size_t{width} * k;
    coefficients_[k] =
        width == 4
            ? std::bit_cast<float>(LoadLe<std::uint32_t>(at))
            : static_cast<float>(static_cast<std::int16_t>(LoadLe<std::uint16_t>(at))) * unit;
  }
  return {};
}

template <ElementKind kKind>
Status LowrankPredictor::LoadChanges(const ElemOp& op, const Place& place, std::uint32_t column,
                                     std::uint32_t columns) {
  constexpr std::uint32_t kWidth = ElementWidth(kKind);
  const LowrankRows& rows = op.rows;
  std::array<std::uint8_t, kColumns * kWidth> old_bytes, new_bytes;
  const std::span<std::uint8_t> old_part = std::span(old_bytes).first(columns * kWidth);
  const std::span<std::uint8_t> new_part = std::span(new_bytes).first(columns * kWidth);
  const std::uint64_t row_bytes = std::uint64_t{rows.row_elements} * kWidth;
  for (std::uint32_t k = 0; k < rows.count; ++k) {
    // From the operation's first element to the named row's element in this column.
    const std::uint64_t back = rows.back[k] * row_bytes + std::uint64_t{rows.column} * kWidth -
                               std::uint64_t{column} * kWidth;
    SLUICE_TRY(output_.ReadAt(place.out_offset - back, new_part));
    SLUICE_TRY(base_.ReadAt(op.base_offset - back, old_part));
    for (std::uint32_t i = 0; i < columns; ++i) {
      changes_[k][i] = ElementToFloat(kKind, LoadElement<kKind>(&new_bytes[i * kWidth])) -
                       ElementToFloat(kKind, LoadElement<kKind>(&old_bytes[i * kWidth]));
    }
  }
  return {};
}

template <ElementKind kKind>
Status LowrankPredictor::PredictRectangle(const ElemOp& op, const Place& place,
                                          const Rectangle& rectangle, std::uint8_t* bytes) {
  constexpr std::uint32_t kWidth = ElementWidth(kKind);
  for (std::uint32_t done = 0; done < rectangle.columns; done += kColumns) {
    const std::uint32_t columns = std::min(kColumns, rectangle.columns - done);
    SLUICE_TRY(LoadChanges<kKind>(op, place, rectangle.column + done, columns));
    for (std::uint64_t row = 0; row < rectangle.rows; ++row) {
      SLUICE_TRY(LoadCoefficients(op.rows, place, rectangle.row + row));
      // All columns, needed or not: a loop of constant length is done with vectors.
      std::array<float, kColumns> sums;
      for (std::uint32_t i = 0; i < kColumns; ++i) sums[i] = coefficients_[0] * changes_[0][i];
      for (std::uint32_t k = 1; k < op.rows.count; ++k) {
        const float coefficient = coefficients_[k];
        for (std::uint32_t i = 0; i < kColumns; ++i) sums[i] += coefficient * changes_[k][i];
      }
      std::uint8_t* const at = bytes + (row * rectangle.columns + done) * kWidth;
      for (std::uint32_t i = 0; i < columns; ++i) {
        const float expected = ElementToFloat(kKind, LoadElement<kKind>(at + i * kWidth)) + sums[i];
        if (!std::isfinite(expected)) continue;
        StoreElement<kKind>(at + i * kWidth, FloatToElement(kKind, expected));
      }
    }
  }
  return {};
}

Status LowrankPredictor::Predict(const ElemOp& op, const Place& place, std::uint32_t first,
                                 std::span<std::uint8_t> bytes) {
  const std::uint64_t row_elements = op.rows.row_elements;
  const std::uint32_t width = ElementWidth(op.kind);
  std::uint64_t next = std::uint64_t{op.rows.column} + first;  // from where that row begins
  const std::uint64_t end = next + bytes.size() / width;
  for (std::uint8_t* at = bytes.data(); next < end;) {
    const std::uint64_t column = next % row_elements;
    const std::uint64_t left = end - next;
    Rectangle rectangle{next / row_elements, 1, static_cast<std::uint32_t>(column),
                        static_cast<std::uint32_t>(std::min(row_elements - column, left))};
    if (column == 0 && left >= row_elements) rectangle.rows = left / row_elements;
    const Status predicted = WithKind(op.kind, [&](auto kind) -> Status {
      if constexpr (IsFloat(kind())) return PredictRectangle<kind()>(op, place, rectangle, at);
      return {};
    });
    SLUICE_TRY(predicted);
    const std::uint64_t elements = rectangle.rows * rectangle.columns;
    next += elements;
    at += elements * width;
  }
  return {};
}

}  // namespace sluice
