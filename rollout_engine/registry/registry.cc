#include "rollout_engine/registry/registry.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "common/contract/topics.h"
#include "rollout_engine/registry/release_json.h"
#include "rollout_engine/registry/release_objects.h"
#include "rollout_engine/store/keys.h"

namespace sluice {
namespace {

constexpr std::string_view kReleases = "release";
constexpr std::string_view kModels = "model";
constexpr std::string_view kManifests = "manifest";
constexpr std::string_view kArtifacts = "artifact";

std::string ReleaseKey(std::string_view name) { return store_key::Join(kReleases, {name}); }
std::string ManifestKey(const Digest& digest) {
  return store_key::Join(kManifests, {digest.Hex()});
}
std::string ArtifactKey(const Digest& digest) {
  return store_key::Join(kArtifacts, {digest.Hex()});
}

/// Without what may change when the same release is signed again.
ReleaseManifest WhatItIs(ReleaseManifest manifest) {
  manifest.release_seq = 0;
  manifest.created_ms = 0;
  manifest.expires_ms = 0;
  return manifest;
}

/// How many letters must be inserted, deleted or replaced (Levenshtein), one row of the table at a
/// time.
std::size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = std::exchange(row[j], std::min({replaced, row[j] + 1, row[j - 1] + 1}));
    }
  }
  return row.back();
}

Status CheckValidity(const ReleaseManifest& manifest, WallMs now) {
  if (now.ms >= manifest.expires_ms) {
    return Fail(ErrorCode::kExpired, "the manifest of " + manifest.release + " for " +
                                         manifest.hardware.front() +
                                         " has expired; create and sign the release again");
  }
  if (manifest.created_ms > now.ms + limits::kClockSlackBack) {
    return Fail(ErrorCode::kNotYet, "the manifest of " + manifest.release +
                                        " was created in the future; check both clocks");
  }
  return {};
}

}  // namespace

Result<Published> Registry::Publish(const Trust& trust, const Publication& publication,
                                    WallMs now) {
  SLUICE_ASSIGN(Release offered, OpenEnvelopes(trust, publication, now));
  SLUICE_ASSIGN(std::optional<Release> held, Load(offered.name));
  if (held) {
    if (*held == offered) return Published{std::move(offered), true};
    SLUICE_TRY(CheckAgainstPublished(*held, offered));
  } else {
    SLUICE_TRY(CheckSequence(offered));
  }
  SLUICE_TRY(StoreObjects(offered));
  SLUICE_TRY(Write(offered));
  return Published{std::move(offered), false};
}

Result<Release> Registry::OpenEnvelopes(const Trust& trust, const Publication& publication,
                                        WallMs now) const {
  Release release;
  release.name = publication.release;
  release.state = ReleaseState::kPublished;
  release.metrics = publication.metrics;
  for (const Bytes& envelope : publication.envelopes) {
    SLUICE_ASSIGN(ReleaseManifest manifest, trust.Open<ReleaseManifest>(envelope));
    SLUICE_TRY(CheckValidity(manifest, now));
    release.artifacts.push_back({std::move(manifest), envelope, Sha256(envelope)});
  }
  if (!release.artifacts.empty()) {
    release.model = release.artifacts.front().manifest.model;
    release.release_seq = release.artifacts.front().manifest.release_seq;
  }
  SLUICE_TRY(CheckRelease(release));
  std::sort(release.artifacts.begin(), release.artifacts.end(), [](const auto& a, const auto& b) {
    return a.manifest.hardware.front() < b.manifest.hardware.front();
  });
  return release;
}

Status Registry::CheckAgainstPublished(const Release& held, const Release& offered) const {
  const auto immutable = [&held](const ReleaseArtifact& artifact) {
    return Fail(ErrorCode::kImmutable, held.name + " exists with sha256 " +
                                           artifact.manifest.artifact_sha256.Hex() +
                                           "; publish what is new under another name");
  };
  if (held.artifacts.size() != offered.artifacts.size() || held.metrics != offered.metrics) {
    return immutable(held.artifacts.front());
  }
  for (std::size_t i = 0; i < held.artifacts.size(); ++i) {
    const ReleaseManifest& before = held.artifacts[i].manifest;
    const ReleaseManifest& after = offered.artifacts[i].manifest;
    if (WhatItIs(before) != WhatItIs(after)) return immutable(held.artifacts[i]);
    if (after.release_seq != before.release_seq) {
      return Fail(ErrorCode::kConflict, held.name + " exists with these bytes and release_seq " +
                                            std::to_string(before.release_seq) +
                                            "; to sign it again create it with that --seq");
    }
    if (after.created_ms < before.created_ms) {
      return Fail(ErrorCode::kConflict,
                  held.name + " was signed later than what is offered now; nothing to do");
    }
  }
  return {};
}

Status Registry::CheckSequence(const Release& release) const {
  std::optional<std::uint64_t> newest;
  SLUICE_TRY(store_.Scan(store_key::Below(kModels, {release.model}),
                         [&newest](std::string_view key, ByteView) {
                           newest = store_key::ParseNumber(key.substr(key.rfind('/') + 1));
                           return true;
                         }));
  if (newest && release.release_seq <= *newest) {
    return Fail(ErrorCode::kConflict, "release_seq " + std::to_string(release.release_seq) +
                                          " of " + release.name + " is not above " +
                                          std::to_string(*newest) + ", the newest of " +
                                          release.model + "; create the release again");
  }
  return {};
}

Status Registry::StoreObjects(const Release& release) const {
  for (const ReleaseArtifact& artifact : release.artifacts) {
    SLUICE_ASSIGN(const Bytes hashes, CheckObjects(objects_, artifact.manifest));
    SLUICE_TRY(objects_.PutBytes(hashes));
    SLUICE_TRY(objects_.PutBytes(artifact.envelope));
  }
  return {};
}

Status Registry::Write(const Release& release) {
  WriteBatch batch;
  batch.Put(ReleaseKey(release.name), ReleaseToStoredJson(release));
  batch.Put(store_key::Join(kModels, {release.model, store_key::Number(release.release_seq)}),
            release.name);
  for (const ReleaseArtifact& artifact : release.artifacts) {
    batch.Put(ManifestKey(artifact.manifest_sha256), release.name);
    batch.Put(ArtifactKey(artifact.manifest.artifact_sha256), release.name);
  }
  return store_.Write(batch, true);
}

Result<std::optional<Release>> Registry::Load(std::string_view name) const {
  SLUICE_ASSIGN(const std::optional<Bytes> stored, store_.Get(ReleaseKey(name)));
  if (!stored) return std::nullopt;
  SLUICE_ASSIGN(StoredRelease entry, StoredReleaseFromJson(AsText(*stored)));
  Release release;
  release.name = name;
  release.state = ReleaseState::kPublished;
  release.metrics = std::move(entry.metrics);
  for (const Digest& digest : entry.manifests) {
    SLUICE_ASSIGN(Bytes bytes, objects_.Read(digest, limits::kManifestBytesMax));
    SLUICE_ASSIGN(const Envelope envelope, ParseEnvelope(bytes));
    SLUICE_ASSIGN(ReleaseManifest manifest, Decode<ReleaseManifest>(envelope.payload));
    release.artifacts.push_back({std::move(manifest), std::move(bytes), digest});
  }
  release.model = release.artifacts.front().manifest.model;
  release.release_seq = release.artifacts.front().manifest.release_seq;
  return release;
}

Result<Release> Registry::Find(std::string_view name) const {
  SLUICE_TRY(CheckRegistryId("release", name));
  SLUICE_ASSIGN(std::optional<Release> release, Load(name));
  if (release) return *std::move(release);
  SLUICE_ASSIGN(const std::string nearest, NearestTo(name));
  return Fail(ErrorCode::kNoSuchVersion,
              std::string(name) +
                  (nearest.empty() ? " (the registry is empty)" : " (nearest: " + nearest + ")"));
}

Result<std::string> Registry::NearestTo(std::string_view name) const {
  std::string nearest;
  std::size_t distance = std::numeric_limits<std::size_t>::max();
  SLUICE_TRY(store_.Scan(store_key::Below(kReleases), [&](std::string_view key, ByteView) {
    const std::string_view candidate = key.substr(kReleases.size() + 1);
    const std::size_t candidate_distance = EditDistance(name, candidate);
    if (candidate_distance < distance) {
      distance = candidate_distance;
      nearest = candidate;
    }
    return true;
  }));
  return nearest;
}

Result<std::optional<Release>> Registry::Follow(const std::string& key) const {
  SLUICE_ASSIGN(const std::optional<Bytes> name, store_.Get(key));
  if (!name) return std::nullopt;
  return Load(AsText(*name));
}

Result<std::optional<Release>> Registry::FindByManifest(const Digest& manifest_sha256) const {
  return Follow(ManifestKey(manifest_sha256));
}

Result<std::optional<Release>> Registry::FindByArtifact(const Digest& artifact_sha256) const {
  return Follow(ArtifactKey(artifact_sha256));
}

Result<std::vector<Release>> Registry::List(std::string_view model) const {
  std::vector<std::string> names;
  const std::string prefix =
      model.empty() ? store_key::Below(kModels) : store_key::Below(kModels, {model});
  SLUICE_TRY(store_.Scan(prefix, [&names](std::string_view, ByteView name) {
    names.emplace_back(AsText(name));
    return true;
  }));
  std::vector<Release> releases;
  for (const std::string& name : names) {
    SLUICE_ASSIGN(std::optional<Release> release, Load(name));
    if (!release)
      return Fail(ErrorCode::kStoreCorrupt, "release " + name + " is listed but not there");
    releases.push_back(*std::move(release));
  }
  return releases;
}

}  // namespace sluice
