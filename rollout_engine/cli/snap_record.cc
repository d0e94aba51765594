#include "rollout_engine/cli/snap_record.h"

#include <array>
#include <cmath>

#include "rollout_engine/cli/json_text.h"

namespace sluice {
namespace {

constexpr int kVersion = 1;
constexpr std::array<std::string_view, 3> kKindNames = {"f16", "bf16", "f32"};  // from kF16 on

std::string_view KindName(ElementKind kind) {
  return kKindNames[static_cast<std::size_t>(kind) - static_cast<std::size_t>(ElementKind::kF16)];
}

Result<ElementKind> KindFromName(std::string_view name) {
  for (const ElementKind kind : {ElementKind::kF16, ElementKind::kBf16, ElementKind::kF32}) {
    if (KindName(kind) == name) return kind;
  }
  return Fail(ErrorCode::kCfgRange, "kind: f16, bf16 or f32");
}

Result<std::uint64_t> CountAt(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_number_unsigned())
    return Fail(ErrorCode::kCfgIncomplete, std::string(key) + ": a whole number is missing");
  return found->get<std::uint64_t>();
}

Result<SnappedTensor> TensorFromJson(const Json& json) {
  if (!json.is_object()) return Fail(ErrorCode::kCfgRange, "tensors: objects");
  SnappedTensor snapped;
  snapped.tensor.name = TextAt(json, "name");
  SLUICE_ASSIGN(snapped.tensor.kind, KindFromName(TextAt(json, "kind")));
  SLUICE_ASSIGN(snapped.tensor.offset, CountAt(json, "offset"));
  SLUICE_ASSIGN(snapped.tensor.length, CountAt(json, "length"));
  SLUICE_ASSIGN(snapped.elements, CountAt(json, "elements"));
  SLUICE_ASSIGN(snapped.moved, CountAt(json, "moved"));
  SLUICE_ASSIGN(snapped.kept_exact, CountAt(json, "kept_exact"));
  SLUICE_ASSIGN(const std::uint64_t k_max, CountAt(json, "k_max"));
  snapped.k_max = static_cast<std::uint32_t>(std::min<std::uint64_t>(k_max, UINT32_MAX));
  snapped.sigma = NumberAt(json, "sigma");
  const double step = NumberAt(json, "step", -1);
  snapped.step = static_cast<float>(step);
  const bool is_step = step == 0 || SnapStep(step, 1.0) == snapped.step;
  if (!is_step || static_cast<double>(snapped.step) != step)
    return Fail(ErrorCode::kCfgRange, "step: 0, or a number of 8 significant bits");
  return snapped;
}

}  // namespace

std::string SnapRecordToJson(const SnapRecord& record) {
  Json tensors = Json::array();
  for (const SnappedTensor& snapped : record.tensors) {
    tensors.push_back({{"name", snapped.tensor.name},
                       {"kind", KindName(snapped.tensor.kind)},
                       {"offset", snapped.tensor.offset},
                       {"length", snapped.tensor.length},
                       {"sigma", snapped.sigma},
                       {"step", static_cast<double>(snapped.step)},
                       {"k_max", snapped.k_max},
                       {"elements", snapped.elements},
                       {"moved", snapped.moved},
                       {"kept_exact", snapped.kept_exact}});
  }
  const Json json = {{"version", kVersion},
                     {"base_sha256", record.base.Hex()},
                     {"original_sha256", record.original.Hex()},
                     {"snapped_sha256", record.snapped.Hex()},
                     {"step_sigmas", record.step_sigmas},
                     {"tensors", std::move(tensors)}};
  // Names are the model's own bytes, UTF-8 or not.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<SnapRecord> ParseSnapRecord(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (!json.is_object() || IntegerAt(json, "version") != kVersion)
    return Fail(ErrorCode::kCfgRange, "not a record of 'sluice delta snap' of version 1");
  SnapRecord record;
  SLUICE_ASSIGN(record.base, DigestFromHex(TextAt(json, "base_sha256")));
  SLUICE_ASSIGN(record.original, DigestFromHex(TextAt(json, "original_sha256")));
  SLUICE_ASSIGN(record.snapped, DigestFromHex(TextAt(json, "snapped_sha256")));
  record.step_sigmas = NumberAt(json, "step_sigmas");
  const Json& tensors = ItemsAt(json, "tensors");
  if (tensors.size() > kTensorsMax) return Fail(ErrorCode::kCfgRange, "tensors: too many");
  for (const Json& tensor : tensors) {
    SLUICE_ASSIGN(SnappedTensor snapped, TensorFromJson(tensor));
    record.tensors.push_back(std::move(snapped));
  }
  return record;
}

}  // namespace sluice
