// The walkers behind WalkTensors, one per format. Each gives nothing unless the whole structure
// that it walks is sound; tensors come in the order of the file's own index and may overlap.
#pragma once

#include <optional>

#include "rollout_engine/payload/tensor.h"

namespace sluice {

/// u64 header length, JSON {name: {dtype, shape, data_offsets}}, data.
std::optional<TensorList> WalkSafetensors(ByteView file);

/// A ModelProto: initializers and the attributes of nodes, in subgraphs too, whose values lie as
/// plain little-endian numbers (raw_data; packed float_data).
std::optional<TensorList> WalkOnnx(ByteView file);

/// A flatbuffer of TFLite's schema, file_identifier "TFL3". Offsets of buffers outside of the
/// flatbuffer count from its first byte. `file` may go on behind the model.
std::optional<TensorList> WalkTflite(ByteView file);

}  // namespace sluice
