#include "device_sdk/examples/digits/safetensors.h"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "common/base/check.h"

namespace sluice::digits {
namespace {

using nlohmann::json;
// Keeps the order of the keys, so that equal tensors give equal bytes.
using nlohmann::ordered_json;

constexpr std::size_t kHeadBytes = 8;
constexpr std::size_t kHeaderBytesMax = 65'536;
constexpr std::size_t kFileBytesMax = std::size_t{64} << 20;
constexpr std::size_t kTensorsMax = 64;
constexpr std::size_t kDimensionsMax = 8;
constexpr int kHeaderDepthMax = 3;
constexpr const char* kMetadataKey = "__metadata__";

tl::unexpected<Error> Bad(const std::string& what) {
  return Fail(ErrorCode::kLoad, "safetensors: " + what);
}

/// Parses without exceptions; refuses what nlohmann would take: repeated keys (the last one would
/// win) and deep nesting.
Result<json> ParseHeader(std::string_view text) {
  std::vector<std::set<std::string>> keys;
  bool refused = false;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key) {
      refused |= !keys.back().insert(value.get<std::string>()).second;
    }
    refused |= depth > kHeaderDepthMax;
    return !refused;
  };
  json header = json::parse(text, watch, /*allow_exceptions=*/false);
  if (refused) return Bad("a repeated key or too deep nesting in the header");
  if (!header.is_object()) return Bad("the header is not a JSON object");
  return header;
}

/// An array of non-negative integers, at most `max` of them.
bool ReadNumbers(const json& array, std::size_t max, std::vector<std::size_t>& out) {
  if (!array.is_array() || array.size() > max) return false;
  for (const json& number : array) {
    if (!number.is_number_unsigned()) return false;
    out.push_back(number.get<std::size_t>());
  }
  return true;
}

/// How many values a shape asks for; nothing beyond what a file may hold.
bool CountValues(const std::vector<std::size_t>& shape, std::size_t& count) {
  count = 1;
  for (const std::size_t extent : shape) {
    if (extent == 0 || extent > kFileBytesMax / count) return false;
    count *= extent;
  }
  return true;
}

struct Placed {
  std::size_t begin, end;
  Tensor tensor;
};

Result<Placed> ReadEntry(const std::string& name, const json& entry, std::size_t data_bytes) {
  Placed placed{0, 0, {name, {}, {}}};
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
      !entry.contains("shape") || !entry.contains("data_offsets")) {
    return Bad("tensor '" + name + "' must have dtype, shape and data_offsets");
  }
  if (entry["dtype"] != "F32") return Bad("tensor '" + name + "' is not F32");
  std::vector<std::size_t> offsets;
  std::size_t count = 0;
  if (!ReadNumbers(entry["shape"], kDimensionsMax, placed.tensor.shape) ||
      !CountValues(placed.tensor.shape, count)) {
    return Bad("tensor '" + name + "' has an impossible shape");
  }
  if (!ReadNumbers(entry["data_offsets"], 2, offsets) || offsets.size() != 2 ||
      offsets[0] > offsets[1] || offsets[1] > data_bytes ||
      offsets[1] - offsets[0] != count * sizeof(float)) {
    return Bad("tensor '" + name + "' does not lie where its shape says");
  }
  placed.begin = offsets[0];
  placed.end = offsets[1];
  return placed;
}

Status ReadMetadata(const json& entry, std::map<std::string, std::string>& metadata) {
  if (!entry.is_object()) return Bad("the metadata is not an object");
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string()) return Bad("metadata '" + key + "' is not a text");
    metadata[key] = value.get<std::string>();
  }
  return {};
}

}  // namespace

Bytes WriteSafetensors(const TensorFile& file) {
  static_assert(std::endian::native == std::endian::little);
  ordered_json header = ordered_json::object();
  if (!file.metadata.empty()) header[kMetadataKey] = file.metadata;
  std::size_t offset = 0;
  for (const Tensor& tensor : file.tensors) {
    std::size_t count = 0;
    SLUICE_CHECK(CountValues(tensor.shape, count) && count == tensor.values.size());
    SLUICE_CHECK(!header.contains(tensor.name));
    const std::size_t end = offset + count * sizeof(float);
    header[tensor.name] = {
        {"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {offset, end}}};
    offset = end;
  }
  std::string text = header.dump();
  // Spaces are allowed after the JSON and bring the values to an 8-byte boundary.
  text.resize((text.size() + 7) / 8 * 8, ' ');

  Bytes bytes;
  bytes.reserve(kHeadBytes + text.size() + offset);
  AppendLe(bytes, static_cast<std::uint64_t>(text.size()));
  Append(bytes, AsBytes(text));
  for (const Tensor& tensor : file.tensors) {
    const auto* values = reinterpret_cast<const std::uint8_t*>(tensor.values.data());
    Append(bytes, {values, tensor.values.size() * sizeof(float)});
  }
  return bytes;
}

Result<TensorFile> ReadSafetensors(ByteView bytes) {
  if (bytes.size() < kHeadBytes || bytes.size() > kFileBytesMax) {
    return Bad("a file of " + std::to_string(bytes.size()) + " bytes");
  }
  const auto header_bytes = LoadLe<std::uint64_t>(bytes.data());
  if (header_bytes > kHeaderBytesMax || header_bytes > bytes.size() - kHeadBytes) {
    return Bad("a header of " + std::to_string(header_bytes) + " bytes");
  }
  const auto header_size = static_cast<std::size_t>(header_bytes);
  const ByteView data = bytes.subspan(kHeadBytes + header_size);
  SLUICE_ASSIGN(const json header, ParseHeader(AsText(bytes.subspan(kHeadBytes, header_size))));

  TensorFile file;
  std::vector<Placed> placed;
  for (const auto& [name, entry] : header.items()) {
    if (name == kMetadataKey) {
      SLUICE_TRY(ReadMetadata(entry, file.metadata));
      continue;
    }
    if (placed.size() == kTensorsMax) return Bad("more than 64 tensors");
    SLUICE_ASSIGN(Placed one, ReadEntry(name, entry, data.size()));
    placed.push_back(std::move(one));
  }
  std::sort(placed.begin(), placed.end(),
            [](const Placed& a, const Placed& b) { return a.begin < b.begin; });
  std::size_t end = 0;
  for (Placed& one : placed) {
    if (one.begin != end) return Bad("a gap or an overlap before tensor '" + one.tensor.name + "'");
    end = one.end;
    one.tensor.values.resize((one.end - one.begin) / sizeof(float));
    std::memcpy(one.tensor.values.data(), data.data() + one.begin, one.end - one.begin);
    file.tensors.push_back(std::move(one.tensor));
  }
  if (end != data.size()) return Bad("bytes behind the last tensor");
  return file;
}

}  // namespace sluice::digits
