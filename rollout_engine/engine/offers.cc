#include "rollout_engine/engine/offers.h"

#include <algorithm>
#include <utility>

#include "rollout_engine/engine/keys.h"
#include "rollout_engine/engine/stored_json.h"
#include "rollout_engine/payload/encoder.h"

namespace sluice {
namespace {

std::string PayloadKey(const Digest& artifact, const PayloadRequest& request) {
  return store_key::Join(
      store_key::kPayload,
      {artifact.Hex(), request.base.IsZero() ? "full" : request.base.Hex(),
       std::to_string(static_cast<int>(request.memory_class)), std::to_string(request.codec_mask),
       // What an older engine built is built again: devices get what this one would choose.
       std::to_string(kEncoderVersion)});
}

Json ToJson(const BuiltPayload& payload) {
  return {{"object", payload.object.Hex()},
          {"head", payload.head_digest.Hex()},
          {"size", payload.size_bytes},
          {"head_size", payload.head_size}};
}

BuiltPayload PayloadFrom(const Json& json) {
  return {.object = DigestFromHex(json.at("object").get<std::string>()).value_or(Digest{}),
          .head_digest = DigestFromHex(json.at("head").get<std::string>()).value_or(Digest{}),
          .size_bytes = json.at("size"),
          .head_size = json.at("head_size")};
}

std::uint64_t HashListBytes(std::uint64_t artifact_bytes) {
  return (artifact_bytes + limits::kManifestBlockSize - 1) / limits::kManifestBlockSize *
         Digest::kSize;
}

}  // namespace

InstallTerms TermsOf(const Rollout& rollout, std::int32_t stage, std::int32_t variant) {
  const RolloutSpec& spec = rollout.spec;
  const StageSpec& stage_spec = spec.stages[static_cast<std::size_t>(stage)];
  // A trial that outlasts the soak would keep the device from the next release for nothing.
  const std::int64_t trial_ms = std::min(spec.rollback.confirm_deadline_ms, stage_spec.duration_ms);
  return {.rollout = rollout.id,
          .stage = static_cast<std::uint16_t>(stage),
          .release = spec.ReleaseName(static_cast<std::size_t>(variant)),
          .transfer = spec.transfer,
          .activation = spec.activation,
          .window = spec.maintenance_window,
          .telemetry_interval_s =
              static_cast<std::uint32_t>(spec.TelemetryIntervalMs() / limits::kSecond),
          .latency_limit_us = stage_spec.criteria.LatencyLimitUs(),
          .trial_ms = static_cast<std::uint32_t>(trial_ms)};
}

InstallTerms BaselineTerms(const Rollout& completed) {
  InstallTerms terms =
      TermsOf(completed, static_cast<std::int32_t>(completed.spec.stages.size()) - 1,
              FinalVariant(completed).value_or(0));
  terms.rollout.clear();
  terms.stage = 0;
  return terms;
}

Status Offers::Load(const Store& store) {
  Status status;
  SLUICE_TRY(
      store.Scan(store_key::Below(store_key::kPayload), [&](std::string_view key, ByteView value) {
        const auto payload = ReadStoredJson(key, value, PayloadFrom);
        if (!payload) {
          status = Fail(payload.error());
          return false;
        }
        built_[std::string(key)] = *payload;
        return true;
      }));
  return status;
}

bool Offers::Collect(Turn& turn) {
  std::erase_if(failed_, [&](const auto& failed) {
    return turn.now - failed.second.at >= limits::kPayloadRetry;
  });
  const std::vector<PayloadResult> results = builder_.TakeFinished();
  for (const PayloadResult& result : results) {
    const std::string key = PayloadKey(result.job.artifact, result.job.request);
    building_.erase(key);
    if (!result.built) {
      failed_[key] = {result.built.error(), turn.now};
      continue;
    }
    built_[key] = *result.built;
    turn.batch.Put(key, DumpJson(ToJson(*result.built)));
    turn.must_sync = true;
  }
  return !results.empty();
}

Result<const Release*> Offers::FindRelease(const std::string& name) {
  if (const auto known = releases_.find(name); known != releases_.end()) return &known->second;
  SLUICE_ASSIGN(Release release, registry_.Find(name));
  return &releases_.insert_or_assign(name, std::move(release)).first->second;
}

void Offers::ForgetReleases() {
  releases_.clear();
  release_names_.clear();
}

const std::string& Offers::ReleaseNameOf(const Digest& artifact) {
  const auto [known, added] = release_names_.try_emplace(artifact);
  if (!added || artifact.IsZero()) return known->second;
  const auto release = registry_.FindByArtifact(artifact);
  if (release && *release) known->second = (*release)->name;
  return known->second;
}

Result<const ReleaseArtifact*> Offers::FindArtifact(const std::string& release,
                                                    const std::string& hardware) {
  SLUICE_ASSIGN(const Release* found, FindRelease(release));
  if (const ReleaseArtifact* artifact = found->For(hardware)) return artifact;
  return Fail(ErrorCode::kIncompatibleHw,
              "release " + release + " has no artifact for hardware '" + hardware + "'");
}

Result<std::optional<Directive>> Offers::PlanInstall(const Device& device,
                                                     const InstallTerms& terms) {
  SLUICE_ASSIGN(const ReleaseArtifact* artifact, FindArtifact(terms.release, device.hardware()));
  const DeliveryNeed need = NeedOf(device, *artifact);
  SLUICE_ASSIGN(const auto gathered,
                Gather(need, artifact->manifest.artifact_sha256, terms.transfer));
  if (!gathered) return std::optional<Directive>();
  const std::vector<Candidate>& candidates = *gathered;
  std::vector<std::uint64_t> sizes;
  sizes.reserve(candidates.size());
  for (const Candidate& candidate : candidates) sizes.push_back(candidate.payload.size_bytes);
  SLUICE_ASSIGN(const OfferPlan plan, PlanBudget(need, terms.transfer, sizes));

  Directive directive{
      .rollout = terms.rollout,
      .stage = terms.stage,
      .action = DirectiveAction::kInstall,
      .manifest = artifact->manifest_sha256,
      .manifest_size = static_cast<std::uint32_t>(artifact->envelope.size()),
      .byte_budget = plan.byte_budget,
      .attempts = static_cast<std::uint16_t>(terms.transfer.attempts),
      .window = terms.window,
      .mode = terms.activation.mode,
      .telemetry_interval_s = terms.telemetry_interval_s,
      .latency_limit_us = terms.latency_limit_us,
      .trial_ms = terms.trial_ms,
      .min_inferences = static_cast<std::uint32_t>(terms.activation.min_inferences)};
  for (const std::size_t index : plan.order) {
    const Candidate& candidate = candidates[index];
    directive.offers.push_back({.object = candidate.payload.object,
                                .head_digest = candidate.payload.head_digest,
                                .size_bytes = candidate.payload.size_bytes,
                                .head_size = candidate.payload.head_size,
                                .base = candidate.request.base});
  }
  return std::optional<Directive>(std::move(directive));
}

DeliveryNeed Offers::NeedOf(const Device& device, const ReleaseArtifact& artifact) const {
  const Digest& active = device.active_artifact;
  return {.active_artifact = active,
          .base_known = !active.IsZero() && registry_.objects().Has(active),
          .memory_class = device.hello->memory_class,
          .codec_mask = device.hello->codec_mask & kCodecMaskV1,
          .window_bytes = device.hello->window_bytes_max,
          .artifact_bytes = artifact.manifest.artifact_size,
          .manifest_bytes = artifact.envelope.size(),
          .hash_list_bytes = HashListBytes(artifact.manifest.artifact_size),
          .validation_set_bytes = artifact.manifest.validation.size_bytes};
}

Result<std::optional<std::vector<Offers::Candidate>>> Offers::Gather(const DeliveryNeed& need,
                                                                     const Digest& artifact,
                                                                     const TransferSpec& transfer) {
  using Candidates = std::vector<Candidate>;
  const PayloadRequest full{.memory_class = need.memory_class, .codec_mask = need.codec_mask};
  Candidates candidates;
  bool building = false;
  bool wants_full = false;
  for (const PayloadRequest& request : PlanPayloads(need, transfer)) {
    const auto payload = FindOrBuild(artifact, request);
    // A base that cannot be encoded from is no reason to offer nothing.
    if (!payload && request.base.IsZero()) return Fail(payload.error());
    wants_full = wants_full || request.base.IsZero() || !payload;
    if (!payload) continue;
    if (!payload->has_value()) {
      building = true;
      continue;
    }
    // Above half of the artifact the full payload, compressed, may be as good: only building it
    // tells.
    wants_full =
        wants_full || (!request.base.IsZero() && (*payload)->size_bytes > need.artifact_bytes / 2);
    candidates.push_back({request, **payload});
  }
  const bool has_full =
      std::any_of(candidates.begin(), candidates.end(),
                  [](const Candidate& candidate) { return candidate.request.base.IsZero(); });
  if (wants_full && !has_full) {
    SLUICE_ASSIGN(const std::optional<BuiltPayload> payload, FindOrBuild(artifact, full));
    if (!payload) return std::optional<Candidates>();
    std::erase_if(candidates, [&](const Candidate& delta) {
      return !IsWorthOffering(delta.payload.size_bytes, payload->size_bytes);
    });
    if (candidates.empty()) candidates.push_back({full, *payload});
  }
  if (building) return std::optional<Candidates>();
  return std::optional<Candidates>(std::move(candidates));
}

Result<std::optional<BuiltPayload>> Offers::FindOrBuild(const Digest& artifact,
                                                        const PayloadRequest& request) {
  const std::string key = PayloadKey(artifact, request);
  if (const auto built = built_.find(key); built != built_.end())
    return std::optional(built->second);
  if (const auto failed = failed_.find(key); failed != failed_.end())
    return Fail(failed->second.why);
  if (!building_.contains(key) && builder_.Submit({artifact, request})) building_.insert(key);
  return std::optional<BuiltPayload>();
}

std::optional<BuiltPayload> Offers::FindBuilt(const Digest& artifact,
                                              const PayloadRequest& request) const {
  const auto built = built_.find(PayloadKey(artifact, request));
  if (built == built_.end()) return std::nullopt;
  return built->second;
}

bool Offers::Fits(const Directive& directive, const Digest& active_artifact) {
  for (const PayloadOffer& offer : directive.offers) {
    if (offer.base.IsZero() || offer.base == active_artifact) return true;
  }
  return false;
}

std::set<Digest> Offers::PayloadsOf(const std::set<Digest>& artifacts) const {
  std::set<Digest> objects;
  for (const Digest& artifact : artifacts) {
    const std::string prefix = store_key::Below(store_key::kPayload, {artifact.Hex()});
    for (auto it = built_.lower_bound(prefix); it != built_.end() && it->first.starts_with(prefix);
         ++it) {
      objects.insert(it->second.object);
    }
  }
  return objects;
}

}  // namespace sluice
