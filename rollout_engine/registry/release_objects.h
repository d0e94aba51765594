// The objects that a manifest speaks of: artifact, hash list, validation set.
#pragma once

#include "common/crypto/trust.h"
#include "rollout_engine/registry/object_store.h"
#include "rollout_engine/registry/release.h"

namespace sluice {

/// The SHA-256s of the 64 KiB blocks of an artifact, in their order. Devices fetch this list as an
/// object; its own SHA-256 is the manifest's block_root.
Result<Bytes> ListBlockHashes(const ObjectStore& objects, const Digest& artifact);

/// The artifact and the validation set are there, undamaged and as the manifest says; returns the
/// hash list. E_NOT_FOUND, E_OBJECT_HASH, E_ARTIFACT_HASH.
Result<Bytes> CheckObjects(const ObjectStore& objects, const ReleaseManifest& manifest);

/// CheckObjects for every manifest, E_NOT_SIGNED for one without a signature, E_SIG_* under the
/// release role of `trust`.
Status VerifyRelease(const Release& release, const ObjectStore& objects, const Trust& trust);

}  // namespace sluice
