// What a device is offered: which payloads exist for it, which must be built first, and the
// Directive that names them.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "rollout_engine/core/rollout.h"
#include "rollout_engine/engine/device_directory.h"
#include "rollout_engine/engine/payload_builder.h"
#include "rollout_engine/registry/registry.h"

namespace sluice {

/// The terms of an install, as a rollout's file or the engine's defaults set them.
struct InstallTerms {
  std::string rollout;  // "" = outside any
  std::uint16_t stage = 0;
  std::string release;
  TransferSpec transfer;
  ActivationSpec activation;
  ActivationWindow window;
  std::uint32_t telemetry_interval_s = 0;
  std::uint32_t latency_limit_us = 0;
  std::uint32_t trial_ms = 0;
};

/// Of a stage, for a device that gets this variant. REQUIRES: 0 <= stage < stages.
InstallTerms TermsOf(const Rollout& rollout, std::int32_t stage, std::int32_t variant);
/// What it has brought, for devices outside any rollout.
InstallTerms BaselineTerms(const Rollout& completed);

class Offers {
 public:
  Offers(const Registry& registry, PayloadBuilder& builder)
      : registry_(registry), builder_(builder) {}

  /// What was built before.
  Status Load(const Store& store);
  /// Takes what the builder has finished; true when something new can be offered.
  bool Collect(Turn& turn);
  /// A release was published: what was looked up may have changed.
  void ForgetReleases();

  [[nodiscard]] Result<const Release*> FindRelease(const std::string& name);
  /// The newest release with that artifact; "" = none that the registry knows.
  [[nodiscard]] const std::string& ReleaseNameOf(const Digest& artifact);
  /// E_NO_SUCH_VERSION, E_INCOMPATIBLE_HW.
  [[nodiscard]] Result<const ReleaseArtifact*> FindArtifact(const std::string& release,
                                                            const std::string& hardware);

  /// An install Directive without device and number. Nothing while payloads are being built: ask
  /// again after Collect. E_NO_SUCH_VERSION, E_INCOMPATIBLE_HW, E_BUDGET, or why no payload could
  /// be built.
  Result<std::optional<Directive>> PlanInstall(const Device& device, const InstallTerms& terms);
  [[nodiscard]] std::optional<BuiltPayload> FindBuilt(const Digest& artifact,
                                                      const PayloadRequest& request) const;
  /// The payload, nothing while it is being built, or why it cannot be.
  Result<std::optional<BuiltPayload>> FindOrBuild(const Digest& artifact,
                                                  const PayloadRequest& request);
  /// For the device's active artifact; to be offered again when it is not.
  [[nodiscard]] static bool Fits(const Directive& directive, const Digest& active_artifact);

  /// Payload objects that Directives of that rollout's release name.
  [[nodiscard]] std::set<Digest> PayloadsOf(const std::set<Digest>& artifacts) const;

 private:
  struct Candidate {
    PayloadRequest request;
    BuiltPayload payload;
  };
  [[nodiscard]] DeliveryNeed NeedOf(const Device& device, const ReleaseArtifact& artifact) const;
  Result<std::optional<std::vector<Candidate>>> Gather(const DeliveryNeed& need,
                                                       const Digest& artifact,
                                                       const TransferSpec& transfer);

  const Registry& registry_;
  PayloadBuilder& builder_;
  std::map<std::string, Release> releases_;
  std::map<Digest, std::string> release_names_;  // by artifact
  std::map<std::string, BuiltPayload> built_;    // by key
  struct FailedBuild {
    Error why;
    BootMs at;
  };
  std::map<std::string, FailedBuild> failed_;  // tried again when somebody asks later
  std::set<std::string> building_;
};

}  // namespace sluice
