#include "tests/support/sample_model_files.h"

#include <flatbuffers/flatbuffers.h>

namespace sluice {
namespace {

using Tables = std::vector<flatbuffers::Offset<flatbuffers::Table>>;

// The position of field `index` in a vtable.
constexpr flatbuffers::voffset_t Field(unsigned index) {
  return static_cast<flatbuffers::voffset_t>(4 + 2 * index);
}

flatbuffers::Offset<flatbuffers::Table> End(flatbuffers::FlatBufferBuilder& builder,
                                            flatbuffers::uoffset_t start) {
  return {builder.EndTable(start)};
}

// Places outside of the flatbuffer are known once it is built, so it is built twice.
Bytes BuildTflite(const std::vector<SampleTfliteTensor>& tensors, const std::vector<Bytes>& buffers,
                  const std::vector<Bytes>& outside, std::uint64_t outside_begin) {
  flatbuffers::FlatBufferBuilder builder;
  Tables buffer_tables;
  {
    const auto start = builder.StartTable();
    buffer_tables.push_back(End(builder, start));
  }
  for (const Bytes& bytes : buffers) {
    builder.ForceVectorAlignment(bytes.size(), 1, 16);
    const auto data = builder.CreateVector(bytes);
    const auto start = builder.StartTable();
    builder.AddOffset(Field(0), data);
    buffer_tables.push_back(End(builder, start));
  }
  for (const Bytes& bytes : outside) {
    const auto start = builder.StartTable();
    builder.AddElement<std::uint64_t>(Field(1), outside_begin, 0);
    builder.AddElement<std::uint64_t>(Field(2), bytes.size(), 0);
    buffer_tables.push_back(End(builder, start));
    outside_begin += bytes.size();
  }
  Tables tensor_tables;
  for (const SampleTfliteTensor& tensor : tensors) {
    const auto name = builder.CreateString(tensor.name);
    const auto shape = builder.CreateVector(tensor.shape);
    const auto start = builder.StartTable();
    if (!tensor.shape.empty()) builder.AddOffset(Field(0), shape);
    builder.AddElement<std::uint8_t>(Field(1), tensor.type, 0);
    builder.AddElement<std::uint32_t>(Field(2), tensor.buffer, 0);
    builder.AddOffset(Field(3), name);
    tensor_tables.push_back(End(builder, start));
  }
  const auto all_tensors = builder.CreateVector(tensor_tables);
  const auto subgraph_start = builder.StartTable();
  builder.AddOffset(Field(0), all_tensors);
  const auto subgraphs = builder.CreateVector(Tables{End(builder, subgraph_start)});
  const auto all_buffers = builder.CreateVector(buffer_tables);
  const auto model_start = builder.StartTable();
  builder.AddElement<std::uint32_t>(Field(0), 3, 0);
  builder.AddOffset(Field(2), subgraphs);
  builder.AddOffset(Field(4), all_buffers);
  builder.Finish(End(builder, model_start), "TFL3");
  return Bytes(builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize());
}

void AppendProtoVarint(Bytes& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<std::uint8_t>(value | 0x80));
  to.push_back(static_cast<std::uint8_t>(value));
}

}  // namespace

Bytes SafetensorsFile(const std::vector<SampleTensor>& tensors, const std::string& header) {
  std::string json = "{\"__metadata__\":{\"format\":\"pt\"}";
  Bytes data;
  for (const SampleTensor& tensor : tensors) {
    const std::size_t begin = data.size();
    Append(data, tensor.data);
    std::string shape;
    for (const std::uint64_t dimension : tensor.shape) {
      shape += (shape.empty() ? "" : ",") + std::to_string(dimension);
    }
    if (shape.empty()) shape = std::to_string(tensor.data.size());
    json += ",\"" + tensor.name + "\":{\"dtype\":\"" + tensor.dtype + "\",\"shape\":[" + shape +
            "],\"data_offsets\":[" + std::to_string(begin) + "," + std::to_string(data.size()) +
            "]}";
  }
  json += "}";
  if (!header.empty()) json = header;
  Bytes file;
  AppendLe<std::uint64_t>(file, json.size());
  Append(file, AsBytes(json));
  Append(file, data);
  return file;
}

Bytes ProtoBytes(unsigned field, ByteView value) {
  Bytes bytes;
  AppendProtoVarint(bytes, field << 3 | 2);
  AppendProtoVarint(bytes, value.size());
  Append(bytes, value);
  return bytes;
}

Bytes ProtoVarint(unsigned field, std::uint64_t value) {
  Bytes bytes;
  AppendProtoVarint(bytes, field << 3);
  AppendProtoVarint(bytes, value);
  return bytes;
}

Bytes OnnxTensor(const std::string& name, unsigned data_type, ByteView raw_data,
                 const std::vector<std::uint64_t>& shape, bool packed) {
  Bytes tensor, dimensions;
  for (const std::uint64_t dimension : shape) {
    if (packed) {
      AppendProtoVarint(dimensions, dimension);
    } else {
      Append(tensor, ProtoVarint(1, dimension));
    }
  }
  if (packed) Append(tensor, ProtoBytes(1, dimensions));
  Append(tensor, ProtoVarint(2, data_type));
  Append(tensor, ProtoBytes(8, AsBytes(name)));
  Append(tensor, ProtoBytes(9, raw_data));
  return tensor;
}

Bytes OnnxFile(ByteView graph) {
  Bytes model = ProtoVarint(1, 8);  // ir_version
  Append(model, ProtoBytes(7, graph));
  return model;
}

Bytes TfliteFile(const std::vector<SampleTfliteTensor>& tensors, const std::vector<Bytes>& buffers,
                 const std::vector<Bytes>& outside) {
  const std::uint64_t outside_begin = BuildTflite(tensors, buffers, outside, 1 << 20).size();
  Bytes file = BuildTflite(tensors, buffers, outside, outside_begin);
  for (const Bytes& bytes : outside) Append(file, bytes);
  return file;
}

}  // namespace sluice
