// A run of an artifact's bytes that holds the elements of one tensor, and where the base holds the
// tensor's old elements.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/payload/element_kind.h"

namespace sluice {

struct TensorExtent {
  std::uint64_t offset = 0;  // into the artifact
  std::uint64_t length = 0;  // bytes, a multiple of ElementWidth(kind)
  ElementKind kind = ElementKind::kBytes;
  std::optional<std::uint64_t> base_offset;  // of as many old bytes; nothing: the tensor is new
  std::uint32_t row_elements = 0;  // of a tensor that is a matrix, whose first row is here; else 0
  friend bool operator==(const TensorExtent&, const TensorExtent&) = default;
};

/// Rising, without overlap; what lies between them belongs to no tensor.
using TensorExtentList = std::vector<TensorExtent>;

}  // namespace sluice
