// Finds which earlier rows of a matrix, and how much of each, the changes of its other rows are
// made of.
#pragma once

#include <optional>

#include "common/payload/elem_ops.h"

namespace sluice {

/// Old and new elements of one tensor, row after row. REQUIRES: IsFloat(kind), equal lengths,
/// row_elements > 0.
struct MatrixPair {
  ElementKind kind = ElementKind::kF32;
  std::uint32_t row_elements = 0;
  ByteView old_elements;
  ByteView elements;

  [[nodiscard]] std::uint64_t row_bytes() const {
    return std::uint64_t{row_elements} * ElementWidth(kind);
  }
  [[nodiscard]] std::uint64_t rows() const { return elements.size() / row_bytes(); }
};

/// How many rows span the changes of a sample of all others well enough to save bits, coefficients
/// counted; 0: none do, or the matrix is too small. Looks at a few thousand elements, whatever the
/// size.
std::uint32_t RankOfChanges(const MatrixPair& matrix);

/// The rows and coefficients of a LOWRANK that covers bytes [begin, end) of the elements, whole
/// ones; nothing where rows that end before `begin` would save nothing. Neither offsets nor length
/// are filled in.
std::optional<ElemOp> FitLowrank(const MatrixPair& matrix, std::uint64_t begin, std::uint64_t end);

}  // namespace sluice
