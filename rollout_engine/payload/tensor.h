// The tensors of a model file: which bytes hold them and as what.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "common/payload/element_kind.h"

namespace sluice {

struct Tensor {
  std::string name;          // empty where the format has none; need not be unique
  std::uint64_t offset = 0;  // into the file
  std::uint64_t length = 0;  // bytes, a multiple of ElementWidth(kind), never 0
  ElementKind kind = ElementKind::kBytes;
  std::uint32_t row_elements = 0;  // as MatrixShape has it; 0: unknown
  friend bool operator==(const Tensor&, const Tensor&) = default;
};

/// A tensor's shape seen as a matrix: the first dimension above 1 counts its rows.
class MatrixShape {
 public:
  void Add(std::uint64_t dimension);
  /// Elements of a row; 0 unless the dimensions are those of `elements` elements.
  [[nodiscard]] std::uint32_t RowElements(std::uint64_t elements) const;

 private:
  std::uint64_t rows_ = 1;
  std::uint64_t row_elements_ = 1;  // 0: not of any tensor
};

/// Rising by offset, without overlap.
using TensorList = std::vector<Tensor>;

/// More tensors than any model has: what a walker looks at before it gives a file up.
inline constexpr std::size_t kTensorsMax = 65'536;
inline constexpr std::size_t kTensorNameBytesMax = 1'024;

/// The tensors of a safetensors, ONNX or TFLite file, or of the TFLite models that another file
/// holds uncompressed. Empty for everything else, a broken or absurd file included: hostile bytes
/// cost time in proportion to their size, and nothing more.
TensorList WalkTensors(ByteView file);

}  // namespace sluice
