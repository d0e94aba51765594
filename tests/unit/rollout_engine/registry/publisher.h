// A publisher with keys and files of its own, for tests of what a registry takes.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "common/base/check.h"
#include "common/crypto/trust.h"
#include "rollout_engine/registry/bundle.h"
#include "tests/support/temporary_directory.h"

namespace sluice {

inline constexpr std::int64_t kNowMs = 1'800'000'000'000;

class Publisher {
 public:
  Publisher() : root_key_(NewKey()), release_key_(NewKey()), director_key_(NewKey()) {}

  [[nodiscard]] Trust MakeTrust(const std::string& fleet = "test") const {
    Root root;
    root.fleet_id = fleet;
    root.root = {{root_key_.Public()}, 1};
    root.release = {{release_key_.Public()}, 1};
    root.director = {{director_key_.Public()}, 1};
    root.created_ms = kNowMs - limits::kDay;
    root.expires_ms = kNowMs + 700 * limits::kDay;
    const auto trust =
        Trust::FromInstalledRoot(Seal(PayloadType::kRoot, Encode(root), {&root_key_}));
    SLUICE_CHECK(trust.has_value());
    return *trust;
  }

  /// A release with one artifact of these bytes for edge-a and edge-b.
  [[nodiscard]] ReleaseDraft Draft(const std::string& name, std::string_view bytes,
                                   std::uint64_t release_seq) const {
    ReleaseDraft draft;
    draft.name = name;
    draft.model = "detector";
    draft.fleet_id = "test";
    draft.release_seq = release_seq;
    draft.metrics = {{"accuracy", 0.97}};
    draft.created_ms = kNowMs;
    draft.expires_ms = kNowMs + 180 * limits::kDay;
    draft.artifacts.push_back(
        {directory_.Write(name + ".bin", bytes), {"edge-a", "edge-b"}, "safetensors", "", {}});
    return draft;
  }

  /// The signed bundle of a draft; its folder is new each time.
  Bundle Sign(const ReleaseDraft& draft, const SigningKey* key = nullptr) {
    auto bundle = Bundle::Create(directory_.File("bundle-" + std::to_string(++bundles_)), draft);
    SLUICE_CHECK(bundle.has_value());
    SLUICE_CHECK(bundle->Sign(key != nullptr ? *key : release_key_).has_value());
    return std::move(*bundle);
  }

  [[nodiscard]] const SigningKey& release_key() const { return release_key_; }
  [[nodiscard]] const SigningKey& director_key() const { return director_key_; }
  [[nodiscard]] const test_support::TemporaryDirectory& directory() const { return directory_; }

  SigningKey NewKey() {
    auto key = SigningKey::Generate(SignatureAlgorithm::kEd25519, random_);
    SLUICE_CHECK(key.has_value());
    return std::move(*key);
  }

 private:
  test_support::TemporaryDirectory directory_;
  SeededRandom random_{7};
  SigningKey root_key_;
  SigningKey release_key_;
  SigningKey director_key_;
  int bundles_ = 0;
};

}  // namespace sluice
