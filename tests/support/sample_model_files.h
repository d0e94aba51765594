// Small model files in the three formats that the encoder walks, written field by field.
#pragma once

#include <string>
#include <vector>

#include "common/base/bytes.h"

namespace sluice {

struct SampleTensor {
  std::string name;
  std::string dtype;  // of safetensors: "F32", "BF16", "I8", ...
  Bytes data;
  std::vector<std::uint64_t> shape = {};  // empty: a vector of bytes, whatever the dtype
};

/// Data in the order given. `header` replaces the JSON, for headers that lie.
Bytes SafetensorsFile(const std::vector<SampleTensor>& tensors, const std::string& header = "");

/// One field of a Protocol Buffers message, length-delimited or a varint.
Bytes ProtoBytes(unsigned field, ByteView value);
Bytes ProtoVarint(unsigned field, std::uint64_t value);
/// A TensorProto with raw_data; `data_type` of onnx.proto. Dimensions one by one, unless packed.
Bytes OnnxTensor(const std::string& name, unsigned data_type, ByteView raw_data,
                 const std::vector<std::uint64_t>& shape = {}, bool packed = false);
/// A ModelProto whose graph has these serialised fields.
Bytes OnnxFile(ByteView graph);

struct SampleTfliteTensor {
  std::string name;
  std::uint8_t type = 0;     // TensorType
  std::uint32_t buffer = 0;  // 0 is the empty one
  std::vector<std::int32_t> shape = {};
};
/// `buffers` become buffers 1, 2, ... ; those of `outside` come after them and lie behind the
/// flatbuffer.
Bytes TfliteFile(const std::vector<SampleTfliteTensor>& tensors, const std::vector<Bytes>& buffers,
                 const std::vector<Bytes>& outside = {});

}  // namespace sluice
