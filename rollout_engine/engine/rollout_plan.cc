#include "rollout_engine/engine/rollout_plan.h"

#include <algorithm>
#include <utility>

#include "common/payload/container.h"

namespace sluice {
namespace {

constexpr std::size_t kJudgeableDevices =
    4;  // per hardware in the first stage; fewer cannot be told from chance

std::vector<RolloutPlan::Payload> PlanPayloadsOf(const Release& release,
                                                 const std::vector<const Device*>& eligible,
                                                 Offers& offers, const ObjectStore& objects,
                                                 std::size_t& without_base) {
  std::map<std::pair<std::string, Digest>, RolloutPlan::Payload> payloads;
  for (const Device* device : eligible) {
    const ReleaseArtifact& artifact = *release.For(device->hardware());
    const bool has_base = !device->active_artifact.IsZero() && objects.Has(device->active_artifact);
    if (!has_base) ++without_base;
    const Digest base = has_base ? device->active_artifact : Digest{};
    RolloutPlan::Payload& payload = payloads[{device->hardware(), base}];
    payload.hardware = device->hardware();
    if (has_base) payload.base = offers.ReleaseNameOf(base);
    ++payload.devices;
    const PayloadRequest request{.base = base,
                                 .memory_class = device->hello->memory_class,
                                 .codec_mask = device->hello->codec_mask & kCodecMaskV1};
    const auto built = offers.FindBuilt(artifact.manifest.artifact_sha256, request);
    payload.is_estimate = !built.has_value();
    payload.bytes = built ? built->size_bytes : artifact.manifest.artifact_size;
  }
  std::vector<RolloutPlan::Payload> rows;
  rows.reserve(payloads.size());
  for (auto& [key, payload] : payloads) rows.push_back(std::move(payload));
  return rows;
}

}  // namespace

Result<RolloutPlan> MakePlan(const RolloutSpec& spec, const Release& release,
                             const std::vector<const Device*>& eligible, Offers& offers,
                             const ObjectStore& objects) {
  if (eligible.empty()) {
    return Fail(ErrorCode::kCfgNoDevices,
                "no eligible device for " + release.name +
                    "; check the selector, the release's hardware and other rollouts");
  }
  RolloutPlan plan{.model = release.model, .release = release.name, .devices = eligible.size()};
  std::map<std::string, std::size_t> by_hardware;
  for (const Device* device : eligible) ++by_hardware[device->hardware()];
  for (const StageSpec& stage : spec.stages) {
    RolloutPlan::Stage row{
        .name = stage.name, .target = stage.target, .duration_ms = stage.duration_ms};
    for (const auto& [hardware, count] : by_hardware)
      row.devices[hardware] = CohortSize(stage.target, count);
    plan.stages.push_back(std::move(row));
  }
  plan.payloads = PlanPayloadsOf(release, eligible, offers, objects, plan.without_base);
  for (const auto& [hardware, count] : plan.stages.front().devices) {
    if (count >= kJudgeableDevices) continue;
    plan.warnings.push_back("stage " + plan.stages.front().name + " takes " +
                            std::to_string(count) + " devices of hardware " + hardware +
                            "; fewer than " + std::to_string(kJudgeableDevices) +
                            " cannot be judged");
  }
  const bool is_estimate =
      std::any_of(plan.payloads.begin(), plan.payloads.end(),
                  [](const RolloutPlan::Payload& payload) { return payload.is_estimate; });
  if (is_estimate)
    plan.warnings.push_back("payloads that are not built yet count with the size of the artifact");
  return plan;
}

}  // namespace sluice
