#include "tests/sim/sim_model.h"

#include <unistd.h>

#include "common/base/check.h"
#include "common/crypto/digest.h"

namespace sluice::sim {
namespace {

constexpr std::string_view kMagic = "SIMM";
constexpr std::size_t kTraitsSize = 11;

void WriteTraits(const ModelTraits& traits, Bytes& artifact) {
  std::copy(kMagic.begin(), kMagic.end(), artifact.begin());
  artifact[4] = traits.lab_accuracy_percent;
  artifact[5] = traits.field_accuracy_percent;
  StoreLe(&artifact[6], traits.error_permille);
  StoreLe(&artifact[8], traits.slow_permille);
  artifact[10] = traits.loads ? 1 : 0;
}

class SimModel final : public sdk::Model {
 public:
  SimModel(ModelTraits its_traits, Digest its_digest, sdk::Purpose its_purpose)
      : traits(its_traits), digest(its_digest), purpose(its_purpose) {}
  const ModelTraits traits;
  const Digest digest;
  const sdk::Purpose purpose;
};

}  // namespace

Bytes BuildArtifact(const ModelTraits& traits, std::size_t size_bytes, Random& random) {
  SLUICE_CHECK(size_bytes > kTraitsSize);
  Bytes artifact(size_bytes);
  random.Fill(artifact);
  WriteTraits(traits, artifact);
  return artifact;
}

Bytes FineTune(const Bytes& base, const ModelTraits& traits, Random& random) {
  Bytes artifact = base;
  random.Fill(std::span(artifact).subspan(base.size() - base.size() / 10));
  WriteTraits(traits, artifact);
  return artifact;
}

sdk::Status SimRunner::Load(const sdk::ModelFile& file, std::unique_ptr<sdk::Model>& out) {
  Bytes bytes(file.size_bytes);
  if (pread(file.fd, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return {"E_IO", "the model's descriptor is too short"};
  }
  const Digest digest = Sha256(bytes);
  observer_.on_load(digest);
  if (bytes.size() < kTraitsSize || !std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) {
    return {"E_LOAD", "not a simulated model"};
  }
  ModelTraits traits;
  traits.lab_accuracy_percent = bytes[4];
  traits.field_accuracy_percent = bytes[5];
  traits.error_permille = LoadLe<std::uint16_t>(&bytes[6]);
  traits.slow_permille = LoadLe<std::uint16_t>(&bytes[8]);
  traits.loads = bytes[10] != 0;
  if (!traits.loads) return {"E_LOAD", "this model does not load"};
  out = std::make_unique<SimModel>(traits, digest, file.purpose);
  return {};
}

sdk::Status SimRunner::Validate(sdk::Model& model, const sdk::ValidationSet&,
                                std::chrono::microseconds, sdk::ValidationResult& out) {
  const ModelTraits& traits = static_cast<SimModel&>(model).traits;
  out.n = kValidationItems;
  out.latency_us_p99 = 1'000;
  for (std::uint32_t item = 0; item < kValidationItems; ++item) {
    out.scores.push_back(item * 100 < kValidationItems * traits.lab_accuracy_percent ? 255 : 0);
  }
  return {};
}

sdk::Status SimRunner::Activate(std::unique_ptr<sdk::Model> model) {
  serving_ = std::move(model);
  const auto* served = static_cast<SimModel*>(serving_.get());
  observer_.on_serve(serving_digest(), served ? served->purpose : sdk::Purpose::kRevert);
  return {};
}

Digest SimRunner::serving_digest() const {
  return serving_ == nullptr ? Digest{} : static_cast<SimModel&>(*serving_).digest;
}

std::optional<ModelTraits> SimRunner::serving() const {
  if (serving_ == nullptr) return std::nullopt;
  return static_cast<SimModel&>(*serving_).traits;
}

}  // namespace sluice::sim
