#include "device_sdk/core/update.h"

#include "device_sdk/core/update_machine.h"

namespace sluice::device {

using enum UpdateState;

Result<std::vector<Effect>> Step(Update& update, const Event& event) {
  const EventKind kind = KindOf(event);
  const bool awaits_disk = update.pending.has_value();
  const bool legal = FindTransition(update.state(), kind) != nullptr &&
                     awaits_disk == (kind == EventKind::kPersisted);
  if (!legal) {
    return Fail(ErrorCode::kState, std::string(UpdateStateName(update.state())) +
                                       " does not take " + std::string(EventKindName(kind)) +
                                       (awaits_disk ? " before Persisted" : ""));
  }
  return std::visit([&](const auto& of) { return Machine(update).On(of); }, event);
}

Effects Machine::Commit() {
  const bool stored_nothing_yet = plan_.state == kChecking && !plan_.install;
  if (!stored_nothing_yet) record_.work.state = plan_.state;
  Effects effects;
  effects.emplace_back(Persist{record_, std::move(documents_)});
  update_.pending = Pending{std::move(record_), std::move(plan_), std::move(after_)};
  return effects;
}

Effects Machine::Keep() {
  update_.plan = std::move(plan_);
  return std::move(after_);
}

Result<Effects> Machine::On(const Persisted& event) {
  Pending pending = *std::move(update_.pending);
  update_.pending.reset();
  if (event.ok) {
    update_.record = std::move(pending.record);
    ++update_.record.gen;  // the store gives every record the next generation
    update_.plan = std::move(pending.plan);
    return std::move(pending.after);
  }
  after_.emplace_back(ArmTimer{Timer::kStoreRetry, kStoreRetryMs});
  if (record_.phase != Phase::kTrial || plan_.state == kReverting) return Keep();
  // What cannot be recorded cannot be ended by itself after a power loss: serve what is confirmed.
  const std::optional<SlotId> fallback = UsableFallback();
  if (!fallback) return Keep();
  plan_.state = kReverting;
  plan_.revert_why = {ErrorCode::kStoreIo, "the state record cannot be written; look at the disk"};
  after_.emplace_back(ActivateModel{fallback, ActivateReason::kRevert});
  ReportSlot(record_.slots[*record_.active], ReportState::kFailed, NameOf(ErrorCode::kStoreIo),
             plan_.revert_why.text);
  return Keep();
}

void Machine::EndWork(std::string code) {
  plan_.state = kIdle;
  plan_.install.reset();
  plan_.manifest.reset();
  plan_.activation_announced = false;
  record_.work.failure = std::move(code);
}

/// Ends the work for a word that came from outside; written blocks stay for the next directive.
void Machine::Withdraw() {
  if (!plan_.install) return;
  const Directive directive = *plan_.install;
  after_.emplace_back(StopWork{});
  EndWork(NameOf(ErrorCode::kWithdrawn));
  Report(directive, ReportState::kWithdrawn, NameOf(ErrorCode::kWithdrawn));
}

void Machine::RememberBad(const Digest& artifact) {
  auto& bad = record_.bad_artifacts;
  bad.erase(std::remove(bad.begin(), bad.end(), artifact), bad.end());
  if (bad.size() == limits::kBadDigestsMax) bad.erase(bad.begin());
  bad.push_back(artifact);
}

void Machine::TakeUpWaiting() {
  if (plan_.waiting_directive.empty()) return;
  after_.emplace_back(Redeliver{std::exchange(plan_.waiting_directive, {})});
}

/// The effects that the state stands for, all idempotent.
void Machine::Reissue() {
  const SlotId standby = record_.work.standby;
  switch (plan_.state) {
    case kChecking:
      if (plan_.install)
        after_.emplace_back(FetchManifest{plan_.install->manifest, plan_.install->manifest_size});
      break;
    case kDownloading:
      after_.emplace_back(FetchPayload{plan_.offer, standby});
      break;
    case kVerifying:
      after_.emplace_back(FinishAndVerifySlot{standby});
      break;
    case kValidating:
      after_.emplace_back(RunValidation{record_.active, standby});
      break;
    case kActivating:
    case kTrial:
    case kReady:
    case kReverting:
    case kIdle:
    case kFault:
      break;  // what serves is started by its own effect
  }
}

Result<Effects> Machine::On(const Restarted& event) {
  ++record_.boot;
  plan_ = {};
  plan_.state = record_.work.state;
  plan_.directive = event.directive;
  plan_.order = event.order;
  plan_.manifest = event.manifest;
  const bool installs = event.directive && event.directive->action == DirectiveAction::kInstall;
  if (installs) plan_.install = event.directive;

  if (record_.phase == Phase::kTrial) {
    record_.starts_left = record_.starts_left > 0
                              ? static_cast<std::uint8_t>(record_.starts_left - 1)
                              : std::uint8_t{0};
    if (record_.starts_left == 0)
      return Revert({ErrorCode::kStarts, "no start of the trial stayed up"}, true);
  }
  if (record_.active) after_.emplace_back(ActivateModel{record_.active, ActivateReason::kStart});
  if (!IsWorking(plan_.state)) {
    const bool on_trial = record_.phase == Phase::kTrial && record_.active;
    const bool is_its = on_trial && installs &&
                        event.directive->manifest == record_.slots[*record_.active].manifest;
    if (!is_its) plan_.install.reset();
    return Commit();
  }
  const bool can_go_on = installs && (plan_.manifest || plan_.state == kChecking) &&
                         (plan_.state != kDownloading || ChooseOffer(0));
  if (!can_go_on) {
    // The directive is offered again after the hello, and then it must not count as held.
    plan_.state = kIdle;
    plan_.install.reset();
    plan_.manifest.reset();
    plan_.directive.reset();
    return Commit();
  }
  Reissue();
  return Commit();
}

Result<Effects> Machine::On(const EngineSeen& event) {
  const bool newer = event.epoch > record_.engine_epoch || event.freshness > record_.freshness;
  const bool later = event.now_ms >= record_.secure_time_floor_ms + limits::kHour;
  if (!newer && !later) return Keep();
  record_.engine_epoch = std::max(record_.engine_epoch, event.epoch);
  record_.freshness = std::max(record_.freshness, event.freshness);
  record_.secure_time_floor_ms = std::max(record_.secure_time_floor_ms, event.now_ms);
  return Commit();
}

Result<Effects> Machine::On(const RootReplaced& event) {
  record_.root_version = event.version;
  documents_.push_back({"root", event.envelope});
  if (event.lowered_floor)
    record_.floor_epoch = std::min(record_.floor_epoch, *event.lowered_floor);
  if (event.reset_numbers) {
    record_.directive = record_.order = record_.freshness = {};
    record_.directive_digest = record_.order_digest = {};
    record_.engine_epoch = 0;
    record_.secure_time_floor_ms = event.created_ms;
    if (IsWorking(plan_.state)) Withdraw();
    plan_.directive.reset();
    plan_.order = {};
  }
  return Commit();
}

Result<Effects> Machine::On(const TimerFired& event) {
  switch (event.timer) {
    case Timer::kActivatingAck:
      plan_.activation_announced = false;
      return Keep();
    case Timer::kServeRetry: {
      const bool unrecorded = plan_.state == kReverting && !IsActiveGoneBack();
      const auto reason =
          plan_.state == kReverting ? ActivateReason::kRevert : ActivateReason::kStart;
      after_.emplace_back(ActivateModel{unrecorded ? UsableFallback() : record_.active, reason});
      return Keep();
    }
    case Timer::kStoreRetry:
      break;
  }
  if (plan_.state == kReverting) return FinishRevert();
  Reissue();
  after_.emplace_back(SayHello{});  // brings again what could not be stored
  return Keep();
}

}  // namespace sluice::device
