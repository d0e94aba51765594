#include "rollout_engine/store/keys.h"

#include <charconv>

namespace sluice::store_key {
namespace {

constexpr std::string_view kSchemaKey = "meta/schema";
constexpr std::size_t kNumberDigits = 20;  // of 2^64 - 1

}  // namespace

std::string Number(std::uint64_t value) {
  const std::string digits = std::to_string(value);
  return std::string(kNumberDigits - digits.size(), '0') + digits;
}

std::optional<std::uint64_t> ParseNumber(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.size() != kNumberDigits || error != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

std::string Join(std::string_view family, std::initializer_list<std::string_view> parts) {
  std::string key(family);
  for (const std::string_view part : parts) key.append("/").append(part);
  return key;
}

std::string Below(std::string_view family, std::initializer_list<std::string_view> parts) {
  return Join(family, parts) + "/";
}

Status CheckSchema(Store& store) {
  SLUICE_ASSIGN(const std::optional<Bytes> found, store.Get(kSchemaKey));
  if (!found) {
    bool empty = true;
    SLUICE_TRY(store.Scan("", [&empty](std::string_view, ByteView) { return empty = false; }));
    if (!empty) {
      return Fail(ErrorCode::kStoreCorrupt,
                  "the store has data but no schema version; restore a backup");
    }
    WriteBatch batch;
    batch.Put(std::string(kSchemaKey), std::to_string(kSchemaVersion));
    return store.Write(batch, true);
  }
  const std::string_view version = AsText(*found);
  if (version != std::to_string(kSchemaVersion)) {
    return Fail(ErrorCode::kStoreSchema,
                "the store has schema " + std::string(version) + ", this program reads " +
                    std::to_string(kSchemaVersion) + "; start the version of Sluice that wrote it");
  }
  return {};
}

}  // namespace sluice::store_key
