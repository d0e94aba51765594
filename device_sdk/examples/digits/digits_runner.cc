#include "device_sdk/examples/digits/digits_runner.h"

#include <utility>

#include "device_sdk/examples/digits/descriptor.h"
#include "device_sdk/examples/digits/validation.h"

namespace sluice::digits {
namespace {

struct LoadedModel final : sdk::Model {
  explicit LoadedModel(Mlp loaded) : mlp(std::make_shared<const Mlp>(std::move(loaded))) {}
  std::shared_ptr<const Mlp> mlp;
};

sdk::Status AsSdkStatus(const Error& error) {
  return {std::string(CodeName(error.code)), error.text};
}

}  // namespace

sdk::Status DigitsRunner::Load(const sdk::ModelFile& file, std::unique_ptr<sdk::Model>& out) {
  const Result<Bytes> bytes = ReadDescriptor(file.fd);
  if (!bytes.has_value()) return AsSdkStatus(bytes.error());
  Result<Mlp> mlp = LoadModel(*bytes);
  if (!mlp.has_value()) return AsSdkStatus(mlp.error());
  out = std::make_unique<LoadedModel>(std::move(*mlp));
  return {};
}

sdk::Status DigitsRunner::Validate(sdk::Model& model, const sdk::ValidationSet& set,
                                   std::chrono::microseconds latency_limit,
                                   sdk::ValidationResult& out) {
  if (set.fd < 0) return {};  // it has loaded, and there is no more to see
  const Result<Bytes> bytes = ReadDescriptor(set.fd);
  if (!bytes.has_value()) return AsSdkStatus(bytes.error());
  const Result<Images> images = DecodeValidationSet(*bytes);
  if (!images.has_value()) return AsSdkStatus(images.error());
  // Every model that the SDK hands back came out of Load.
  const Mlp& mlp = *static_cast<LoadedModel&>(model).mlp;
  ValidationRun run = RunValidation(mlp, *images, latency_limit);
  out.n = run.n;
  out.errors = 0;
  out.non_finite = run.non_finite;
  out.slow = run.slow;
  out.latency_us_p99 = run.latency_us_p99;
  out.scores = std::move(run.scores);
  return {};
}

sdk::Status DigitsRunner::Activate(std::unique_ptr<sdk::Model> model) {
  serving_ = model ? static_cast<LoadedModel&>(*model).mlp : nullptr;
  return {};
}

std::optional<DigitsRunner::Inference> DigitsRunner::Infer(const LabelledImage& image) const {
  const std::shared_ptr<const Mlp> mlp = serving_;
  if (!mlp) return std::nullopt;
  const std::int64_t start_us = NowUs();
  const Classification result = Classify(*mlp, image.pixels);
  const std::chrono::microseconds latency(NowUs() - start_us);
  return Inference{latency, result.finite, result.finite && result.digit == image.label};
}

}  // namespace sluice::digits
