#include "rollout_engine/registry/release_objects.h"

#include <algorithm>

namespace sluice {
namespace {

Error Mismatch(const ReleaseManifest& manifest, std::string_view what) {
  return {ErrorCode::kArtifactHash, "the manifest of " + manifest.release + " for " +
                                        manifest.hardware.front() + " gives another " +
                                        std::string(what) + "; create the release again"};
}

Result<std::uint64_t> SizeOfUploaded(const ObjectStore& objects, const Digest& object,
                                     const std::string& what) {
  const auto size_bytes = objects.SizeOf(object);
  if (!size_bytes) return Fail(size_bytes.error().With("upload the " + what + " first"));
  SLUICE_TRY(objects.Verify(object));
  return *size_bytes;
}

}  // namespace

Result<Bytes> ListBlockHashes(const ObjectStore& objects, const Digest& artifact) {
  SLUICE_ASSIGN(const std::uint64_t size_bytes, objects.SizeOf(artifact));
  Bytes hashes;
  Bytes block(limits::kManifestBlockSize);
  for (std::uint64_t offset = 0; offset < size_bytes; offset += block.size()) {
    const auto part =
        std::span(block).first(std::min<std::uint64_t>(block.size(), size_bytes - offset));
    SLUICE_TRY(objects.ReadAt(artifact, offset, part));
    Append(hashes, Sha256(part).View());
  }
  return hashes;
}

Result<Bytes> CheckObjects(const ObjectStore& objects, const ReleaseManifest& manifest) {
  SLUICE_ASSIGN(
      const std::uint64_t artifact_bytes,
      SizeOfUploaded(objects, manifest.artifact_sha256, "artifact of " + manifest.release));
  if (artifact_bytes != manifest.artifact_size) return Fail(Mismatch(manifest, "artifact size"));
  SLUICE_ASSIGN(Bytes hashes, ListBlockHashes(objects, manifest.artifact_sha256));
  if (Sha256(hashes) != manifest.block_root) return Fail(Mismatch(manifest, "block root"));
  if (manifest.validation.sha256.IsZero()) return hashes;
  SLUICE_ASSIGN(
      const std::uint64_t set_bytes,
      SizeOfUploaded(objects, manifest.validation.sha256, "validation set of " + manifest.release));
  if (set_bytes != manifest.validation.size_bytes) {
    return Fail(Mismatch(manifest, "validation set size"));
  }
  return hashes;
}

Status VerifyRelease(const Release& release, const ObjectStore& objects, const Trust& trust) {
  for (const ReleaseArtifact& artifact : release.artifacts) {
    if (artifact.envelope.empty()) {
      return Fail(ErrorCode::kNotSigned, "the manifest for " + artifact.manifest.hardware.front() +
                                             " has no signature; run 'sluice release sign'");
    }
    SLUICE_TRY(trust.Open<ReleaseManifest>(artifact.envelope));
    SLUICE_TRY(CheckObjects(objects, artifact.manifest));
  }
  return {};
}

}  // namespace sluice
