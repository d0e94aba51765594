// Stages: who is in them, when they are judged, and what a decision does to them.
#include <algorithm>

#include "rollout_engine/core/judge_scope.h"
#include "rollout_engine/core/rollout_step.h"

namespace sluice {
namespace {

std::string PercentText(MilliPercent percent) {
  std::string text = std::to_string(percent / 1000);
  if (percent % 1000 == 0) return text;
  std::string fraction = std::to_string(percent % 1000 + 1000).substr(1);
  fraction.erase(fraction.find_last_not_of('0') + 1);
  return text + "." + fraction;
}

}  // namespace

Status RolloutStep::On(const Started& event) {
  const auto has_model = [](const FleetDevice& device) { return device.has_model; };
  rollout_.first_release = std::ranges::none_of(event.eligible, has_model);
  for (std::size_t i = 0; i < rollout_.variants.size(); ++i)
    rollout_.variants[i].release_ids = event.release_ids[i];
  for (const FleetDevice& device : event.eligible) AddMember(device);
  if (rollout_.members.empty()) {
    rollout_.first_release = false;
    for (VariantRun& variant : rollout_.variants) variant.release_ids.clear();
    return Fail(ErrorCode::kCfgNoDevices,
                "no eligible device of a hardware that " + rollout_.spec.model_version +
                    " has an artifact for; check the selector and the release");
  }
  // A first release has no control, so none is kept for later stages either.
  if (!rollout_.first_release) {
    for (VariantRun& variant : rollout_.variants) variant.judge.control.emplace();
  }
  if (rollout_.spec.stages.front().approval == Approval::kBefore) {
    AwaitApproval(AwaitedApproval::kStageEntry, 0, "waiting for approval to start");
    return {};
  }
  EnterOrComplete(0, "started");
  return {};
}

void RolloutStep::EnterOrComplete(std::int32_t stage, const std::string& sentence) {
  const bool is_over = stage >= static_cast<std::int32_t>(rollout_.spec.stages.size());
  ChooseWinner(is_over);
  if (is_over) {
    Complete(sentence);
    return;
  }
  SetStatus(RolloutStatus::kRunning, sentence);
  PublishOrder();
  EnterStage(stage);
}

void RolloutStep::EnterStage(std::int32_t stage) {
  const std::uint32_t former_limit_us =
      rollout_.runs.empty() ? 0 : stage_spec().criteria.LatencyLimitUs();
  const bool is_first = rollout_.runs.empty();
  if (!is_first) run().ended = now_;
  StageRun next;
  next.stage = stage;
  next.cut_offs = ChooseCutOffs(stage);
  next.started = now_;
  next.started_wall = wall_;
  rollout_.runs.push_back(std::move(next));
  rollout_.next_stage = kNoStage;
  rollout_.ramp = StartRamp(rollout_.spec.rate, now_);

  OpenVariants();
  MoveLosers();
  TakeCohort(run());
  TakeControl(stage);
  for (const auto& [device, member] : rollout_.members) {
    if (member.activated_at.has_value()) ++run().exposed[member.hardware];
  }
  Emit(OpenWindow{OpenWindow::Kind::kStage, {}});
  if (!is_first && stage_spec().criteria.LatencyLimitUs() != former_limit_us) {
    // The same manifest under new terms: both arms count slow inferences by one limit.
    for (const auto& [device, member] : rollout_.members) {
      if (IsActive(member.state)) Emit(Offer{device, member.stage});
    }
  }
  OfferPending();
  const StateCounts counts = CountStates(rollout_, stage);
  for (std::size_t state = 0; state < counts.size(); ++state) {
    if (counts[state] > 0 && IsActive(static_cast<DeviceState>(state)))
      run().first_activation = now_;
  }
  ArmLook();
  StartSoakIfDue();
  GrantWaiting();
}

CutOffs RolloutStep::ChooseCutOffs(std::int32_t stage) const {
  std::map<std::string, std::vector<RankedDevice>> eligible;
  for (const auto& [device, member] : rollout_.members) {
    if (rollout_.excluded_hardware.contains(member.hardware)) continue;
    eligible[member.hardware].push_back({device, member.unit});
  }
  const MilliPercent target = rollout_.spec.stages[static_cast<std::size_t>(stage)].target;
  CutOffs cut_offs;
  for (auto& [hardware, devices] : eligible) {
    CutOff cut_off = ChooseCutOff(std::move(devices), target, rollout_.spec.holdback);
    if (!rollout_.runs.empty()) {  // stages are nested, even when devices have left meanwhile
      const auto former = run().cut_offs.find(hardware);
      if (former != run().cut_offs.end() &&
          !cut_off.Takes({former->second.id, former->second.unit})) {
        cut_off = former->second;
      }
    }
    cut_offs[hardware] = std::move(cut_off);
  }
  return cut_offs;
}

void RolloutStep::TakeCohort(StageRun& stage_run) {
  for (auto& [device, member] : rollout_.members) {
    if (member.stage != kNoStage) continue;
    const auto cut_off = stage_run.cut_offs.find(member.hardware);
    if (cut_off == stage_run.cut_offs.end() || !cut_off->second.Takes({device, member.unit}))
      continue;
    AssignStage(member, stage_run.stage);
  }
}

void RolloutStep::TakeControl(std::int32_t stage) {
  std::map<std::string, std::vector<RankedDevice>> beyond;
  for (auto& [device, member] : rollout_.members) {
    member.control = false;
    if (member.stage != kNoStage || rollout_.excluded_hardware.contains(member.hardware)) continue;
    beyond[member.hardware].push_back({device, member.unit});
  }
  if (rollout_.first_release) return;
  for (const std::string& device : ChooseControl(beyond)) {
    Member& member = rollout_.members.at(device);
    member.control = true;
    run().controls[member.hardware].push_back(device);
    Emit(HoldDevice{device, stage});
  }
}

void RolloutStep::Promote(const std::string& sentence) {
  const std::int32_t next = run().stage + 1;
  if (stage_spec().approval == Approval::kAfter) {
    AwaitApproval(AwaitedApproval::kPromotion, next, sentence);
    return;
  }
  const auto stages = static_cast<std::int32_t>(rollout_.spec.stages.size());
  if (next < stages &&
      rollout_.spec.stages[static_cast<std::size_t>(next)].approval == Approval::kBefore) {
    AwaitApproval(AwaitedApproval::kStageEntry, next, sentence);
    return;
  }
  rollout_.awaited = AwaitedApproval::kNone;
  EnterOrComplete(next, sentence);
}

void RolloutStep::Complete(const std::string& sentence) {
  run().ended = now_;
  run().brake = false;  // no look will clear it any more, and late devices still come
  SetStatus(RolloutStatus::kCompleted, sentence);
  Disarm(TimerKind::kLook);
  PublishOrder();
  OpenVariants();
  MoveLosers();
  OfferPending();
  GrantWaiting();
  if (HasTail()) ArmLook();
}

void RolloutStep::AwaitApproval(AwaitedApproval what, std::int32_t next_stage,
                                const std::string& sentence) {
  rollout_.awaited = what;
  rollout_.next_stage = next_stage;
  SetStatus(RolloutStatus::kAwaitingApproval, sentence);
}

// ---- looks ----

void RolloutStep::ArmLook() {
  BootMs at = now_ + rollout_.spec.rollback.health_check_interval_ms;
  if (run().soak_started.has_value()) {  // the soak's end deserves a look of its own
    const BootMs soak_end = *run().soak_started + stage_spec().duration_ms;
    if (soak_end > now_) at = std::min(at, soak_end);
  }
  Arm(TimerKind::kLook, at);
}

void RolloutStep::FireLook() {
  if (rollout_.status == RolloutStatus::kCompleted) {
    FireTailLook();
    return;
  }
  ArmLook();
  if (!run().first_activation.has_value()) {
    if (IsOverdue()) EndWithoutVerdict("no device has activated the release");
    return;
  }
  ++run().looks;
  for (std::size_t i = 0; i < rollout_.variants.size(); ++i) {
    if (!rollout_.variants[i].dropped)
      Emit(RunLook{run().stage, run().looks, static_cast<std::int32_t>(i)});
  }
}

Status RolloutStep::On(const LookJudged& look) {
  if (look.stage != CurrentStage(rollout_) || look.look != run().looks)
    return {};  // of an older stage or look
  VariantRun& variant = VariantAt(look.variant);
  if (variant.dropped) return {};
  variant.judge = look.state;
  variant.last = look;
  variant.last->state = {};
  if (look.decision == Decision::kRollBack && ComparesVariants() &&
      rollout_.spec.rollback.auto_rollback)
    DropVariant(look.variant, look.sentence);
  if (!IsJudged(look.look)) return {};
  TurnEpoch();
  if (rollout_.status == RolloutStatus::kCompleted) {
    ApplyTail(WorstOf(look));
  } else {
    Apply(WorstOf(look));
  }
  return {};
}

// ---- after the last stage: devices that come late ----

/// Somebody who was offered the release has yet to switch.
bool RolloutStep::HasTail() const {
  return std::ranges::any_of(rollout_.members, [&](const auto& entry) {
    const Member& member = entry.second;
    const bool is_late = member.state == DeviceState::kIdle || IsInstalling(member.state);
    return member.stage != kNoStage && is_late && MayInstall(rollout_, member);
  });
}

void RolloutStep::FireTailLook() {
  if (now_ - *run().ended >= kTailMs) return;
  ArmLook();
  const auto came_late = [&](const auto& entry) {
    return entry.second.activated_at.has_value() && *entry.second.activated_at > *run().ended;
  };
  if (std::ranges::none_of(rollout_.members, came_late)) return;
  ++run().looks;
  Emit(RunLook{run().stage, run().looks, FinalVariant(rollout_).value_or(0)});
}

/// A finding stops those who are still to come; what to do with the others a person decides.
void RolloutStep::ApplyTail(const LookJudged& look) {
  const bool stops = look.decision == Decision::kRollBack || look.brake;
  if (stops && !run().brake) {
    Emit(NotifyOperator{"devices that come late: " + look.sentence +
                        "; no other one switches until a look finds nothing"});
  }
  run().brake = stops;
  OfferPending();
  GrantWaiting();
}

void RolloutStep::Apply(const LookJudged& look) {
  run().decision = look.decision;
  run().why = look.sentence;
  // An operator who resumed over this finding has decided that it is no reason to stop.
  const HoldCause cause =
      look.decision == Decision::kRollBack ? HoldCause::kFailed : look.hold_cause;
  run().brake = look.brake && !run().accepted_holds.contains(cause);
  StartSoakIfEnough(look);
  switch (look.decision) {
    case Decision::kRollBack:
      ApplyFail(look);
      break;
    case Decision::kHold:
      ApplyHold(look);
      break;
    case Decision::kContinue:
    case Decision::kPromote:
      ApplyCalm(look);
      break;
  }
}

/// Shown violated. Nothing is as urgent, so nothing else is looked at.
void RolloutStep::ApplyFail(const LookJudged& look) {
  const RollbackSpec& spec = rollout_.spec.rollback;
  const bool hardware_only = !look.fleet_fails && !look.failed_strata.empty();
  if (!spec.auto_rollback) {
    if (run().accepted_holds.contains(HoldCause::kFailed)) {
      ApplyCalm(look);  // goes on, but is never promoted over it without a person
    } else if (IsMoving()) {
      Hold(HoldCause::kFailed, look.sentence + "; auto_rollback is off: roll back or resume");
    }
  } else if (spec.per_hardware == PerHardware::kExcludeModel && hardware_only) {
    ExcludeHardware(look.failed_strata, look.sentence);
  } else {
    BeginRollBack(look.sentence);
  }
}

void RolloutStep::ApplyHold(const LookJudged& look) {
  if (look.hold_cause == HoldCause::kNotShown || run().accepted_holds.contains(look.hold_cause)) {
    ApplyCalm(look);  // the soak goes on
    return;
  }
  rollout_.calm_looks = 0;
  if (IsMoving()) Hold(look.hold_cause, look.sentence);
}

/// Nothing is shown violated: lifts what lifts by itself, then moves on if the evidence allows it.
void RolloutStep::ApplyCalm(const LookJudged& look) {
  if (rollout_.status == RolloutStatus::kHolding &&
      rollout_.hold_cause == HoldCause::kEnvironment && ++rollout_.calm_looks >= kCalmLooksToLift) {
    Resume(look.sentence);
  }
  if (rollout_.status == RolloutStatus::kRunning) {
    rollout_.why = look.sentence;
    CheckMemory(look);
  }
  const bool may_move = rollout_.status == RolloutStatus::kRunning ||
                        (rollout_.status == RolloutStatus::kAwaitingApproval &&
                         rollout_.awaited == AwaitedApproval::kInconclusive);
  if (may_move && look.decision == Decision::kPromote) {
    Promote(look.sentence);
    return;
  }
  if (IsOverdue()) {
    const std::string completion =
        std::to_string(look.reachable_active) + " of " + std::to_string(look.reachable) +
        " reachable devices are active, wanted " + PercentText(stage_spec().min_completion) + " %";
    const bool is_finding =
        look.decision == Decision::kHold || look.decision == Decision::kRollBack;
    EndWithoutVerdict(is_finding ? look.sentence : completion);
    return;
  }
  OfferPending();  // these two: after a brake that this look cleared
  GrantWaiting();
}

void RolloutStep::CheckMemory(const LookJudged& look) {
  const double limit = stage_spec().criteria.memory_increase_max_percent;
  if (!look.memory_increase_percent.has_value() || *look.memory_increase_percent <= limit) return;
  if (run().accepted_holds.contains(HoldCause::kMemory)) return;
  const auto whole = [](double percent) {
    return std::to_string(static_cast<std::int64_t>(percent));
  };
  Hold(HoldCause::kMemory, "holding: memory grew by " + whole(*look.memory_increase_percent) +
                               " % on the median device, allowed " + whole(limit) + " %");
}

bool RolloutStep::IsOverdue() const {
  const BootMs since = run().soak_started.value_or(run().started);
  return rollout_.status == RolloutStatus::kRunning && now_ - since >= stage_spec().max_duration_ms;
}

void RolloutStep::EndWithoutVerdict(const std::string& what_is_missing) {
  const std::string sentence =
      "stage " + stage_spec().name + " is over without a verdict: " + what_is_missing;
  const bool fails = run().decision == Decision::kRollBack;  // and an operator resumed over it
  if (rollout_.spec.rollback.on_inconclusive == OnInconclusive::kPromote && !fails) {
    Promote(sentence);
  } else {
    AwaitApproval(AwaitedApproval::kInconclusive, run().stage + 1, sentence);
  }
}

void RolloutStep::TurnEpoch() {
  const std::int32_t looks = PlannedLooks(rollout_.spec, run().stage);
  const std::int32_t epochs = PlannedEpochs(rollout_.spec, run().stage);
  if (EpochOf(run().looks + 1, looks, epochs) == EpochOf(run().looks, looks, epochs)) return;
  for (VariantRun& variant : rollout_.variants) {
    std::erase_if(variant.judge.iref,
                  [](const auto& entry) { return entry.first.ends_with("/epoch"); });
  }
  Emit(OpenWindow{OpenWindow::Kind::kEpoch, {}});
}

void RolloutStep::StartSoakIfDue() {
  if (run().soak_started.has_value()) return;
  std::int32_t devices = 0;
  std::int32_t active = 0;
  const StateCounts& counts = rollout_.counts[static_cast<std::size_t>(run().stage)];
  for (std::size_t state = 0; state < counts.size(); ++state) {
    devices += counts[state];
    if (IsActive(static_cast<DeviceState>(state))) active += counts[state];
  }
  // Those who must not run it any more are not waited for. Counted one by one only if there are
  // any.
  const bool somebody_is_out = !rollout_.excluded_hardware.empty() ||
                               std::ranges::any_of(rollout_.variants, &VariantRun::dropped);
  if (somebody_is_out) {
    for (const auto& [device, member] : rollout_.members) {
      if (member.stage != run().stage || MayInstall(rollout_, member)) continue;
      --devices;
      if (IsActive(member.state)) --active;
    }
  }
  if (active >= std::min(stage_spec().min_devices, devices)) run().soak_started = now_;
}

/// Devices that nobody can reach do not keep the clock from running; a look knows who they are.
void RolloutStep::StartSoakIfEnough(const LookJudged& look) {
  if (look.enough_active && !run().soak_started.has_value()) run().soak_started = now_;
}

}  // namespace sluice
