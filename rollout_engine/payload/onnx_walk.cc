// The fields are those of onnx.proto; the wire format is Protocol Buffers' own.
#include "rollout_engine/payload/walkers.h"

namespace sluice {
namespace {

constexpr int kSubgraphDepthMax = 8;

enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

struct Field {
  std::uint32_t number = 0;
  Wire wire = Wire::kVarint;
  std::uint64_t value = 0;  // of a varint
  ByteView bytes;           // of the rest
};

// Iterates over the fields of one message; a field that is cut off or of an unknown wire type makes
// it bad.
class Message {
 public:
  explicit Message(ByteView bytes) : left_(bytes) {}

  // False at the end and when bad.
  bool Next(Field& field) {
    if (left_.empty() || bad_) return false;
    const std::uint64_t tag = TakeVarint();
    field = {static_cast<std::uint32_t>(tag >> 3), static_cast<Wire>(tag & 7), 0, {}};
    if (tag > UINT32_MAX || field.number == 0) bad_ = true;
    switch (field.wire) {
      case Wire::kVarint:
        field.value = TakeVarint();
        break;
      case Wire::kFixed64:
        field.bytes = TakeBytes(8);
        break;
      case Wire::kBytes:
        field.bytes = TakeBytes(TakeVarint());
        break;
      case Wire::kFixed32:
        field.bytes = TakeBytes(4);
        break;
      default:
        bad_ = true;
    }
    return !bad_;
  }
  // The next of packed numbers instead of a field.
  bool NextNumber(std::uint64_t& number) {
    if (left_.empty() || bad_) return false;
    number = TakeVarint();
    return !bad_;
  }
  [[nodiscard]] bool bad() const { return bad_; }

 private:
  std::uint64_t TakeVarint() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (left_.empty()) break;
      const std::uint8_t byte = left_.front();
      left_ = left_.subspan(1);
      value |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    bad_ = true;
    return 0;
  }
  ByteView TakeBytes(std::uint64_t size) {
    if (bad_ || size > left_.size()) {
      bad_ = true;
      return {};
    }
    const ByteView taken = left_.first(size);
    left_ = left_.subspan(size);
    return taken;
  }

  ByteView left_;
  bool bad_ = false;
};

// TensorProto.DataType.
ElementKind KindOf(std::uint64_t data_type) {
  switch (data_type) {
    case 1:
      return ElementKind::kF32;
    case 2:  // UINT8
    case 3:  // INT8
      return ElementKind::kI8;
    case 4:  // UINT16
    case 5:  // INT16
      return ElementKind::kI16;
    case 6:   // INT32
    case 12:  // UINT32
      return ElementKind::kI32;
    case 10:
      return ElementKind::kF16;
    case 16:
      return ElementKind::kBf16;
    default:
      return ElementKind::kBytes;
  }
}

class OnnxWalk {
 public:
  explicit OnnxWalk(ByteView file) : file_(file) {}

  std::optional<TensorList> Run() {
    Message model(file_);
    bool has_graph = false;
    bool good = true;
    for (Field field; good && model.Next(field);) {
      if (field.wire != Wire::kBytes) continue;
      if (field.number == 7) {  // graph
        has_graph = true;
        good = Graph(field.bytes, 0);
      } else if (field.number == 25) {  // functions
        good = Function(field.bytes);
      }
    }
    if (!good || model.bad() || !has_graph) return std::nullopt;
    return std::move(tensors_);
  }

 private:
  bool Graph(ByteView bytes, int depth) {
    if (depth > kSubgraphDepthMax) return false;
    Message graph(bytes);
    for (Field field; graph.Next(field);) {
      if (field.wire != Wire::kBytes) continue;
      if (field.number == 1 && !Node(field.bytes, depth)) return false;
      if (field.number == 5 && !Initializer(field.bytes, {})) return false;
      if (field.number == 15 && !SparseInitializer(field.bytes)) return false;
    }
    return !graph.bad();
  }

  bool Function(ByteView bytes) {
    Message function(bytes);
    for (Field field; function.Next(field);) {
      if (field.number == 7 && field.wire == Wire::kBytes && !Node(field.bytes, 0)) return false;
    }
    return !function.bad();
  }

  // A constant's tensor often has no name: its node's output stands for it.
  bool Node(ByteView bytes, int depth) {
    std::string_view output;
    Message fields(bytes);
    for (Field field; fields.Next(field);) {
      if (field.number == 2 && field.wire == Wire::kBytes && output.empty()) {
        output = AsText(field.bytes);
      }
    }
    if (fields.bad()) return false;
    Message node(bytes);
    for (Field field; node.Next(field);) {
      if (field.number == 5 && field.wire == Wire::kBytes &&
          !Attribute(field.bytes, output, depth)) {
        return false;
      }
    }
    return true;
  }

  bool Attribute(ByteView bytes, std::string_view name, int depth) {
    Message attribute(bytes);
    for (Field field; attribute.Next(field);) {
      if (field.wire != Wire::kBytes) continue;
      const bool is_tensor = field.number == 5 || field.number == 10;  // t, tensors
      const bool is_graph = field.number == 6 || field.number == 11;   // g, graphs
      if (is_tensor && !Initializer(field.bytes, name)) return false;
      if (is_graph && !Graph(field.bytes, depth + 1)) return false;
      if (field.number == 22 && !SparseInitializer(field.bytes)) return false;
    }
    return !attribute.bad();
  }

  bool SparseInitializer(ByteView bytes) {
    Message sparse(bytes);
    for (Field field; sparse.Next(field);) {
      const bool is_tensor = field.number == 1 || field.number == 2;  // values, indices
      if (is_tensor && field.wire == Wire::kBytes && !Initializer(field.bytes, {})) return false;
    }
    return !sparse.bad();
  }

  // A TensorProto. int32_data and int64_data are varints: nothing to subtract element by element.
  bool Initializer(ByteView bytes, std::string_view name) {
    std::uint64_t data_type = 0;
    ByteView raw, floats;
    MatrixShape shape;
    Message tensor(bytes);
    for (Field field; tensor.Next(field);) {
      if (field.number == 1) AddDimensions(field, shape);
      if (field.number == 2 && field.wire == Wire::kVarint) data_type = field.value;
      if (field.wire != Wire::kBytes) continue;
      if (field.number == 4) floats = field.bytes;
      if (field.number == 8 && !field.bytes.empty()) name = AsText(field.bytes);
      if (field.number == 9) raw = field.bytes;
    }
    if (tensor.bad() || tensors_.size() == kTensorsMax) return false;
    if (!raw.empty()) Add(name, raw, KindOf(data_type), shape);
    if (!floats.empty()) Add(name, floats, ElementKind::kF32, shape);
    return true;
  }

  // One, or several packed.
  static void AddDimensions(const Field& field, MatrixShape& shape) {
    if (field.wire == Wire::kVarint) shape.Add(field.value);
    Message packed(field.bytes);
    for (std::uint64_t dimension = 0; packed.NextNumber(dimension);) shape.Add(dimension);
  }

  void Add(std::string_view name, ByteView data, ElementKind kind, const MatrixShape& shape) {
    tensors_.push_back({std::string(name.substr(0, kTensorNameBytesMax)),
                        static_cast<std::uint64_t>(data.data() - file_.data()), data.size(), kind,
                        shape.RowElements(data.size() / ElementWidth(kind))});
  }

  const ByteView file_;
  TensorList tensors_;
};

}  // namespace

std::optional<TensorList> WalkOnnx(ByteView file) { return OnnxWalk(file).Run(); }

}  // namespace sluice
