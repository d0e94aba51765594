#include "rollout_engine/engine/rollout_plan.h"

#include <algorithm>
#include <utility>

#include "common/payload/container.h"

namespace sluice {
namespace {

constexpr std::size_t kJudgeableDevices =
    4;  // per hardware in the first stage; fewer cannot be told from chance

struct Delivery {
  std::map<std::string, std::uint64_t> bytes;  // by device
  std::vector<RolloutPlan::Payload> payloads;
  std::size_t without_base = 0;
};

Delivery PlanDelivery(const PlanInput& input, Offers& offers) {
  using Key = std::tuple<std::size_t, std::string, Digest>;  // variant, hardware, base
  std::map<Key, RolloutPlan::Payload> payloads;
  Delivery delivery;
  for (const FleetDevice& member : input.started.eligible) {
    const Device& device = *input.devices.Find(member.id);
    const std::size_t variant = ChooseVariant(input.spec.variants, member.variant_unit);
    const Release& release = *input.releases[variant];
    const ReleaseManifest& manifest = release.For(member.hardware)->manifest;
    const bool has_base =
        !device.active_artifact.IsZero() && input.objects.Has(device.active_artifact);
    if (!has_base) ++delivery.without_base;
    const Digest base = has_base ? device.active_artifact : Digest{};
    RolloutPlan::Payload& payload = payloads[{variant, member.hardware, base}];
    if (payload.devices++ == 0) {
      payload.release = release.name;
      payload.hardware = member.hardware;
      if (has_base) payload.base = offers.ReleaseNameOf(base);
      const PayloadRequest request{.base = base,
                                   .memory_class = device.hello->memory_class,
                                   .codec_mask = device.hello->codec_mask & kCodecMaskV1};
      const auto built = offers.FindBuilt(manifest.artifact_sha256, request);
      payload.is_estimate = !built.has_value();
      payload.bytes = built ? built->size_bytes : manifest.artifact_size;
    }
    delivery.bytes[member.id] = payload.bytes;
  }
  for (auto& [key, payload] : payloads) delivery.payloads.push_back(std::move(payload));
  return delivery;
}

void PlanStages(const PlanInput& input, const Delivery& delivery,
                std::vector<RehearsedStage> rehearsed, RolloutPlan& plan) {
  std::map<std::string, std::size_t> devices;
  std::map<std::string, std::string> hardware_of;
  for (const FleetDevice& device : input.started.eligible) {
    hardware_of[device.id] = device.hardware;
    devices[device.hardware] = 0;
  }
  for (std::size_t i = 0; i < rehearsed.size(); ++i) {
    const StageSpec& spec = input.spec.stages[i];
    RolloutPlan::Stage stage{
        .name = spec.name, .target = spec.target, .duration_ms = spec.duration_ms};
    for (const std::string& device : rehearsed[i].devices) {
      ++devices[hardware_of.at(device)];
      stage.bytes += delivery.bytes.at(device);
    }
    stage.devices = devices;
    stage.criteria = std::move(rehearsed[i].criteria);
    stage.can_decide = rehearsed[i].decision == Decision::kPromote;
    stage.sentence = std::move(rehearsed[i].sentence);
    plan.stages.push_back(std::move(stage));
  }
}

void WarnOfStages(const PlanInput& input, RolloutPlan& plan) {
  for (const auto& [hardware, count] : plan.stages.front().devices) {
    if (count >= kJudgeableDevices) continue;
    plan.warnings.push_back("stage " + plan.stages.front().name + " takes " +
                            std::to_string(count) + " devices of hardware " + hardware +
                            "; fewer than " + std::to_string(kJudgeableDevices) +
                            " cannot be judged");
  }
  const auto has_model = [](const FleetDevice& device) { return device.has_model; };
  if (std::none_of(input.started.eligible.begin(), input.started.eligible.end(), has_model)) {
    plan.warnings.emplace_back(
        "first release of the model: no control arm and no history, judged against the absolute "
        "limits; what a stage can find is not known beforehand");
    return;
  }
  for (const RolloutPlan::Stage& stage : plan.stages) {
    if (stage.can_decide) continue;
    plan.warnings.push_back("stage " + stage.name +
                            " cannot decide: a release exactly as good as what runs would end it "
                            "with \"" +
                            stage.sentence +
                            "\"; take more devices, soak longer or change the limit, else a person "
                            "is asked at max_duration_hours");
  }
}

void WarnOfFile(const PlanInput& input, RolloutPlan& plan) {
  const RolloutSpec& spec = input.spec;
  if (spec.rollback.decision == DecisionRule::kPointEstimate) {
    plan.warnings.emplace_back(
        "decision: point_estimate rolls nearly every healthy release back: 558 of 560 simulated "
        "ones, the rule evidence none");
  }
  if (spec.activation.mode == ActivationMode::kFree) {
    plan.warnings.emplace_back(
        "activation.mode: free needs no permit: the ramp and a hold do not keep a device that has "
        "downloaded from switching");
  }
  if (!spec.rollback.auto_rollback)
    plan.warnings.emplace_back("auto_rollback: false: a release that is shown worse only holds");
  for (const ReleaseArtifact& artifact : input.releases.front()->artifacts) {
    for (const std::string& hardware : artifact.manifest.hardware) {
      const auto lacks = [&](const Release* release) { return release->For(hardware) == nullptr; };
      if (std::any_of(input.releases.begin(), input.releases.end(), lacks)) {
        plan.warnings.push_back("hardware " + hardware +
                                " takes no part: not every variant has an artifact for it");
      }
    }
  }
  const bool is_estimate =
      std::any_of(plan.payloads.begin(), plan.payloads.end(),
                  [](const RolloutPlan::Payload& payload) { return payload.is_estimate; });
  if (is_estimate)
    plan.warnings.emplace_back(
        "payloads that are not built yet count with the size of the artifact");
}

}  // namespace

Result<RolloutPlan> MakePlan(const PlanInput& input, Offers& offers) {
  if (input.started.eligible.empty()) {
    return Fail(ErrorCode::kCfgNoDevices,
                "no eligible device for " + input.spec.model_version +
                    "; check the selector, the release's hardware and other rollouts");
  }
  SLUICE_ASSIGN(auto rehearsed, Rehearse(input.spec, input.started, input.telemetry, input.now));
  Delivery delivery = PlanDelivery(input, offers);
  RolloutPlan plan{.model = input.releases.front()->model,
                   .release = input.spec.model_version,
                   .devices = input.started.eligible.size(),
                   .without_base = delivery.without_base};
  for (const auto& [device, bytes] : delivery.bytes) plan.bytes += bytes;
  PlanStages(input, delivery, std::move(rehearsed), plan);
  plan.payloads = std::move(delivery.payloads);
  WarnOfStages(input, plan);
  WarnOfFile(input, plan);
  return plan;
}

}  // namespace sluice
