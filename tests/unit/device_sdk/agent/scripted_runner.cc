#include "tests/unit/device_sdk/agent/scripted_runner.h"

#include <unistd.h>

#include "common/base/random.h"

namespace sluice::device {
namespace {

constexpr std::uint32_t kItems = 100;

class ScriptedModel final : public sdk::Model {
 public:
  ScriptedModel(std::uint8_t model_kind, const Digest& digest) : kind(model_kind), sha256(digest) {}
  const std::uint8_t kind;
  const Digest sha256;
};

}  // namespace

Bytes ModelBytes(std::uint8_t kind, std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  SeededRandom(seed).Fill(bytes);
  bytes[0] = kind;
  return bytes;
}

sdk::Status ScriptedRunner::Load(const sdk::ModelFile& file, std::unique_ptr<sdk::Model>& out) {
  const auto hashed = Sha256OfFile(file.fd);
  std::uint8_t kind = 0;
  if (!hashed || pread(file.fd, &kind, 1, 0) != 1) return {"E_IO", "cannot read the model"};
  loaded.push_back(hashed->sha256);
  if (kind == kDeafModel) return {"E_LOAD", "does not load"};
  out = std::make_unique<ScriptedModel>(kind, hashed->sha256);
  return {};
}

sdk::Status ScriptedRunner::Validate(sdk::Model& model, const sdk::ValidationSet& set,
                                     std::chrono::microseconds, sdk::ValidationResult& out) {
  set_size_bytes = set.size_bytes;
  if (!validate.ok()) return validate;
  const bool poor = static_cast<const ScriptedModel&>(model).kind == kPoorModel;
  out.n = kItems;
  out.scores.assign(kItems, 255);
  if (poor) std::fill_n(out.scores.begin(), kItems * 9 / 10, std::uint8_t{0});
  out.latency_us_p99 = 900;
  return {};
}

sdk::Status ScriptedRunner::Activate(std::unique_ptr<sdk::Model> model) {
  if (!activate.ok()) return activate;
  serving = model == nullptr ? Digest{} : static_cast<const ScriptedModel&>(*model).sha256;
  return {};
}

}  // namespace sluice::device
