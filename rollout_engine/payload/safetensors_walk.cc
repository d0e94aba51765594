#include <nlohmann/json.hpp>
#include <unordered_map>

#include "rollout_engine/payload/walkers.h"

namespace sluice {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kHeaderLengthSize = 8;
constexpr std::uint64_t kHeaderBytesMax = 16 << 20;
constexpr int kDepthMax = 3;  // {tensor: {data_offsets: [

ElementKind KindOf(const std::string& dtype) {
  static const std::unordered_map<std::string, ElementKind> kKinds = {
      {"F32", ElementKind::kF32}, {"F16", ElementKind::kF16}, {"BF16", ElementKind::kBf16},
      {"I8", ElementKind::kI8},   {"U8", ElementKind::kI8},   {"I16", ElementKind::kI16},
      {"U16", ElementKind::kI16}, {"I32", ElementKind::kI32}, {"U32", ElementKind::kI32}};
  const auto found = kKinds.find(dtype);
  return found == kKinds.end() ? ElementKind::kBytes : found->second;
}

// Reads the header without building a document: hostile JSON costs no more memory than the tensors
// it names. Every callback returns false to give the file up.
class HeaderReader final : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(std::uint64_t data_begin, std::uint64_t data_size)
      : data_begin_(data_begin), data_size_(data_size) {}

  [[nodiscard]] TensorList Take() { return std::move(tensors_); }

  bool start_object(std::size_t /*size*/) override {
    if (++depth_ > kDepthMax) return false;
    if (depth_ == 2) Begin();
    return true;
  }
  bool end_object() override { return depth_-- != 2 || End(); }
  bool start_array(std::size_t /*size*/) override { return depth_ > 0 && ++depth_ <= kDepthMax; }
  bool end_array() override {
    --depth_;
    return true;
  }
  bool key(std::string& name) override {
    if (depth_ == 1) name_ = name;
    if (depth_ == 2) member_ = name;
    return name.size() <= kTensorNameBytesMax;
  }
  bool number_unsigned(std::uint64_t value) override {
    if (depth_ == 3 && member_ == "shape") shape_.Add(value);
    if (depth_ != 3 || member_ != "data_offsets") return true;
    if (offset_count_ == 2) return false;
    offsets_[offset_count_++] = value;
    return true;
  }
  bool string(std::string& value) override {
    if (depth_ == 2 && member_ == "dtype") dtype_ = value;
    return true;
  }
  bool null() override { return true; }
  bool boolean(bool /*value*/) override { return true; }
  bool number_integer(std::int64_t /*value*/) override { return true; }
  bool number_float(double /*value*/, const std::string& /*text*/) override { return true; }
  bool binary(Json::binary_t& /*value*/) override { return false; }
  bool parse_error(std::size_t /*at*/, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*why*/) override {
    return false;
  }

 private:
  void Begin() {
    member_.clear();
    dtype_.clear();
    offset_count_ = 0;
    shape_ = {};
  }
  bool End() {
    if (name_ == "__metadata__") return true;
    if (offset_count_ != 2 || offsets_[0] > offsets_[1] || offsets_[1] > data_size_) return false;
    if (tensors_.size() == kTensorsMax) return false;
    const std::uint64_t length = offsets_[1] - offsets_[0];
    const ElementKind kind = KindOf(dtype_);
    tensors_.push_back({name_, data_begin_ + offsets_[0], length, kind,
                        shape_.RowElements(length / ElementWidth(kind))});
    return true;
  }

  const std::uint64_t data_begin_;
  const std::uint64_t data_size_;
  int depth_ = 0;
  std::string name_, member_, dtype_;  // of the tensor that is being read
  std::array<std::uint64_t, 2> offsets_{};
  std::size_t offset_count_ = 0;
  MatrixShape shape_;
  TensorList tensors_;
};

}  // namespace

std::optional<TensorList> WalkSafetensors(ByteView file) {
  if (file.size() <= kHeaderLengthSize || file[kHeaderLengthSize] != '{') return std::nullopt;
  const auto length = LoadLe<std::uint64_t>(file.data());
  if (length > std::min<std::uint64_t>(file.size() - kHeaderLengthSize, kHeaderBytesMax)) {
    return std::nullopt;
  }
  const std::uint64_t data_begin = kHeaderLengthSize + length;
  HeaderReader reader(data_begin, file.size() - data_begin);
  const std::string_view header = AsText(file.subspan(kHeaderLengthSize, length));
  if (!Json::sax_parse(header, &reader)) return std::nullopt;
  return reader.Take();
}

}  // namespace sluice
