// The rows of what the engine says: directives and orders.
#include "common/base/check.h"
#include "device_sdk/core/update_machine.h"

namespace sluice::device {

using enum UpdateState;

Result<Effects> Machine::On(const DirectiveReceived& event) {
  if ((table::kResting & In(plan_.state)) != 0) plan_.state = kChecking;
  after_.emplace_back(CheckDirective{event.envelope});
  return Keep();
}

Result<Effects> Machine::On(const DirectiveChecked& event) {
  if (event.refusal) return Refuse(event);
  SLUICE_CHECK(event.directive.has_value());
  if (plan_.directive && event.directive->number == record_.directive) {
    if (plan_.state != kChecking || plan_.install) return Keep();  // its work goes on
    plan_.state = record_.work.state;
    ReportCurrent(*plan_.directive);
    return Keep();
  }
  switch (event.directive->action) {
    case DirectiveAction::kHold:
      return Hold(event);
    case DirectiveAction::kRevert:
      return OrderedRevert(event);
    case DirectiveAction::kInstall:
      break;
  }
  return Install(event);
}

Effects Machine::Refuse(const DirectiveChecked& event) {
  const bool at_work = plan_.state != kChecking || plan_.install;
  if (!at_work) plan_.state = record_.work.state;
  const ErrorCode code = event.refusal->code;
  if (code == ErrorCode::kSigUnknownKey) after_.emplace_back(SayHello{});
  // Only a word that can never come true is stored and answered; a replayed or forged one is not
  // worth a byte.
  const bool final = code == ErrorCode::kExpired || code == ErrorCode::kWithdrawn;
  if (!final || !event.directive || event.directive->number <= record_.directive) return Keep();
  Report(*event.directive, ReportState::kRejected, NameOf(code), event.refusal->text);
  if (at_work) return Keep();
  Accept(event);
  record_.work.failure = NameOf(code);
  return Commit();
}

void Machine::Accept(const DirectiveChecked& event) {
  const std::uint32_t limit_before_us = ServingLatencyLimitUs(plan_, record_);
  record_.directive = event.directive->number;
  record_.directive_digest = event.digest;
  record_.engine_epoch = std::max(record_.engine_epoch, event.directive->number.epoch);
  plan_.directive = event.directive;
  documents_.push_back({"directive", event.envelope});
  // Counters under two limits must not be added up: another limit is another activation.
  if (record_.active && ServingLatencyLimitUs(plan_, record_) != limit_before_us)
    ++record_.activation;
}

Effects Machine::Hold(const DirectiveChecked& event) {
  if (plan_.state == kChecking && !plan_.install) plan_.state = record_.work.state;
  Accept(event);
  Report(*event.directive, ReportState::kHolding);
  return Commit();
}

Effects Machine::OrderedRevert(const DirectiveChecked& event) {
  const Directive& directive = *event.directive;
  const bool leaves_work =
      plan_.install && IsWorking(plan_.state) && plan_.install->manifest == directive.manifest;
  if (leaves_work) Withdraw();
  if (plan_.state == kChecking && !plan_.install) {
    plan_.state = record_.work.state == kFault ? kFault : kIdle;
  }
  Accept(event);
  const bool serves =
      record_.active && record_.slots[*record_.active].manifest == directive.manifest;
  if (!serves) {
    Report(directive, ReportState::kReverted);
    return Commit();
  }
  if (plan_.state == kReverting) return Commit();
  if (!UsableFallback()) {
    record_.work.failure = NameOf(ErrorCode::kNoFallback);
    Report(directive, ReportState::kFailed, record_.work.failure,
           "no confirmed release to go back to; offer one");
    return Commit();
  }
  if (IsWorking(plan_.state)) Withdraw();
  return Revert({ErrorCode::kRevertOrdered, {}}, false);
}

Effects Machine::Install(const DirectiveChecked& event) {
  const Directive& directive = *event.directive;
  if (!IsWorking(plan_.state) && plan_.state != kChecking) {  // activating, trial, reverting
    plan_.waiting_directive = event.envelope;
    Report(directive, ReportState::kDeferred, NameOf(ErrorCode::kBusyTrial));
    return Keep();
  }
  const bool at_work = plan_.install.has_value();
  const bool serves =
      record_.active && record_.slots[*record_.active].manifest == directive.manifest;
  if (at_work && plan_.install->manifest == directive.manifest) {
    Accept(event);
    plan_.install = directive;
    Report(directive, plan_.state == kReady ? ReportState::kReady : ReportState::kDownloading);
    return Commit();
  }
  if (at_work) Withdraw();
  Accept(event);
  record_.work.failure.clear();
  if (serves) {
    plan_.state = kIdle;
    ReportCurrent(directive);
    return Commit();
  }
  if (record_.work.manifest != directive.manifest) {
    record_.work.manifest = directive.manifest;
    record_.work.bytes_spent = 0;
    record_.work.attempts = 0;
  }
  record_.phase = Phase::kStable;
  plan_.install = directive;
  plan_.manifest.reset();
  plan_.validation = {};
  plan_.activation_announced = false;
  plan_.state = kChecking;
  after_.emplace_back(FetchManifest{directive.manifest, directive.manifest_size});
  return Commit();
}

Result<Effects> Machine::On(const OrderReceived& event) {
  record_.order = event.order.number;
  record_.order_digest = event.digest;
  record_.engine_epoch = std::max(record_.engine_epoch, event.order.number.epoch);
  plan_.order = event.order;
  documents_.push_back({"order", event.envelope});

  if (plan_.install && IsWorking(plan_.state)) {
    const auto word =
        OrderFor(event.order, plan_.install->rollout, plan_.install->stage, update_.hardware);
    if (word && *word != OrderAction::kHold) Withdraw();
  }
  if (!record_.active || plan_.state == kReverting) return Commit();
  const SlotRecord& active = record_.slots[*record_.active];
  const auto word = OrderFor(event.order, active.rollout, active.stage, update_.hardware);
  if (word != OrderAction::kRollBack) return Commit();
  if (UsableFallback()) {
    if (IsWorking(plan_.state)) Withdraw();
    return Revert({ErrorCode::kRevertOrdered, {}}, false);
  }
  ReportSlot(active, ReportState::kFailed, NameOf(ErrorCode::kNoFallback),
             "no confirmed release to go back to; offer one");
  return Commit();
}

}  // namespace sluice::device
