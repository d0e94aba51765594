// Models of a simulated world: an artifact says in its first bytes how it behaves, the rest is
// weights.
#pragma once

#include <functional>
#include <optional>

#include "common/base/random.h"
#include "device_sdk/include/sluice/device.h"

namespace sluice::sim {

struct ModelTraits {
  std::uint8_t lab_accuracy_percent = 95;    // on the validation set
  std::uint8_t field_accuracy_percent = 95;  // on what devices see
  std::uint16_t error_permille = 0;
  std::uint16_t slow_permille = 0;  // share of inferences slower than any limit
  bool loads = true;
};

inline constexpr std::uint32_t kValidationItems = 200;

/// An artifact of `size_bytes` that behaves so; its weights are drawn from `random`.
Bytes BuildArtifact(const ModelTraits& traits, std::size_t size_bytes, Random& random);
/// The same behaviour put into a copy of `base`, with the last tenth of its weights drawn anew.
Bytes FineTune(const Bytes& base, const ModelTraits& traits, Random& random);

/// Runs such models in a device; tells `observer` which bytes it was given, before it trusts them,
/// and which ones serve (zero = none).
class SimRunner final : public sdk::ModelRunner {
 public:
  struct Observer {
    std::function<void(const Digest& loaded)> on_load;
    std::function<void(const Digest& serving, sdk::Purpose purpose)> on_serve;
  };
  explicit SimRunner(Observer observer) : observer_(std::move(observer)) {}

  sdk::Status Load(const sdk::ModelFile& file, std::unique_ptr<sdk::Model>& out) override;
  sdk::Status Validate(sdk::Model& model, const sdk::ValidationSet& set,
                       std::chrono::microseconds latency_limit,
                       sdk::ValidationResult& out) override;
  sdk::Status Activate(std::unique_ptr<sdk::Model> model) override;

  /// What serves now.
  [[nodiscard]] std::optional<ModelTraits> serving() const;
  [[nodiscard]] Digest serving_digest() const;

 private:
  Observer observer_;
  std::unique_ptr<sdk::Model> serving_;
};

}  // namespace sluice::sim
