// The publisher of a simulated fleet: its keys, its Root, and releases that the registry takes.
#pragma once

#include "common/crypto/trust.h"
#include "rollout_engine/registry/registry.h"
#include "tests/sim/sim_model.h"

namespace sluice::sim {

inline constexpr char kFleet[] = "sim";
inline constexpr char kModel[] = "detector";
inline constexpr const char* kHardware[] = {"edge-a", "edge-b"};

class SimPublisher {
 public:
  /// Keys from `random`; what it signs is created at `now`.
  SimPublisher(Random& random, WallMs now);

  [[nodiscard]] const Bytes& root() const { return root_; }
  [[nodiscard]] const SigningKey& director() const { return director_; }

  /// Stores the artifacts, one for each hardware in order, and the validation set; signs a manifest
  /// for each.
  Publication Release(const std::string& name, std::uint64_t release_seq,
                      const std::vector<Bytes>& artifacts, double accuracy_expected,
                      const ObjectStore& objects, WallMs now);

 private:
  SigningKey root_key_, release_, director_;
  Bytes root_;
};

}  // namespace sluice::sim
