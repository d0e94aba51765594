#include "rollout_engine/registry/release.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "common/contract/topics.h"

namespace sluice {
namespace {

Error Differs(const Release& release, const ReleaseManifest& manifest, std::string_view field) {
  return {ErrorCode::kConflict, "release " + release.name + ": the manifest for " +
                                    manifest.hardware.front() + " has another " +
                                    std::string(field) + " than the first one"};
}

Status CheckOneStory(const Release& release, const ReleaseManifest& manifest) {
  const ReleaseManifest& first = release.artifacts.front().manifest;
  if (manifest.release != release.name) return Fail(Differs(release, manifest, "release name"));
  if (manifest.model != release.model) return Fail(Differs(release, manifest, "model"));
  if (manifest.release_seq != release.release_seq) {
    return Fail(Differs(release, manifest, "release_seq"));
  }
  if (manifest.fleet_id != first.fleet_id) return Fail(Differs(release, manifest, "fleet"));
  if (manifest.validation.sha256 != first.validation.sha256) {
    return Fail(Differs(release, manifest, "validation set"));
  }
  return {};
}

/// A verdict's key begins with the hardware that it is about, or with this word for all devices.
constexpr std::string_view kAllDevices = "fleet";

Status CheckHardware(const std::string& hardware) {
  SLUICE_TRY(CheckRegistryId("hardware", hardware));
  if (hardware != kAllDevices) return {};
  return Fail(ErrorCode::kBadId,
              "hardware: 'fleet' is the word for all devices in verdicts; give this hardware "
              "another name, in the release and in its devices' hello");
}

}  // namespace

std::string_view ReleaseStateName(ReleaseState state) noexcept {
  switch (state) {
    case ReleaseState::kDraft:
      return "draft";
    case ReleaseState::kSigned:
      return "signed";
    case ReleaseState::kPublished:
      return "published";
  }
  return "draft";
}

const ReleaseArtifact* Release::For(std::string_view hardware) const {
  for (const ReleaseArtifact& artifact : artifacts) {
    const auto& names = artifact.manifest.hardware;
    if (std::find(names.begin(), names.end(), hardware) != names.end()) return &artifact;
  }
  return nullptr;
}

Status CheckMetrics(const Metrics& metrics) {
  if (metrics.size() > kReleaseMetricsMax) {
    return Fail(ErrorCode::kCfgRange, std::to_string(metrics.size()) + " metrics; at most " +
                                          std::to_string(kReleaseMetricsMax));
  }
  for (const auto& [name, value] : metrics) {
    SLUICE_TRY(CheckRegistryId("metric", name));
    if (!std::isfinite(value)) {
      return Fail(ErrorCode::kCfgRange, "metric " + name + " is not a finite number");
    }
  }
  return {};
}

Status CheckRelease(const Release& release) {
  SLUICE_TRY(CheckRegistryId("release", release.name));
  SLUICE_TRY(CheckRegistryId("model", release.model));
  SLUICE_TRY(CheckMetrics(release.metrics));
  if (release.artifacts.empty() || release.artifacts.size() > kReleaseArtifactsMax) {
    return Fail(ErrorCode::kCfgIncomplete,
                "release " + release.name + " has " + std::to_string(release.artifacts.size()) +
                    " artifacts; 1 to " + std::to_string(kReleaseArtifactsMax) + " are allowed");
  }
  std::set<std::string_view> named;
  for (const ReleaseArtifact& artifact : release.artifacts) {
    if (artifact.manifest.hardware.empty()) {
      return Fail(ErrorCode::kCfgIncomplete,
                  "release " + release.name + ": an artifact names no hardware");
    }
    SLUICE_TRY(CheckOneStory(release, artifact.manifest));
    for (const std::string& hardware : artifact.manifest.hardware) {
      SLUICE_TRY(CheckHardware(hardware));
      if (!named.insert(hardware).second) {
        return Fail(ErrorCode::kConflict, "release " + release.name + " names hardware " +
                                              hardware + " twice; one artifact per hardware");
      }
    }
  }
  return {};
}

}  // namespace sluice
