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
  friend bool operator==(const Tensor&, const Tensor&) = default;
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
