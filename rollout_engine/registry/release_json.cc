#include "rollout_engine/registry/release_json.h"

#include <nlohmann/json.hpp>

namespace sluice {
namespace {

using json = nlohmann::ordered_json;

constexpr int kStoredVersion = 1;
constexpr std::string_view kApiVersion = "v1";

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

json ArtifactView(const ReleaseArtifact& artifact) {
  const ReleaseManifest& manifest = artifact.manifest;
  json view = {
      {"hardware", manifest.hardware},
      {"sha256", manifest.artifact_sha256.Hex()},
      {"size_bytes", manifest.artifact_size},
      {"format", manifest.format},
      {"runtime_abi", manifest.runtime_abi},
      {"security_epoch", manifest.security_epoch},
      {"accuracy_expected", manifest.validation.accuracy_expected},
      {"created", manifest.created_ms},
      {"expires", manifest.expires_ms},
  };
  if (!artifact.manifest_sha256.IsZero()) view["manifest_sha256"] = artifact.manifest_sha256.Hex();
  return view;
}

json ReleaseView(const Release& release) {
  json view = {
      {"release", release.name},
      {"model", release.model},
      {"state", ReleaseStateName(release.state)},
      {"release_seq", release.release_seq},
      {"metrics", release.metrics},
      {"artifacts", json::array()},
  };
  for (const ReleaseArtifact& artifact : release.artifacts)
    view["artifacts"].push_back(ArtifactView(artifact));
  if (release.artifacts.empty()) return view;
  const ReleaseManifest& first = release.artifacts.front().manifest;
  view["fleet"] = first.fleet_id;
  view["created"] = first.created_ms;
  if (!first.validation.sha256.IsZero()) {
    view["validation"] = {{"sha256", first.validation.sha256.Hex()},
                          {"size_bytes", first.validation.size_bytes},
                          {"accuracy_tolerance", first.validation.accuracy_tolerance}};
  }
  return view;
}

Error Corrupt(const std::string& what) {
  return {ErrorCode::kStoreCorrupt, "a stored release " + what + "; restore a backup"};
}

}  // namespace

std::string ReleaseToJson(const Release& release) {
  json answer = {{"api_version", kApiVersion}};
  answer.update(ReleaseView(release));
  return Dump(answer);
}

std::string ReleasesToJson(std::span<const Release> releases, std::string_view next_cursor) {
  json answer = {{"api_version", kApiVersion}, {"items", json::array()}};
  for (const Release& release : releases) answer["items"].push_back(ReleaseView(release));
  if (!next_cursor.empty()) answer["next_cursor"] = next_cursor;
  return Dump(answer);
}

std::string ReleaseToStoredJson(const Release& release) {
  json stored = {{"v", kStoredVersion}};
  stored.update(ReleaseView(release));
  return Dump(stored);
}

Result<StoredRelease> StoredReleaseFromJson(std::string_view text) {
  try {
    const json stored = json::parse(text);
    const int version = stored.at("v").get<int>();
    if (version > kStoredVersion) {
      return Fail(ErrorCode::kStoreSchema, "a stored release has version " +
                                               std::to_string(version) + ", this program reads " +
                                               std::to_string(kStoredVersion) +
                                               "; start the version of Sluice that wrote it");
    }
    StoredRelease release;
    release.metrics = stored.at("metrics").get<Metrics>();
    for (const json& artifact : stored.at("artifacts")) {
      const auto digest = DigestFromHex(artifact.at("manifest_sha256").get<std::string>());
      if (!digest) return Fail(Corrupt("names no manifest (" + digest.error().text + ")"));
      release.manifests.push_back(*digest);
    }
    if (release.manifests.empty() || release.manifests.size() > kReleaseArtifactsMax) {
      return Fail(Corrupt("has " + std::to_string(release.manifests.size()) + " artifacts"));
    }
    return release;
  } catch (const json::exception& error) {
    return Fail(Corrupt(std::string("does not read (") + error.what() + ")"));
  }
}

std::string BundleIndexToJson(const BundleIndex& index) {
  return Dump({{"v", kStoredVersion},
               {"release", index.release},
               {"metrics", index.metrics},
               {"manifests", index.manifests}});
}

Result<BundleIndex> BundleIndexFromJson(std::string_view text) {
  try {
    const json stored = json::parse(text);
    BundleIndex index;
    index.release = stored.at("release").get<std::string>();
    index.metrics = stored.at("metrics").get<Metrics>();
    index.manifests = stored.at("manifests").get<std::size_t>();
    if (stored.at("v") != kStoredVersion || index.manifests < 1 ||
        index.manifests > kReleaseArtifactsMax) {
      return Fail(
          ErrorCode::kCfgIncomplete,
          "release.json is of another version or holds no manifest; create the release again");
    }
    return index;
  } catch (const json::exception& error) {
    return Fail(ErrorCode::kCfgIncomplete, std::string("release.json does not read: ") +
                                               error.what() + "; create the release again");
  }
}

std::string PublicationToJson(const Publication& publication) {
  json body = {{"release", publication.release},
               {"metrics", publication.metrics},
               {"envelopes", json::array()}};
  for (const Bytes& envelope : publication.envelopes) body["envelopes"].push_back(ToHex(envelope));
  return Dump(body);
}

Result<Publication> PublicationFromJson(std::string_view text) {
  try {
    const json body = json::parse(text);
    Publication publication;
    publication.release = body.at("release").get<std::string>();
    if (body.contains("metrics")) publication.metrics = body.at("metrics").get<Metrics>();
    for (const json& envelope : body.at("envelopes")) {
      auto bytes = FromHex(envelope.get_ref<const std::string&>());
      if (!bytes) return Fail(ErrorCode::kUsage, "an envelope is not hexadecimal");
      publication.envelopes.push_back(*std::move(bytes));
      if (publication.envelopes.size() > kReleaseArtifactsMax) {
        return Fail(ErrorCode::kUsage,
                    "more than " + std::to_string(kReleaseArtifactsMax) + " envelopes");
      }
    }
    return publication;
  } catch (const json::exception& error) {
    return Fail(ErrorCode::kUsage, std::string("not a publication: ") + error.what());
  }
}

}  // namespace sluice
