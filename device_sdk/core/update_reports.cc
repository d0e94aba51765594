// What the machine tells the engine, and by which word.
#include "device_sdk/core/update_machine.h"

namespace sluice::device {

using enum UpdateState;

/// What a refused offer is called: rejected when it can never run here, failed when it may another
/// time.
ReportState RefusalOf(ErrorCode code) {
  using enum ErrorCode;
  switch (code) {
    case kNoBase:
      return ReportState::kDeferred;
    case kWithdrawn:
      return ReportState::kWithdrawn;
    case kEnvFormat:
    case kFbInvalid:
    case kFbRange:
    case kTooBig:
    case kSigUnknownKey:
    case kSigBad:
    case kSigThreshold:
    case kSigRole:
    case kSigDuplicateKey:
    case kExpired:
    case kNotYet:
    case kWrongFleet:
    case kWrongModel:
    case kIncompatibleHw:
    case kAbi:
    case kAgentTooOld:
    case kDowngrade:
    case kRevoked:
    case kKnownBad:
      return ReportState::kRejected;
    default:
      return ReportState::kFailed;
  }
}

void Machine::Report(const Directive& directive, ReportState state, std::string code,
                     std::string text) {
  SendReport report{state,
                    std::move(code),
                    std::move(text),
                    directive.number,
                    directive.rollout,
                    directive.stage,
                    directive.manifest,
                    {}};
  if (state == ReportState::kReady || state == ReportState::kFailed)
    report.validation = plan_.validation;
  after_.emplace_back(std::move(report));
}

void Machine::ReportSlot(const SlotRecord& slot, ReportState state, std::string code,
                         std::string text) {
  after_.emplace_back(SendReport{state,
                                 std::move(code),
                                 std::move(text),
                                 record_.directive,
                                 slot.rollout,
                                 slot.stage,
                                 slot.manifest,
                                 {}});
}

/// Says again how the directive in force ended, for an engine that sends it again.
void Machine::ReportCurrent(const Directive& directive) {
  if (directive.action == DirectiveAction::kHold) return Report(directive, ReportState::kHolding);
  const bool serves =
      record_.active && record_.slots[*record_.active].manifest == directive.manifest;
  if (directive.action == DirectiveAction::kRevert) {
    if (!serves) return Report(directive, ReportState::kReverted);
    return Report(directive, ReportState::kFailed, NameOf(ErrorCode::kNoFallback));
  }
  // A manifest that was signed again for the bytes that serve is done as well.
  const bool signed_again = record_.work.manifest == directive.manifest &&
                            record_.work.failure.empty() && record_.phase == Phase::kStable;
  if (serves || signed_again) {
    const bool trial = record_.phase == Phase::kTrial;
    return Report(directive, trial ? ReportState::kActivated : ReportState::kConfirmed);
  }
  const std::string& failure = record_.work.failure;
  const ErrorCode code = CodeFromName(failure).value_or(ErrorCode::kInternal);
  const bool reverted = record_.phase == Phase::kReverted;
  Report(directive, reverted ? ReportState::kReverted : RefusalOf(code), failure);
}

}  // namespace sluice::device
