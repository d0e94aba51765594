// A release on its way from the publisher to the registry: a folder that is created, signed
// (perhaps elsewhere, perhaps by several people) and published. Nothing here needs an engine.
//
//   release.json                 {"v": 1, "release": .., "metrics": {..}, "manifests": N}
//   manifest-<i>.bin             the manifest as it will be signed, i from 0
//   manifest-<i>.env             its envelope, once somebody has signed
//   objects/ab/<sha256>          artifacts and the validation set
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/crypto/trust.h"
#include "rollout_engine/registry/object_store.h"
#include "rollout_engine/registry/release.h"

namespace sluice {

/// What a publisher says of a release before its bytes are looked at.
struct ReleaseDraft {
  struct Artifact {
    std::string path;
    std::vector<std::string> hardware;
    std::string format;
    std::string runtime_abi;
    std::optional<double> accuracy;  // else the release's metric "accuracy"
  };
  std::string name;
  std::string model;
  std::string fleet_id;
  std::uint64_t release_seq = 0;
  std::uint32_t security_epoch = 0;
  std::uint32_t floor_epoch = 0;
  std::string min_agent;
  Metrics metrics;
  HealthLimits limits;
  std::string validation_path;  // "" = smoke load only
  double accuracy_tolerance = 0.01;
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
  std::vector<Artifact> artifacts;
};

class Bundle {
 public:
  /// Copies the bytes and writes the manifests. E_CONFLICT when `folder` is there and not empty,
  /// E_ARTIFACT_* for the files, E_CFG_*, E_BAD_ID and E_FB_RANGE for the words. On error the
  /// folder is removed again.
  static Result<Bundle> Create(const std::string& folder, const ReleaseDraft& draft);
  /// E_NOT_FOUND when there is no bundle in `folder`; E_FB_*, E_ENV_FORMAT, E_CONFLICT when its
  /// parts do not agree.
  static Result<Bundle> Load(const std::string& folder);

  /// Adds this key's signature to every manifest. E_SIG_DUPLICATE_KEY when it has signed before.
  Status Sign(const SigningKey& key);

  [[nodiscard]] const Release& release() const { return release_; }
  [[nodiscard]] const ObjectStore& objects() const { return objects_; }

 private:
  Bundle(std::string folder, ObjectStore objects)
      : folder_(std::move(folder)), objects_(std::move(objects)) {}
  Status Fill(const ReleaseDraft& draft);
  [[nodiscard]] std::string PathOf(std::string_view file) const {
    return folder_ + "/" + std::string(file);
  }

  std::string folder_;
  ObjectStore objects_;
  Release release_;
};

}  // namespace sluice
