// A model runner for tests: the model's first byte says how it behaves, and every load is written
// down.
#pragma once

#include <string>
#include <vector>

#include "common/crypto/digest.h"
#include "device_sdk/include/sluice/device.h"

namespace sluice::device {

inline constexpr std::uint8_t kGoodModel = 'G';
inline constexpr std::uint8_t kPoorModel = 'P';  // right on a tenth of the set
inline constexpr std::uint8_t kDeafModel = 'D';  // does not load

/// `size` bytes of such a model; two seeds give two artifacts.
Bytes ModelBytes(std::uint8_t kind, std::size_t size, std::uint64_t seed);

class ScriptedRunner final : public sdk::ModelRunner {
 public:
  sdk::Status Load(const sdk::ModelFile& file, std::unique_ptr<sdk::Model>& out) override;
  sdk::Status Validate(sdk::Model& model, const sdk::ValidationSet& set,
                       std::chrono::microseconds latency_limit,
                       sdk::ValidationResult& out) override;
  sdk::Status Activate(std::unique_ptr<sdk::Model> model) override;
  sdk::Status Health() override { return health; }

  sdk::Status health;
  sdk::Status activate;              // what Activate answers
  sdk::Status validate;              // what Validate answers, in place of running the set
  std::uint64_t set_size_bytes = 1;  // of the newest Validate
  std::vector<Digest>
      loaded;      // SHA-256 of the bytes behind each descriptor, as this runner hashed them
  Digest serving;  // zero = nothing
};

}  // namespace sluice::device
