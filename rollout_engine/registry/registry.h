// The model registry: published releases in the store, their bytes in the object store.
//
// Lookups from any thread; Publish from the thread that writes the store.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/crypto/trust.h"
#include "rollout_engine/registry/object_store.h"
#include "rollout_engine/registry/release.h"
#include "rollout_engine/store/store.h"

namespace sluice {

struct Published {
  Release release;
  bool was_there = false;  // the same bytes were published before; nothing was changed
};

class Registry {
 public:
  Registry(Store& store, const ObjectStore& objects) : store_(store), objects_(objects) {}

  /// Takes a release in, durably, or changes nothing. Checked first: signatures under `trust`,
  /// validity at `now`, the rules of CheckRelease, every artifact (size, SHA-256, block root) and
  /// the validation set among the objects. The same name again: identical envelopes are a no-op;
  /// manifests that differ only by a later `created` and another `expires` replace the older ones
  /// (signed again; E_CONFLICT if only release_seq differs too); anything else is E_IMMUTABLE. A
  /// new name needs a release_seq above every one of its model (E_CONFLICT). Also E_SIG_*,
  /// E_EXPIRED, E_NOT_YET, E_NOT_FOUND (upload the object first), E_ARTIFACT_HASH, E_OBJECT_HASH,
  /// E_STORE_*. Adds the envelopes and hash lists to the objects.
  Result<Published> Publish(const Trust& trust, const Publication& publication, WallMs now);

  /// E_NO_SUCH_VERSION names the nearest release.
  [[nodiscard]] Result<Release> Find(std::string_view name) const;
  /// The release that has, or had before it was signed again, that manifest envelope.
  [[nodiscard]] Result<std::optional<Release>> FindByManifest(const Digest& manifest_sha256) const;
  /// The newest release with that artifact: nothing = not a base that we can encode from.
  [[nodiscard]] Result<std::optional<Release>> FindByArtifact(const Digest& artifact_sha256) const;
  /// By model, then release_seq; of one model, or of all when `model` is empty.
  [[nodiscard]] Result<std::vector<Release>> List(std::string_view model = {}) const;

  [[nodiscard]] const ObjectStore& objects() const { return objects_; }

 private:
  [[nodiscard]] Result<Release> OpenEnvelopes(const Trust& trust, const Publication& publication,
                                              WallMs now) const;
  [[nodiscard]] Status CheckAgainstPublished(const Release& held, const Release& offered) const;
  [[nodiscard]] Status CheckSequence(const Release& release) const;
  Status StoreObjects(const Release& release) const;
  Status Write(const Release& release);
  [[nodiscard]] Result<std::optional<Release>> Load(std::string_view name) const;
  [[nodiscard]] Result<std::optional<Release>> Follow(const std::string& key) const;
  [[nodiscard]] Result<std::string> NearestTo(std::string_view name) const;

  Store& store_;
  const ObjectStore& objects_;
};

}  // namespace sluice
