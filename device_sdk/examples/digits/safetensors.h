// The safetensors format, as far as this example needs it: named float32 tensors, one after the
// other.
//
// A file is u64 header size (little-endian), a JSON header, then the values. Strict on purpose:
// what a downloaded file may say about itself is checked before a byte is allocated for it.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace sluice::digits {

struct Tensor {
  std::string name;
  std::vector<std::size_t> shape;
  std::vector<float> values;  // row-major, as many as the shape says
};

struct TensorFile {
  std::vector<Tensor> tensors;  // in the order of their bytes
  std::map<std::string, std::string> metadata;
};

/// REQUIRES: names are unique and values fit their shapes.
Bytes WriteSafetensors(const TensorFile& file);

/// E_LOAD with what is wrong: sizes beyond the file, dtypes other than F32, gaps, overlaps,
/// repeated names.
Result<TensorFile> ReadSafetensors(ByteView bytes);

}  // namespace sluice::digits
