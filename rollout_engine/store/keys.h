// The key layout of the engine's store, and the version of it.
//
// clang-format off
//   family      key                      value                                            written by
//   meta        meta/schema              version of this layout, decimal                  store
//   release     release/<name>           what the registry knows of a release (JSON)      registry
//   model       model/<model>/<number>   name of the release with that release_seq        registry
//   manifest    manifest/<sha256>        name of the release with that manifest envelope  registry
//   artifact    artifact/<sha256>        name of the newest release with that artifact    registry
//   engine, device, hello, directive, ...  see rollout_engine/engine/keys.h               engine
// clang-format on
//
// Parts are joined by '/', which no id may contain, so no key of one entity is a prefix of
// another's. Numbers have leading zeros: the store's byte order is their order. Keys are printable;
// `sluice store dump` shows them as they are.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "rollout_engine/store/store.h"

namespace sluice::store_key {

/// 20 decimal digits: sorts as text exactly as the number does.
std::string Number(std::uint64_t value);
/// The inverse of Number; nothing for any other text.
std::optional<std::uint64_t> ParseNumber(std::string_view text);

/// "family/part/part".
std::string Join(std::string_view family, std::initializer_list<std::string_view> parts);
/// "family/part/": the prefix to scan for what lies below.
std::string Below(std::string_view family, std::initializer_list<std::string_view> parts = {});

inline constexpr std::uint64_t kSchemaVersion = 1;

/// Marks an empty store with kSchemaVersion and accepts a store that has it. E_STORE_SCHEMA for any
/// other version: a newer program wrote it, nothing is read or changed. E_STORE_CORRUPT when there
/// is data but no version.
Status CheckSchema(Store& store);

}  // namespace sluice::store_key
