#include "rollout_engine/engine/missing_directive.h"

#include <algorithm>

#include "rollout_engine/engine/device_selector.h"

namespace sluice {
namespace {

/// Whoever serves from this slot is to revert.
bool RollsBack(const OrderEntry& entry, const SlotSummary& slot, const std::string& hardware) {
  return entry.action == OrderAction::kRollBack && entry.rollout == slot.rollout &&
         slot.stage >= entry.lowest_stage && IsFor(entry, hardware);
}

/// The Directive that stands does what a member in `state` needs.
bool Serves(const Device& device, const std::string& rollout, DeviceState state, WallMs now) {
  if (!device.directive) return false;
  const Directive& directive = device.directive->value;
  if (directive.action != DirectiveAction::kInstall || directive.rollout != rollout) return false;
  if (directive.expires_ms <= now.ms) return false;
  return state == DeviceState::kVerified || Offers::Fits(directive, device.active_artifact);
}

/// It serves a variant that was shown worse, while the rollout goes on with the others.
bool RunsDroppedVariant(const Rollout& rollout, const Device& device) {
  const auto member = rollout.members.find(device.id);
  if (member == rollout.members.end() || member->second.stage == kNoStage) return false;
  const auto& variant = rollout.variants[static_cast<std::size_t>(member->second.variant)];
  return variant.dropped &&
         variant.release_ids.at(member->second.hardware) == device.active_artifact.Prefix64();
}

std::optional<Wanted> MissingRevert(const RolloutLog& log, const Device& device, WallMs now) {
  const SlotSummary* slot = device.ActiveSlot();
  if (slot == nullptr || slot->rollout.empty()) return std::nullopt;
  const RolloutEntry* entry = log.Find(slot->rollout);
  if (entry == nullptr) return std::nullopt;
  const auto& order = entry->rollout.order;
  const bool is_ordered = std::any_of(order.begin(), order.end(), [&](const OrderEntry& e) {
    return RollsBack(e, *slot, device.hardware());
  });
  if (!is_ordered && !RunsDroppedVariant(entry->rollout, device)) return std::nullopt;
  const bool told = device.directive &&
                    device.directive->value.action == DirectiveAction::kRevert &&
                    device.directive->value.rollout == slot->rollout &&
                    device.directive->value.expires_ms > now.ms;
  // Without a fallback it stays, and leaves by the next install, which a revert would replace.
  if (told || !device.HasFallback()) return std::nullopt;
  return WantedRevert{.rollout = slot->rollout, .stage = slot->stage, .manifest = slot->manifest};
}

std::optional<Wanted> MissingOf(const RolloutEntry& entry, const Device& device, WallMs now) {
  const Rollout& rollout = entry.rollout;
  const Member& member = rollout.members.at(device.id);
  if (rollout.status != RolloutStatus::kRunning) return std::nullopt;
  if (member.stage != kNoStage) {
    const bool lacks = IsInstalling(member.state) && !Serves(device, rollout.id, member.state, now);
    if (!lacks || !MayInstall(rollout, member)) return std::nullopt;
    return WantedInstall{TermsOf(rollout, member.stage, member.variant)};
  }
  if (!member.control) return std::nullopt;
  const std::int32_t stage = CurrentStage(rollout);
  const bool told = device.directive && device.directive->value.action == DirectiveAction::kHold &&
                    device.directive->value.rollout == rollout.id &&
                    device.directive->value.stage == stage;
  if (told) return std::nullopt;
  return WantedHold{TermsOf(rollout, stage, 0)};
}

}  // namespace

std::optional<Wanted> MissingDirective(const RolloutLog& log, Offers& offers, const Device& device,
                                       WallMs now) {
  if (!device.hello || !device.quarantine.empty() || device.behind) return std::nullopt;
  if (auto revert = MissingRevert(log, device, now)) return revert;
  const RolloutEntry* entry = log.Covering(device.id);
  if (entry != nullptr) {
    if (auto wanted = MissingOf(*entry, device, now)) return wanted;
  }
  return MissingBaseline(log, offers, device, now);
}

std::optional<Wanted> MissingBaseline(const RolloutLog& log, Offers& offers, const Device& device,
                                      WallMs now) {
  if (!device.hello) return std::nullopt;
  // What was brought to other devices by their attributes was not meant for this one.
  const RolloutEntry* baseline =
      log.Baseline(device.model(), device.hardware(),
                   [&](const RolloutSpec& spec) { return Fits(spec.selector, device); });
  if (baseline == nullptr) return std::nullopt;
  const Rollout& rollout = baseline->rollout;
  const std::string& brought =
      rollout.spec.ReleaseName(static_cast<std::size_t>(FinalVariant(rollout).value_or(0)));
  const auto artifact = offers.FindArtifact(brought, device.hardware());
  if (!artifact || (*artifact)->manifest.artifact_sha256 == device.active_artifact)
    return std::nullopt;
  // What a roll back could not take away for want of a fallback does not count as serving.
  const bool stranded = device.report && device.report->code == CodeName(ErrorCode::kNoFallback) &&
                        device.report->active_artifact == device.active_artifact;
  const bool serves = !device.active_artifact.IsZero() && !stranded;
  if (serves && log.Covering(device.id) != nullptr) return std::nullopt;
  // A holdback keeps what it has.
  const auto member = rollout.members.find(device.id);
  if (serves && member != rollout.members.end() && member->second.stage == kNoStage)
    return std::nullopt;
  // What runs and is as new stays: an aborted rollout, for one, leaves its devices as they are.
  const std::string& running = offers.ReleaseNameOf(device.active_artifact);
  const auto& rivals = rollout.spec.variants;
  const bool has_lost = std::any_of(rivals.begin(), rivals.end(), [&](const VariantSpec& variant) {
    return variant.version == running;
  });
  if (serves && !has_lost) {
    const auto held = offers.FindRelease(running);
    const auto wanted = offers.FindRelease(brought);
    if (held && wanted && (*held)->release_seq >= (*wanted)->release_seq) return std::nullopt;
  }
  const auto& bad = device.hello->bad_artifacts;
  if (std::find(bad.begin(), bad.end(), (*artifact)->manifest.artifact_sha256) != bad.end())
    return std::nullopt;
  if (device.directive && device.directive->value.manifest == (*artifact)->manifest_sha256 &&
      device.directive->value.action == DirectiveAction::kInstall) {
    const bool on_its_way = !device.directive->finished &&
                            device.directive->value.expires_ms > now.ms &&
                            Offers::Fits(device.directive->value, device.active_artifact);
    const bool failed = device.directive->finished && device.report &&
                        device.report->directive == device.directive->value.number &&
                        device.report->state != ReportState::kConfirmed;
    if (on_its_way || failed) return std::nullopt;
  }
  return WantedInstall{BaselineTerms(rollout)};
}

}  // namespace sluice
