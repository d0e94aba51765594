// The tables are those of TFLite's schema.fbs. Every access is checked here instead of by the
// FlatBuffers verifier, which refuses a model that lies unaligned inside another file.
#include "rollout_engine/payload/walkers.h"

namespace sluice {
namespace {

// Fields in the order of the schema.
constexpr unsigned kModelSubgraphs = 2, kModelBuffers = 4;
constexpr unsigned kSubgraphTensors = 0;
constexpr unsigned kTensorShape = 0, kTensorType = 1, kTensorBuffer = 2, kTensorName = 3;
constexpr unsigned kBufferData = 0, kBufferOffset = 1, kBufferSize = 2;

// What runtimes take; the vectors of hostile tensors may be one and the same.
constexpr std::uint32_t kDimensionsMax = 8;

// TensorType.
ElementKind KindOf(std::uint8_t type) {
  switch (type) {
    case 0:
      return ElementKind::kF32;
    case 1:
      return ElementKind::kF16;
    case 2:   // INT32
    case 15:  // UINT32
      return ElementKind::kI32;
    case 3:  // UINT8
    case 9:  // INT8
      return ElementKind::kI8;
    case 7:   // INT16
    case 16:  // UINT16
      return ElementKind::kI16;
    case 18:
      return ElementKind::kBf16;
    default:
      return ElementKind::kBytes;
  }
}

// A flatbuffer as offsets; 0 stands for "absent", as no table or vector lies there.
class Flatbuffer {
 public:
  explicit Flatbuffer(ByteView bytes) : bytes_(bytes) {}

  // A scalar, or nothing when it is not inside.
  template <class T>
  std::optional<T> Load(std::uint64_t at) const {
    if (at > bytes_.size() || bytes_.size() - at < sizeof(T)) return std::nullopt;
    return LoadLe<T>(bytes_.data() + at);
  }

  // Where the offset stored at `at` leads.
  std::optional<std::uint64_t> Follow(std::uint64_t at) const {
    const auto offset = Load<std::uint32_t>(at);
    if (!offset || *offset == 0 || *offset >= bytes_.size() - at) return std::nullopt;
    return at + *offset;
  }

  // Where field `index` of `table` is stored; 0 when the table leaves it out.
  std::optional<std::uint64_t> FieldAt(std::uint64_t table, unsigned index) const {
    const auto to_vtable = Load<std::int32_t>(table);
    if (!to_vtable) return std::nullopt;
    const std::int64_t vtable = static_cast<std::int64_t>(table) - *to_vtable;
    if (vtable < 0) return std::nullopt;
    const auto vtable_at = static_cast<std::uint64_t>(vtable);
    const auto vtable_size = Load<std::uint16_t>(vtable_at);
    if (!vtable_size || *vtable_size < 4) return std::nullopt;
    const unsigned entry = 4 + 2 * index;
    if (entry + 2 > *vtable_size) return 0;
    const auto field = Load<std::uint16_t>(vtable_at + entry);
    if (!field) return std::nullopt;
    return *field == 0 ? 0 : table + *field;
  }

  // The table, vector or string that field `index` leads to; 0 when it is left out.
  std::optional<std::uint64_t> ChildOf(std::uint64_t table, unsigned index) const {
    const auto at = FieldAt(table, index);
    if (!at || *at == 0) return at;
    return Follow(*at);
  }

  template <class T>
  std::optional<T> ScalarOf(std::uint64_t table, unsigned index) const {
    const auto at = FieldAt(table, index);
    if (!at) return std::nullopt;
    return *at == 0 ? T{0} : Load<T>(*at);
  }

  // Element count of the vector at `vector`, whose elements take `width` bytes; 0 of an absent one.
  std::optional<std::uint32_t> CountOf(std::uint64_t vector, std::uint64_t width) const {
    if (vector == 0) return 0;
    const auto count = Load<std::uint32_t>(vector);
    if (!count || *count * width > bytes_.size() - vector - 4) return std::nullopt;
    return count;
  }

  [[nodiscard]] ByteView bytes() const { return bytes_; }

 private:
  ByteView bytes_;
};

struct Range {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
};

class TfliteWalk {
 public:
  explicit TfliteWalk(ByteView file) : buffer_(file) {}

  std::optional<TensorList> Run() {
    const auto model = buffer_.Follow(0);
    if (!model || !Buffers(*model)) return std::nullopt;
    const auto subgraphs = buffer_.ChildOf(*model, kModelSubgraphs);
    const bool good = subgraphs && ForEachTable(*subgraphs, [this](std::uint64_t subgraph) {
                        const auto tensors = buffer_.ChildOf(subgraph, kSubgraphTensors);
                        return tensors && ForEachTable(*tensors, [this](std::uint64_t tensor) {
                                 return OneTensor(tensor);
                               });
                      });
    if (!good) return std::nullopt;
    return std::move(tensors_);
  }

 private:
  // Calls `visit` for each table of a vector of tables. The total is bounded, since the vectors of
  // hostile subgraphs may be one and the same.
  template <class Visit>
  bool ForEachTable(std::uint64_t vector, const Visit& visit) {
    const auto count = buffer_.CountOf(vector, 4);
    if (!count) return false;
    for (std::uint32_t i = 0; i < *count; ++i) {
      const auto table = buffer_.Follow(vector + 4 + std::uint64_t{4} * i);
      if (++tables_ > kTensorsMax || !table || !visit(*table)) return false;
    }
    return true;
  }

  bool Buffers(std::uint64_t model) {
    const auto buffers = buffer_.ChildOf(model, kModelBuffers);
    return buffers && ForEachTable(*buffers, [this](std::uint64_t table) {
             const auto range = BufferRange(table);
             if (range) buffers_.push_back(*range);
             return range.has_value();
           });
  }

  // The bytes of a Buffer: inside, or behind the flatbuffer when the model is beyond 2 GiB.
  std::optional<Range> BufferRange(std::uint64_t table) const {
    const auto data = buffer_.ChildOf(table, kBufferData);
    if (!data) return std::nullopt;
    const auto count = buffer_.CountOf(*data, 1);
    if (!count) return std::nullopt;
    if (*count > 0) return Range{*data + 4, *count};
    const auto offset = buffer_.ScalarOf<std::uint64_t>(table, kBufferOffset);
    const auto size = buffer_.ScalarOf<std::uint64_t>(table, kBufferSize);
    if (!offset || !size) return std::nullopt;
    if (*offset <= 1 || *size == 0) return Range{};  // 1 is what a converter fills in later
    const std::uint64_t file_size = buffer_.bytes().size();
    if (*offset > file_size || *size > file_size - *offset) return std::nullopt;
    return Range{*offset, *size};
  }

  bool OneTensor(std::uint64_t table) {
    const auto type = buffer_.ScalarOf<std::uint8_t>(table, kTensorType);
    const auto index = buffer_.ScalarOf<std::uint32_t>(table, kTensorBuffer);
    const auto name = buffer_.ChildOf(table, kTensorName);
    if (!type || !index || !name || *index >= buffers_.size()) return false;
    const auto name_size = buffer_.CountOf(*name, 1);
    if (!name_size) return false;
    const Range& range = buffers_[*index];
    if (range.length == 0) return true;  // an activation
    const std::size_t name_length = std::min<std::size_t>(*name_size, kTensorNameBytesMax);
    const ByteView text =
        name_length == 0 ? ByteView{} : buffer_.bytes().subspan(*name + 4, name_length);
    const ElementKind kind = KindOf(*type);
    tensors_.push_back({std::string(AsText(text)), range.offset, range.length, kind,
                        ShapeOf(table).RowElements(range.length / ElementWidth(kind))});
    return true;
  }

  // As far as it can be read: a shape that does not fit its tensor is none.
  MatrixShape ShapeOf(std::uint64_t table) const {
    MatrixShape shape;
    const auto vector = buffer_.ChildOf(table, kTensorShape);
    const auto count = vector ? buffer_.CountOf(*vector, 4) : std::nullopt;
    if (!count || *count > kDimensionsMax) return shape;
    for (std::uint32_t i = 0; i < *count; ++i) {
      shape.Add(buffer_.Load<std::uint32_t>(*vector + 4 + std::uint64_t{4} * i).value_or(0));
    }
    return shape;
  }

  const Flatbuffer buffer_;
  std::size_t tables_ = 0;
  std::vector<Range> buffers_;
  TensorList tensors_;
};

}  // namespace

std::optional<TensorList> WalkTflite(ByteView file) {
  if (file.size() < 8 || AsText(file.subspan(4, 4)) != "TFL3") return std::nullopt;
  return TfliteWalk(file).Run();
}

}  // namespace sluice
