// Devices: what their reports mean to the rollout, and when they may switch.
#include <algorithm>

#include "rollout_engine/core/rollout_step.h"

namespace sluice {
namespace {

// A download reports its progress more often than that; who does not is no load on its site.
constexpr std::int64_t kDownloadSilenceMs = 10 * limits::kMinute;
constexpr std::int64_t kOffersEveryMs = 10 * limits::kSecond;  // while a site is full
constexpr double kHealthyShareMin = 0.8;  // of the last wave, before the next may be larger

std::string_view Name(ErrorCode code) { return CodeName(code); }

}  // namespace

// ---- who takes part ----

Status RolloutStep::On(const DeviceJoined& event) {
  if (rollout_.spec.membership == Membership::kFrozen) return {};
  AddMember(event.device);
  const auto joined = rollout_.members.find(event.device.id);
  if (joined == rollout_.members.end() || joined->second.stage != kNoStage) return {};
  Member& member = joined->second;
  for (const StageRun& entered : rollout_.runs) {
    const auto cut_off = entered.cut_offs.find(member.hardware);
    if (cut_off == entered.cut_offs.end() || !cut_off->second.Takes({event.device.id, member.unit}))
      continue;
    AssignStage(member, entered.stage);
    OfferPending();
    break;
  }
  return {};
}

Status RolloutStep::On(const DeviceLeft& event) {
  const auto left = rollout_.members.find(event.device);
  if (left == rollout_.members.end()) return {};
  const Member& member = left->second;
  if (member.stage != kNoStage) {
    --rollout_
          .counts[static_cast<std::size_t>(member.stage)][static_cast<std::size_t>(member.state)];
  }
  rollout_.members.erase(left);
  FinishRollBackIfDone();
  return {};
}

void RolloutStep::AddMember(const FleetDevice& device) {
  // Without a model of its own a device has no past to compare with: outside a first release it
  // gets the baseline.
  if (!rollout_.first_release && !device.has_model) return;
  const auto has_artifact = [&](const VariantRun& variant) {
    return variant.release_ids.contains(device.hardware);
  };
  if (!std::ranges::all_of(rollout_.variants, has_artifact)) return;
  if (rollout_.excluded_hardware.contains(device.hardware)) return;
  const auto [added, is_new] = rollout_.members.try_emplace(device.id);
  if (!is_new) return;
  Member& member = added->second;
  member.hardware = device.hardware;
  member.unit = device.unit;
  member.site = device.site;
  member.variant = rollout_.winner.value_or(
      static_cast<std::int32_t>(ChooseVariant(rollout_.spec.variants, device.variant_unit)));
  if (device.unsettled_ms > 0) member.settles_at = now_ + device.unsettled_ms;
}

void RolloutStep::SetState(Member& member, DeviceState state) {
  if (member.stage != kNoStage) {
    StateCounts& counts = rollout_.counts[static_cast<std::size_t>(member.stage)];
    --counts[static_cast<std::size_t>(member.state)];
    ++counts[static_cast<std::size_t>(state)];
  }
  member.state = state;
}

void RolloutStep::AssignStage(Member& member, std::int32_t stage) {
  member.stage = stage;
  ++rollout_.counts[static_cast<std::size_t>(stage)][static_cast<std::size_t>(member.state)];
}

void RolloutStep::OfferTo(const std::string& device, Member& member) {
  SetState(member, DeviceState::kOffered);
  member.heard_at = now_;
  Emit(Offer{device, member.stage});
}

/// To everybody who is in and has none yet.
void RolloutStep::OfferPending() {
  const bool offers =
      rollout_.status == RolloutStatus::kRunning || rollout_.status == RolloutStatus::kCompleted;
  if (!offers || run().brake) return;
  const std::int32_t site_limit = rollout_.spec.transfer.concurrent_per_site;
  auto downloads = site_limit > 0 ? DownloadsBySite() : std::map<std::string, std::int32_t>();
  bool somebody_waits = false;
  for (auto& [device, member] : rollout_.members) {
    if (member.stage == kNoStage || member.state != DeviceState::kIdle) continue;
    if (!MayInstall(rollout_, member)) continue;
    if (site_limit > 0 && !member.site.empty() && ++downloads[member.site] > site_limit) {
      somebody_waits = true;
      continue;
    }
    OfferTo(device, member);
  }
  if (somebody_waits) Arm(TimerKind::kOffers, now_ + kOffersEveryMs);
}

/// How many devices of each site have an offer or a download that they have lately spoken of.
std::map<std::string, std::int32_t> RolloutStep::DownloadsBySite() const {
  std::map<std::string, std::int32_t> downloads;
  for (const auto& [device, member] : rollout_.members) {
    const bool loads =
        member.state == DeviceState::kOffered || member.state == DeviceState::kDownloading;
    if (loads && member.heard_at.has_value() && now_ - *member.heard_at < kDownloadSilenceMs)
      ++downloads[member.site];
  }
  return downloads;
}

// ---- reports ----

Status RolloutStep::On(const DeviceReported& event) {
  const auto found = rollout_.members.find(event.device);
  if (found == rollout_.members.end() || found->second.stage == kNoStage)
    return {};  // control, or not ours
  Member& member = found->second;
  const bool was_active = IsActive(member.state);
  member.code = event.code;
  member.deferred = event.state == ReportState::kDeferred;
  member.heard_at = now_;
  switch (event.state) {
    case ReportState::kDownloading:
      if (!was_active) SetState(member, DeviceState::kDownloading);
      break;
    case ReportState::kDeferred:
      // Its active slot has changed since the offer; from what it reported last another one is
      // made.
      if (event.code == Name(ErrorCode::kNoBase) && rollout_.status == RolloutStatus::kRunning)
        Emit(Offer{event.device, member.stage});
      break;
    case ReportState::kReady:
      if (!was_active) SetState(member, DeviceState::kVerified);
      break;
    case ReportState::kActivating:
      Activate(event.device, member, DeviceState::kActivating);
      break;
    case ReportState::kActivated:
      Activate(event.device, member, DeviceState::kTrial);
      break;
    case ReportState::kConfirmed:
      Activate(event.device, member, DeviceState::kConfirmed);
      break;
    case ReportState::kRejected:
    case ReportState::kFailed:
      EndInstall(member, DeviceState::kFailed);
      break;
    case ReportState::kReverted:
      member.self_reverted = event.code != Name(ErrorCode::kRevertOrdered);
      EndInstall(member, DeviceState::kReverted);
      break;
    case ReportState::kWithdrawn:
      if (!was_active) SetState(member, DeviceState::kSuperseded);
      break;
    case ReportState::kHolding:
      break;
  }
  FinishRollBackIfDone();
  return {};
}

/// The device switches, or is known to have switched: it is exposed from here on.
void RolloutStep::Activate(const std::string& device, Member& member, DeviceState state) {
  SetState(member, state);
  member.wants_permit = false;
  if (!member.activated_at.has_value()) {
    member.activated_at = now_;
    Emit(OpenWindow{OpenWindow::Kind::kDevice, device});
    if (!rollout_.runs.empty()) {
      ++run().installs_ended;
      ++run().exposed[member.hardware];
      if (!run().first_activation.has_value()) {
        run().first_activation = now_;
        if (TimerAt(TimerKind::kLook).has_value()) ArmLook();
      }
      StartSoakIfDue();
    }
  }
  // It had its permit before the decision, or missed the Order.
  if (MustRevert(member)) Emit(RevertDevice{device});
}

/// The directive ended without the release being active.
void RolloutStep::EndInstall(Member& member, DeviceState state) {
  const bool before_activation = !member.activated_at.has_value();
  SetState(member, state);
  member.wants_permit = false;
  if (!before_activation || member.code == Name(ErrorCode::kWithdrawn)) return;
  ++run().installs_ended;
  ++run().installs_failed;
  CheckInstallFailures(member.code);
}

/// Holds as soon as more failed than the limit allows, even if everybody who is still at it
/// succeeds; in a small start the stage's first devices count as if they had all ended.
void RolloutStep::CheckInstallFailures(const std::string& code) {
  if (rollout_.status != RolloutStatus::kRunning) return;
  const std::int32_t failed = run().installs_failed - run().accepted_failures;
  const std::int32_t first_devices =
      std::min(stage_spec().min_devices, CohortCount(rollout_, run().stage));
  const std::int32_t of = std::max(run().installs_ended - run().accepted_failures, first_devices);
  if (failed <= stage_spec().criteria.install_failure_rate_max * of) return;
  Hold(HoldCause::kInstallFailures,
       "holding: install failed on " + std::to_string(run().installs_failed) + " of " +
           std::to_string(run().installs_ended) + " devices that ended, the last one with " + code +
           "; no device activates until an operator resumes or aborts");
}

// ---- permits ----

Status RolloutStep::On(const PermitWanted& event) {
  const auto found = rollout_.members.find(event.device);
  if (found == rollout_.members.end()) return {};
  Member& member = found->second;
  // One that announced its switch and asks again has not switched: the broker's word did not come.
  const bool serves = IsActive(member.state) && member.state != DeviceState::kActivating;
  if (member.stage == kNoStage || serves || !MayInstall(rollout_, member)) return {};
  if (member.state != DeviceState::kVerified) SetState(member, DeviceState::kVerified);
  const bool still_holds_one =
      member.permit_at.has_value() && now_ - *member.permit_at < limits::kPermitLife;
  if (still_holds_one && MayGrant()) {  // the answer was lost
    Emit(GrantPermit{event.device});
    return {};
  }
  member.wants_permit = true;
  GrantWaiting();
  return {};
}

bool RolloutStep::MayGrant() const {
  const bool runs =
      rollout_.status == RolloutStatus::kRunning || rollout_.status == RolloutStatus::kCompleted;
  return runs && !run().brake;
}

/// 80 % of those of the last wave who used their permit, or still may, serve the new release.
bool RolloutStep::IsWaveHealthy() const {
  std::size_t expected = 0;
  std::size_t healthy = 0;
  for (const std::string& device : rollout_.ramp.wave) {
    const auto found = rollout_.members.find(device);
    if (found == rollout_.members.end()) continue;
    const Member& member = found->second;
    if (!MayInstall(rollout_, member)) continue;  // it is no reason for the others to wait
    const bool permit_lives = now_ - *member.permit_at < limits::kPermitLife;
    if (!member.activated_at.has_value() && !permit_lives) continue;
    ++expected;
    if (member.state == DeviceState::kTrial || member.state == DeviceState::kConfirmed) ++healthy;
  }
  return static_cast<double>(healthy) >= kHealthyShareMin * static_cast<double>(expected);
}

void RolloutStep::Grant(const std::string& device, Member& member) {
  CountPermit(rollout_.ramp, device, now_);
  member.wants_permit = false;
  member.permit_at = now_;
  Emit(GrantPermit{device});
}

/// As many permits as the ramp has, in the order of the cohort; the rest wait for its next wave.
void RolloutStep::GrantWaiting() {
  if (!MayGrant()) return;
  const RateSpec& rate = rollout_.spec.rate;
  std::vector<std::pair<RankedDevice, Member*>> waiting;
  for (auto& [device, member] : rollout_.members) {
    if (member.wants_permit) waiting.push_back({{device, member.unit}, &member});
  }
  if (waiting.empty()) return;
  if (now_ - rollout_.ramp.wave_started >= rate.every_ms) {
    AdvanceRamp(rollout_.ramp, rate, IsWaveHealthy(), now_);
  }
  std::ranges::sort(waiting, {}, [](const auto& entry) { return entry.first; });
  for (const auto& [device, member] : waiting) {
    if (PermitsLeft(rollout_.ramp, rate, now_) == 0) {
      Arm(TimerKind::kRamp, RampDueAt(rollout_.ramp, rate, now_));
      return;
    }
    Grant(std::string(device.id), *member);
  }
}

}  // namespace sluice
