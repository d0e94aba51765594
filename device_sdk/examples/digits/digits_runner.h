// The application's half of the SDK, in process: loads, validates and serves the classifier.
#pragma once

#include <atomic>
#include <memory>
#include <optional>

#include "device_sdk/examples/digits/mlp.h"
#include "device_sdk/include/sluice/device.h"

namespace sluice::digits {

/// The ModelRunner calls come from the Device's thread; Infer may come from one other thread at the
/// same time.
class DigitsRunner final : public sdk::ModelRunner {
 public:
  sdk::Status Load(const sdk::ModelFile& file, std::unique_ptr<sdk::Model>& out) override;
  sdk::Status Validate(sdk::Model& model, const sdk::ValidationSet& set,
                       std::chrono::microseconds latency_limit,
                       sdk::ValidationResult& out) override;
  sdk::Status Activate(std::unique_ptr<sdk::Model> model) override;

  struct Inference {
    std::chrono::microseconds latency;
    bool ok;     // the scores were numbers
    bool right;  // the digit was the label
  };
  /// Reads one image with the model that serves; nothing when none does.
  std::optional<Inference> Infer(const LabelledImage& image) const;

 private:
  // Swapped whole, so that an inference under way keeps the model that it began with.
  std::atomic<std::shared_ptr<const Mlp>> serving_;
};

}  // namespace sluice::digits
