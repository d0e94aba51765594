// A release as JSON: "Release" of schemas/openapi.yaml for people and programs, and the value under
// release/<name>.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rollout_engine/registry/release.h"

namespace sluice {

/// An answer: one object, no line breaks, with `api_version`.
std::string ReleaseToJson(const Release& release);
/// "ReleaseList"; `next_cursor` is left out when empty.
std::string ReleasesToJson(std::span<const Release> releases, std::string_view next_cursor = {});

/// The object with `v`, the version of the stored form. What the manifests say is repeated for
/// whoever reads a dump; the manifests themselves are objects and stay the truth.
std::string ReleaseToStoredJson(const Release& release);

struct StoredRelease {
  Metrics metrics;
  std::vector<Digest> manifests;  // 1..32
};
/// E_STORE_SCHEMA for a newer `v`, E_STORE_CORRUPT for anything else that ReleaseToStoredJson does
/// not write.
Result<StoredRelease> StoredReleaseFromJson(std::string_view json);

/// release.json of a bundle.
struct BundleIndex {
  std::string release;
  Metrics metrics;
  std::size_t manifests = 0;  // 1..32
};
std::string BundleIndexToJson(const BundleIndex& index);
/// E_CFG_INCOMPLETE with what is wrong.
Result<BundleIndex> BundleIndexFromJson(std::string_view json);

/// The body of POST /v1/releases. E_USAGE with what is wrong.
std::string PublicationToJson(const Publication& publication);
Result<Publication> PublicationFromJson(std::string_view json);

}  // namespace sluice
