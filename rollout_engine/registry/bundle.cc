#include "rollout_engine/registry/bundle.h"

#include <filesystem>

#include "common/contract/codec.h"
#include "common/contract/topics.h"
#include "rollout_engine/registry/file_io.h"
#include "rollout_engine/registry/release_json.h"
#include "rollout_engine/registry/release_objects.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kIndexFile = "release.json";
constexpr std::uint64_t kIndexBytesMax = 65'536;

std::string PayloadFile(std::size_t index) { return "manifest-" + std::to_string(index) + ".bin"; }
std::string EnvelopeFile(std::size_t index) { return "manifest-" + std::to_string(index) + ".env"; }

ReleaseManifest ManifestOf(const ReleaseDraft& draft, const ReleaseDraft::Artifact& artifact) {
  ReleaseManifest manifest;
  manifest.fleet_id = draft.fleet_id;
  manifest.model = draft.model;
  manifest.release = draft.name;
  manifest.release_seq = draft.release_seq;
  manifest.security_epoch = draft.security_epoch;
  manifest.floor_epoch = draft.floor_epoch;
  manifest.hardware = artifact.hardware;
  manifest.runtime_abi = artifact.runtime_abi;
  manifest.min_agent = draft.min_agent;
  manifest.format = artifact.format;
  manifest.limits = draft.limits;
  manifest.created_ms = draft.created_ms;
  manifest.expires_ms = draft.expires_ms;
  return manifest;
}

Result<double> ExpectedAccuracy(const ReleaseDraft& draft, const ReleaseDraft::Artifact& artifact) {
  if (artifact.accuracy) return *artifact.accuracy;
  const auto metric = draft.metrics.find("accuracy");
  if (metric == draft.metrics.end()) {
    return Fail(ErrorCode::kCfgIncomplete,
                "a validation set needs metrics.accuracy: what devices shall reach on it");
  }
  return metric->second;
}

/// The decoder's rules are the rules: what it would refuse on a device must not be signed.
Result<Bytes> EncodeChecked(const ReleaseManifest& manifest) {
  Bytes payload = Encode(manifest);
  const auto decoded = Decode<ReleaseManifest>(payload);
  if (!decoded) return Fail(decoded.error().With("manifest for " + manifest.hardware.front()));
  return payload;
}

Result<ReleaseArtifact> LoadManifest(const std::string& folder, std::size_t index) {
  ReleaseArtifact artifact;
  auto envelope = ReadFile(folder + "/" + EnvelopeFile(index), limits::kManifestBytesMax);
  if (envelope) {
    SLUICE_ASSIGN(const Envelope parsed, ParseEnvelope(*envelope));
    SLUICE_ASSIGN(artifact.manifest, Decode<ReleaseManifest>(parsed.payload));
    artifact.manifest_sha256 = Sha256(*envelope);
    artifact.envelope = *std::move(envelope);
    return artifact;
  }
  if (envelope.error().code != ErrorCode::kNotFound) return Fail(envelope.error());
  SLUICE_ASSIGN(const Bytes payload,
                ReadFile(folder + "/" + PayloadFile(index), limits::kManifestBytesMax));
  SLUICE_ASSIGN(artifact.manifest, Decode<ReleaseManifest>(payload));
  return artifact;
}

}  // namespace

Result<Bundle> Bundle::Create(const std::string& folder, const ReleaseDraft& draft) {
  SLUICE_TRY(CheckRegistryId("release", draft.name));
  std::error_code error;
  if (fs::exists(folder, error) && !fs::is_empty(folder, error)) {
    return Fail(ErrorCode::kConflict, folder + " is there and not empty; name a new folder");
  }
  SLUICE_ASSIGN(ObjectStore objects, ObjectStore::Open(folder));
  Bundle bundle(folder, std::move(objects));
  const Status filled = bundle.Fill(draft);
  if (!filled) {
    fs::remove_all(folder, error);
    return Fail(filled.error());
  }
  return bundle;
}

Status Bundle::Fill(const ReleaseDraft& draft) {
  release_.name = draft.name;
  release_.model = draft.model;
  release_.release_seq = draft.release_seq;
  release_.metrics = draft.metrics;
  for (const ReleaseDraft::Artifact& artifact : draft.artifacts) {
    release_.artifacts.push_back({ManifestOf(draft, artifact), {}, {}});
  }
  SLUICE_TRY(CheckRelease(release_));
  ObjectInfo validation_set;
  if (!draft.validation_path.empty()) {
    SLUICE_ASSIGN(validation_set,
                  objects_.PutFile(draft.validation_path, limits::kValidationSetBytesMax));
  }
  for (std::size_t i = 0; i < draft.artifacts.size(); ++i) {
    ReleaseManifest& manifest = release_.artifacts[i].manifest;
    SLUICE_ASSIGN(const ObjectInfo artifact, objects_.PutFile(draft.artifacts[i].path));
    SLUICE_ASSIGN(const Bytes hashes, ListBlockHashes(objects_, artifact.sha256));
    manifest.artifact_size = artifact.size_bytes;
    manifest.artifact_sha256 = artifact.sha256;
    manifest.block_root = Sha256(hashes);
    if (!draft.validation_path.empty()) {
      SLUICE_ASSIGN(const double accuracy, ExpectedAccuracy(draft, draft.artifacts[i]));
      manifest.validation = {validation_set.sha256, validation_set.size_bytes, accuracy,
                             draft.accuracy_tolerance};
    }
    SLUICE_ASSIGN(const Bytes payload, EncodeChecked(manifest));
    SLUICE_TRY(WriteFile(PathOf(PayloadFile(i)), payload));
  }
  const BundleIndex index{release_.name, release_.metrics, release_.artifacts.size()};
  return WriteFile(PathOf(kIndexFile), AsBytes(BundleIndexToJson(index)));
}

Result<Bundle> Bundle::Load(const std::string& folder) {
  const auto index_bytes = ReadFile(folder + "/" + std::string(kIndexFile), kIndexBytesMax);
  if (!index_bytes) return Fail(index_bytes.error().With("no release bundle"));
  SLUICE_ASSIGN(const BundleIndex index, BundleIndexFromJson(AsText(*index_bytes)));
  SLUICE_ASSIGN(ObjectStore objects, ObjectStore::OpenExisting(folder));
  Bundle bundle(folder, std::move(objects));
  Release& release = bundle.release_;
  release.name = index.release;
  release.metrics = index.metrics;
  release.state = ReleaseState::kSigned;
  for (std::size_t i = 0; i < index.manifests; ++i) {
    SLUICE_ASSIGN(ReleaseArtifact artifact, LoadManifest(folder, i));
    if (artifact.envelope.empty()) release.state = ReleaseState::kDraft;
    release.artifacts.push_back(std::move(artifact));
  }
  release.model = release.artifacts.front().manifest.model;
  release.release_seq = release.artifacts.front().manifest.release_seq;
  SLUICE_TRY(CheckRelease(release));
  return bundle;
}

Status Bundle::Sign(const SigningKey& key) {
  for (std::size_t i = 0; i < release_.artifacts.size(); ++i) {
    ReleaseArtifact& artifact = release_.artifacts[i];
    Bytes envelope;
    if (artifact.envelope.empty()) {
      SLUICE_ASSIGN(const Bytes payload,
                    ReadFile(PathOf(PayloadFile(i)), limits::kManifestBytesMax));
      envelope = Seal(PayloadType::kManifest, payload, {&key});
    } else {
      SLUICE_ASSIGN(envelope, AddSignature(artifact.envelope, key));
    }
    SLUICE_TRY(WriteFile(PathOf(EnvelopeFile(i)), envelope));
    artifact.manifest_sha256 = Sha256(envelope);
    artifact.envelope = std::move(envelope);
  }
  release_.state = ReleaseState::kSigned;
  return {};
}

}  // namespace sluice
