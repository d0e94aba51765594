// The rows from a validated slot to a confirmed release, and back.
#include <algorithm>

#include "device_sdk/core/update_machine.h"

namespace sluice::device {

using enum UpdateState;

Result<Effects> Machine::On(const Validated& event) {
  const Directive directive = *plan_.install;
  plan_.validation = event.numbers;
  if (!event.failure) {
    plan_.state = kReady;
    Report(directive, ReportState::kReady);
    return Commit();
  }
  const ErrorCode code = event.failure->code;
  if (IsModelsFault(code)) {
    SlotRecord& slot = record_.slots[record_.work.standby];
    slot.state = SlotState::kBad;
    slot.reason = NameOf(code);
    if (record_.fallback == record_.work.standby) record_.fallback.reset();
    RememberBad(slot.artifact);
  }
  EndWork(NameOf(code));
  const ReportState state = code == ErrorCode::kAbi ? ReportState::kRejected : ReportState::kFailed;
  Report(directive, state, NameOf(code), event.failure->text);
  plan_.validation = {};
  return Commit();
}

Result<Effects> Machine::On(const ActivationAllowed&) {
  if (IsHeld(update_) || plan_.activation_announced) return Keep();
  plan_.activation_announced = true;
  Report(*plan_.install, ReportState::kActivating);
  after_.emplace_back(ArmTimer{Timer::kActivatingAck, limits::kActivatingAckMax});
  return Keep();
}

Result<Effects> Machine::On(const ActivatingAcknowledged&) {
  const bool announced = plan_.activation_announced;
  plan_.activation_announced = false;
  if (!announced || IsHeld(update_)) return Keep();
  const SlotId standby = record_.work.standby;
  const std::optional<SlotId> former = record_.active;
  SlotRecord& slot = record_.slots[standby];
  slot.state = SlotState::kReady;  // GOOD again only by its own trial
  slot.rollout = plan_.install->rollout;
  slot.stage = plan_.install->stage;
  record_.active = standby;
  const bool former_good = former && record_.slots[*former].state == SlotState::kGood;
  record_.fallback = former_good ? former : OtherGood(standby);
  record_.phase = Phase::kTrial;
  record_.starts_left = kStartsPerTrial;
  record_.trial_budget_left_ms = std::max<std::int64_t>(plan_.install->trial_ms, kTrialBudgetMinMs);
  ++record_.activation;
  plan_.state = kActivating;
  after_.emplace_back(ActivateModel{standby, ActivateReason::kInstall});
  return Commit();
}

Result<Effects> Machine::On(const ModelServing& event) {
  plan_.serving_limits = event.limits;
  if (plan_.state == kReverting) return FinishRevert();
  if (plan_.state != kActivating && plan_.state != kTrial) return Keep();
  const SlotRecord& slot = record_.slots[*record_.active];
  if (event.loaded != slot.artifact)
    return Revert({ErrorCode::kLoad, "other bytes serve than were asked for"}, true);
  after_.emplace_back(WatchTrial{record_.trial_budget_left_ms});
  if (plan_.state == kTrial) return Keep();
  plan_.state = kTrial;
  std::vector<Effect> watch = std::exchange(after_, {});
  ReportSlot(slot, ReportState::kActivated, {}, {});
  after_.insert(after_.end(), watch.begin(), watch.end());
  return Commit();
}

Result<Effects> Machine::On(const ModelFailed& event) {
  const bool models_fault = IsModelsFault(event.why.code);
  if (plan_.state == kActivating || plan_.state == kTrial) return Revert(event.why, models_fault);
  if (!record_.active) return Keep();  // there was nothing to serve
  if (!models_fault) {
    after_.emplace_back(ArmTimer{Timer::kServeRetry, kServeRetryMs});
    return Keep();
  }
  if (plan_.state == kReverting) return RevertFurther(event.why);
  if (IsWorking(plan_.state)) Withdraw();
  return Revert(event.why, true);
}

/// The release gone back to does not load either: the next confirmed one, or nothing.
Effects Machine::RevertFurther(const Error& why) {
  const SlotId left_first = record_.work.standby;
  const std::string first_failure = record_.work.failure;
  const bool another = LeaveActive(why.code, true);
  record_.work.standby = left_first;
  record_.work.failure = another ? first_failure : NameOf(ErrorCode::kNoTrustedModel);
  plan_.state = another ? kReverting : kFault;
  after_.emplace_back(ActivateModel{record_.active, ActivateReason::kRevert});
  if (!another) {
    ReportSlot(record_.slots[left_first], ReportState::kFailed, record_.work.failure, why.text);
  }
  return Commit();
}

Result<Effects> Machine::On(const TrialCheckpoint& event) {
  record_.trial_budget_left_ms = event.budget_left_ms;
  if (event.start_proven) {
    record_.starts_left =
        std::min<std::uint8_t>(kStartsPerTrial, static_cast<std::uint8_t>(record_.starts_left + 1));
  }
  return Commit();
}

Result<Effects> Machine::On(const TrialOver& event) {
  if (!event.evidence)
    return Revert(
        {ErrorCode::kNoEvidence, "the trial's budget is spent and too few inferences were seen"},
        false);
  const SlotId active = *record_.active;
  SlotRecord& slot = record_.slots[active];
  slot.state = SlotState::kGood;
  record_.phase = Phase::kStable;
  record_.starts_left = 0;
  record_.trial_budget_left_ms = 0;
  if (plan_.manifest)
    record_.floor_epoch = std::max(record_.floor_epoch, plan_.manifest->floor_epoch);
  const auto& bad = record_.bad_artifacts;
  record_.bad_artifacts.erase(
      std::remove(record_.bad_artifacts.begin(), record_.bad_artifacts.end(), slot.artifact),
      bad.end());
  EndWork({});
  after_.emplace_back(StampConfirmed{active});
  ReportSlot(slot, ReportState::kConfirmed, {}, {});
  TakeUpWaiting();
  return Commit();
}

Result<Effects> Machine::On(const HealthBad& event) { return Revert(event.why, true); }

std::optional<SlotId> Machine::OtherGood(SlotId than) const {
  for (SlotId i = 0; i < static_cast<SlotId>(update_.slot_count); ++i) {
    if (i != than && record_.slots[i].state == SlotState::kGood) return i;
  }
  return std::nullopt;
}

std::optional<SlotId> Machine::UsableFallback() const {
  if (!record_.fallback) return std::nullopt;
  const SlotRecord& slot = record_.slots[*record_.fallback];
  const bool usable = slot.state == SlotState::kGood && slot.security_epoch >= record_.floor_epoch;
  return usable ? record_.fallback : std::nullopt;
}

bool Machine::IsActiveGoneBack() const {
  return record_.phase == Phase::kReverted && plan_.state == kReverting;
}

/// Makes the fallback the active slot in the record; false if there is none, and then no slot is
/// active.
bool Machine::LeaveActive(ErrorCode code, bool own_finding) {
  const std::optional<SlotId> fallback = UsableFallback();
  if (record_.active) {
    SlotRecord& left = record_.slots[*record_.active];
    left.state = own_finding ? SlotState::kBad : SlotState::kReady;
    left.reason = own_finding ? NameOf(code) : std::string();
    if (own_finding) RememberBad(left.artifact);
    record_.work.standby = *record_.active;
  }
  record_.work.failure = NameOf(code);
  record_.active = fallback;
  record_.fallback = fallback ? OtherGood(*fallback) : std::nullopt;
  record_.phase = Phase::kReverted;
  record_.starts_left = 0;
  record_.trial_budget_left_ms = 0;
  return fallback.has_value();
}

Effects Machine::Revert(const Error& why, bool own_finding) {
  const bool can_go_back = LeaveActive(why.code, own_finding);
  plan_.install.reset();
  plan_.manifest.reset();
  plan_.activation_announced = false;
  plan_.revert_why = why;
  plan_.state = can_go_back ? kReverting : kFault;
  after_.emplace_back(ActivateModel{record_.active, ActivateReason::kRevert});
  if (!can_go_back) {
    ReportSlot(record_.slots[record_.work.standby], ReportState::kFailed, NameOf(why.code),
               why.With("no confirmed release to go back to, nothing serves").text);
    TakeUpWaiting();
  }
  return Commit();
}

Effects Machine::FinishRevert() {
  if (!IsActiveGoneBack())
    LeaveActive(plan_.revert_why.code, false);  // the record could not be written before
  plan_.state = kIdle;
  ReportSlot(record_.slots[record_.work.standby], ReportState::kReverted, record_.work.failure,
             plan_.revert_why.text);
  TakeUpWaiting();
  return Commit();
}

Result<Effects> Machine::On(const RevertOrdered& event) {
  if (!record_.active || !UsableFallback()) {
    return Fail(ErrorCode::kNoFallback,
                "no confirmed release to go back to; the active one keeps serving");
  }
  if (IsWorking(plan_.state)) Withdraw();
  return Revert({ErrorCode::kRevertOrdered, event.reason}, false);
}

}  // namespace sluice::device
