// Root, RevocationList and ReleaseManifest: what keys kept offline sign.
#include <set>

#include "common/contract/codec.h"
#include "common/contract/field_reader.h"
#include "common/contract/wire_message.h"
#include "common/contract/wire_object.h"
#include "manifest_generated.h"
#include "revocations_generated.h"
#include "root_generated.h"

namespace sluice {
namespace {

const WireFormat kRootFormat{"Root", wire::RootIdentifier(), limits::kRootBytesMax};
const WireFormat kRevocationsFormat{"RevocationList", wire::RevocationListIdentifier(),
                                    limits::kRevocationsBytesMax};
const WireFormat kManifestFormat{"ReleaseManifest", wire::ReleaseManifestIdentifier(),
                                 limits::kManifestBytesMax};

constexpr std::size_t kEd25519KeySize = 32;
constexpr std::size_t kP256KeySize = 65;
constexpr double kLatencyMsMax = 1e9;

std::unique_ptr<wire::RoleKeysT> ToWire(const RoleKeys& role) {
  auto to = std::make_unique<wire::RoleKeysT>();
  for (const PublicKey& key : role.keys) {
    auto& to_key = to->keys.emplace_back(std::make_unique<wire::PublicKeyT>());
    to_key->algorithm = static_cast<wire::SignatureAlgorithm>(key.algorithm);
    to_key->raw = key.raw;
  }
  to->threshold = role.threshold;
  return to;
}

PublicKey ReadKey(FieldReader& read, std::string_view role, const wire::PublicKey& from) {
  PublicKey key;
  key.algorithm = read.Enum(role, from.algorithm(), SignatureAlgorithm::kEd25519,
                            SignatureAlgorithm::kEcdsaP256);
  const std::size_t size =
      key.algorithm == SignatureAlgorithm::kEd25519 ? kEd25519KeySize : kP256KeySize;
  for (const std::uint8_t byte : read.List(role, from.raw(), size, size)) key.raw.push_back(byte);
  return key;
}

/// `seen` runs over all roles: a key with two roles would turn two signatures that must agree into
/// one.
RoleKeys ReadRole(FieldReader& read, std::string_view role, const wire::RoleKeys* from,
                  std::set<Bytes>& seen) {
  RoleKeys keys;
  read.Require(from != nullptr, role, "the keys of this role are missing");
  if (from == nullptr) return keys;
  for (const wire::PublicKey* key : read.List(role, from->keys(), 1, limits::kRootKeysMax)) {
    keys.keys.push_back(ReadKey(read, role, *key));
    read.Unique(role, seen, keys.keys.back().raw);
  }
  keys.threshold = from->threshold();
  read.Require(keys.threshold >= 1 && keys.threshold <= keys.keys.size(), role,
               "the threshold must be between 1 and the number of keys");
  return keys;
}

template <class Table>
void ReadLife(FieldReader& read, const Table& from, std::int64_t& created_ms,
              std::int64_t& expires_ms) {
  created_ms = read.TimeMs("created_ms", from.created_ms());
  expires_ms = read.TimeMs("expires_ms", from.expires_ms());
  read.Require(expires_ms > created_ms, "expires_ms", "it must lie after created_ms");
}

ValidationSpec ReadValidation(FieldReader& read, const wire::ValidationSpec& from) {
  ValidationSpec spec;
  spec.sha256 = read.OptionalDigest(from.sha256());
  spec.size_bytes =
      read.Within("validation.size_bytes", from.size_bytes(), 0, limits::kValidationSetBytesMax);
  read.Require(spec.sha256.IsZero() == (spec.size_bytes == 0), "validation",
               "a set has a digest and a size, no set has neither");
  spec.accuracy_expected =
      read.Within("validation.accuracy_expected", from.accuracy_expected(), 0.0, 1.0);
  spec.accuracy_tolerance =
      read.Within("validation.accuracy_tolerance", from.accuracy_tolerance(), 0.0, 1.0);
  return spec;
}

HealthLimits ReadLimits(FieldReader& read, const wire::HealthLimits& from) {
  HealthLimits health;
  health.error_rate_max = read.Within("limits.error_rate_max", from.error_rate_max(), 0.0, 1.0);
  health.latency_p99_max_ms =
      read.Within("limits.latency_p99_max_ms", from.latency_p99_max_ms(), 0.0, kLatencyMsMax);
  health.accuracy_drop_max =
      read.Within("limits.accuracy_drop_max", from.accuracy_drop_max(), 0.0, 1.0);
  return health;
}

}  // namespace

Bytes Encode(const Root& value) {
  wire::RootT to;
  to.fleet_id = value.fleet_id;
  to.version = value.version;
  to.root = ToWire(value.root);
  to.release = ToWire(value.release);
  to.director = ToWire(value.director);
  for (const ModelFloor& floor : value.lowered_floors) {
    auto& to_floor = to.lowered_floors.emplace_back(std::make_unique<wire::ModelFloorT>());
    to_floor->model = floor.model;
    to_floor->floor_epoch = floor.floor_epoch;
  }
  to.created_ms = value.created_ms;
  to.expires_ms = value.expires_ms;
  return PackMessage(to, kRootFormat);
}

template <>
Result<Root> Decode<Root>(ByteView bytes) {
  SLUICE_ASSIGN(const auto message, WireMessage<wire::Root>::Open(kRootFormat, bytes));
  const wire::Root& from = *message;
  FieldReader read(kRootFormat.name);
  Root root;
  root.fleet_id = read.RegistryId("fleet_id", from.fleet_id());
  root.version = from.version();
  read.Require(root.version >= 1, "version", "versions count from 1");
  std::set<Bytes> seen_keys;
  root.root = ReadRole(read, "root", from.root(), seen_keys);
  root.release = ReadRole(read, "release", from.release(), seen_keys);
  root.director = ReadRole(read, "director", from.director(), seen_keys);
  std::set<std::string> seen_models;
  for (const wire::ModelFloor* floor :
       read.List("lowered_floors", from.lowered_floors(), 0, limits::kModelFloorsMax)) {
    root.lowered_floors.push_back(
        {read.RegistryId("lowered_floors.model", floor->model()), floor->floor_epoch()});
    read.Unique("lowered_floors", seen_models, root.lowered_floors.back().model);
  }
  ReadLife(read, from, root.created_ms, root.expires_ms);
  return read.Finish(std::move(root));
}

Bytes Encode(const RevocationList& value) {
  wire::RevocationListT to;
  to.fleet_id = value.fleet_id;
  to.version = value.version;
  for (const Revocation& entry : value.entries) {
    auto& to_entry = to.entries.emplace_back(std::make_unique<wire::RevocationT>());
    to_entry->model = entry.model;
    to_entry->min_epoch = entry.min_epoch;
    for (const Digest& artifact : entry.artifacts) to_entry->artifacts.push_back(ToWire(artifact));
  }
  to.created_ms = value.created_ms;
  to.expires_ms = value.expires_ms;
  return PackMessage(to, kRevocationsFormat);
}

template <>
Result<RevocationList> Decode<RevocationList>(ByteView bytes) {
  SLUICE_ASSIGN(const auto message,
                WireMessage<wire::RevocationList>::Open(kRevocationsFormat, bytes));
  const wire::RevocationList& from = *message;
  FieldReader read(kRevocationsFormat.name);
  RevocationList list;
  list.fleet_id = read.RegistryId("fleet_id", from.fleet_id());
  list.version = from.version();
  read.Require(list.version >= 1, "version", "versions count from 1");
  std::set<std::string> seen_models;
  std::size_t artifacts_left = limits::kRevokedMax;
  for (const wire::Revocation* entry :
       read.List("entries", from.entries(), 0, limits::kModelFloorsMax)) {
    Revocation revocation;
    revocation.model = read.RegistryId("entries.model", entry->model());
    read.Unique("entries", seen_models, revocation.model);
    revocation.min_epoch = entry->min_epoch();
    for (const wire::Digest* artifact :
         read.List("entries.artifacts", entry->artifacts(), 0, artifacts_left)) {
      revocation.artifacts.push_back(read.Digest("entries.artifacts", artifact));
    }
    artifacts_left -= revocation.artifacts.size();
    list.entries.push_back(std::move(revocation));
  }
  ReadLife(read, from, list.created_ms, list.expires_ms);
  return read.Finish(std::move(list));
}

Bytes Encode(const ReleaseManifest& value) {
  wire::ReleaseManifestT to;
  to.fleet_id = value.fleet_id;
  to.model = value.model;
  to.release = value.release;
  to.release_seq = value.release_seq;
  to.security_epoch = value.security_epoch;
  to.floor_epoch = value.floor_epoch;
  to.hardware = value.hardware;
  to.runtime_abi = value.runtime_abi;
  to.min_agent = value.min_agent;
  to.format = value.format;
  to.artifact_size = value.artifact_size;
  to.artifact_sha256 = ToWireOptional(value.artifact_sha256);
  to.block_root = ToWireOptional(value.block_root);
  to.validation = std::make_unique<wire::ValidationSpecT>();
  to.validation->sha256 = ToWireOptional(value.validation.sha256);
  to.validation->size_bytes = value.validation.size_bytes;
  to.validation->accuracy_expected = value.validation.accuracy_expected;
  to.validation->accuracy_tolerance = value.validation.accuracy_tolerance;
  to.limits = std::make_unique<wire::HealthLimits>(
      value.limits.error_rate_max, value.limits.latency_p99_max_ms, value.limits.accuracy_drop_max);
  to.created_ms = value.created_ms;
  to.expires_ms = value.expires_ms;
  return PackMessage(to, kManifestFormat);
}

template <>
Result<ReleaseManifest> Decode<ReleaseManifest>(ByteView bytes) {
  SLUICE_ASSIGN(const auto message,
                WireMessage<wire::ReleaseManifest>::Open(kManifestFormat, bytes));
  const wire::ReleaseManifest& from = *message;
  FieldReader read(kManifestFormat.name);
  ReleaseManifest manifest;
  manifest.fleet_id = read.RegistryId("fleet_id", from.fleet_id());
  manifest.model = read.RegistryId("model", from.model());
  manifest.release = read.RegistryId("release", from.release());
  manifest.release_seq = from.release_seq();
  manifest.security_epoch = from.security_epoch();
  manifest.floor_epoch = from.floor_epoch();
  read.Require(manifest.floor_epoch <= manifest.security_epoch, "floor_epoch",
               "above security_epoch the release would forbid itself");
  manifest.hardware = read.RegistryIds("hardware", from.hardware(), 1, limits::kHardwareNamesMax);
  manifest.runtime_abi = read.OptionalRegistryId("runtime_abi", from.runtime_abi());
  manifest.min_agent = read.OptionalVersion("min_agent", from.min_agent());
  manifest.format = read.RegistryId("format", from.format());
  manifest.artifact_size =
      read.Within("artifact_size", from.artifact_size(), 1, limits::kArtifactBytesMax);
  manifest.artifact_sha256 = read.Digest("artifact_sha256", from.artifact_sha256());
  manifest.block_root = read.Digest("block_root", from.block_root());
  read.Require(from.validation() != nullptr, "validation", "it is missing");
  if (from.validation() != nullptr) manifest.validation = ReadValidation(read, *from.validation());
  read.Require(from.limits() != nullptr, "limits", "they are missing");
  if (from.limits() != nullptr) manifest.limits = ReadLimits(read, *from.limits());
  ReadLife(read, from, manifest.created_ms, manifest.expires_ms);
  return read.Finish(std::move(manifest));
}

}  // namespace sluice
