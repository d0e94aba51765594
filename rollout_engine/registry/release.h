// A release: a named version of a model, with one signed artifact per group of hardware.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "common/contract/manifest.h"

namespace sluice {

inline constexpr std::size_t kReleaseArtifactsMax = 32;
inline constexpr std::size_t kReleaseMetricsMax = 32;

/// Finite numbers by name, as the publisher measured them: "accuracy", "f1", ...
using Metrics = std::map<std::string, double>;

enum class ReleaseState {
  kDraft,      // some manifest has no signature
  kSigned,     // every manifest has one; what they are worth is the registry's to say
  kPublished,  // in the registry
};
std::string_view ReleaseStateName(ReleaseState state) noexcept;

struct ReleaseArtifact {
  ReleaseManifest manifest;
  Bytes envelope;          // empty in a draft
  Digest manifest_sha256;  // of the envelope: what directives name; zero in a draft
  friend bool operator==(const ReleaseArtifact&, const ReleaseArtifact&) = default;
};

struct Release {
  std::string name;
  std::string model;
  std::uint64_t release_seq = 0;
  ReleaseState state = ReleaseState::kDraft;
  Metrics metrics;
  std::vector<ReleaseArtifact> artifacts;  // 1..32; no hardware is in two of them

  /// The artifact for that hardware, or nullptr.
  [[nodiscard]] const ReleaseArtifact* For(std::string_view hardware) const;
  friend bool operator==(const Release&, const Release&) = default;
};

/// What a publisher hands in. The manifests inside the envelopes say everything but the metrics.
struct Publication {
  std::string release;
  Metrics metrics;
  std::vector<Bytes> envelopes;
};

/// What must hold between the manifests of one release: as many as allowed, one fleet, model, name,
/// release_seq and validation set, hardware disjoint, metrics finite. E_CFG_RANGE,
/// E_CFG_INCOMPLETE, E_CONFLICT, E_BAD_ID.
Status CheckRelease(const Release& release);

/// Metric names are registry ids, values finite, at most kReleaseMetricsMax: E_BAD_ID, E_CFG_RANGE.
Status CheckMetrics(const Metrics& metrics);

}  // namespace sluice
