// The rows from a checked directive to a validated slot.
#include <algorithm>

#include "device_sdk/core/update_machine.h"

namespace sluice::device {

using enum UpdateState;

Result<Effects> Machine::On(const ManifestChecked& event) {
  if (!plan_.install) return Fail(ErrorCode::kState, "no directive is in work");
  const Directive directive = *plan_.install;
  if (!event.manifest) {
    const Error& why = event.manifest.error();
    if (why.code == ErrorCode::kSigUnknownKey) after_.emplace_back(SayHello{});
    EndWork(NameOf(why.code));
    Report(directive, RefusalOf(why.code), NameOf(why.code), why.text);
    return Commit();
  }
  const ReleaseManifest& manifest = *event.manifest;
  const auto& bad = record_.bad_artifacts;
  if (!directive.retry &&
      std::find(bad.begin(), bad.end(), manifest.artifact_sha256) != bad.end()) {
    EndWork(NameOf(ErrorCode::kKnownBad));
    Report(directive, ReportState::kRejected, NameOf(ErrorCode::kKnownBad),
           "these bytes failed here before; offer a newer release, or this one with retry");
    return Commit();
  }
  if (record_.active && record_.slots[*record_.active].artifact == manifest.artifact_sha256) {
    EndWork({});  // signed again: the same bytes serve already
    Report(directive, ReportState::kConfirmed);
    return Commit();
  }
  plan_.manifest = manifest;
  record_.work.standby = ChooseStandby(update_, manifest.artifact_sha256);
  SlotRecord& slot = record_.slots[record_.work.standby];
  if (HoldsWhole(slot, manifest.artifact_sha256)) {
    plan_.state = kVerifying;
    slot.manifest = directive.manifest;
    after_.emplace_back(FinishAndVerifySlot{record_.work.standby});
    return Commit();
  }
  BeginDownload();
  return Commit();
}

void Machine::BeginDownload() {
  const Directive directive = *plan_.install;
  const ReleaseManifest& manifest = *plan_.manifest;
  if (record_.work.attempts >= directive.attempts) {
    EndWork(NameOf(ErrorCode::kBudget));
    return Report(directive, ReportState::kFailed, NameOf(ErrorCode::kBudget),
                  "every attempt is spent");
  }
  if (!ChooseOffer(0)) {
    EndWork(NameOf(ErrorCode::kNoBase));
    return Report(directive, ReportState::kDeferred, NameOf(ErrorCode::kNoBase),
                  "no payload on offer starts from what serves here; offer anew");
  }
  ++record_.work.attempts;
  const SlotId standby = record_.work.standby;
  if (record_.fallback == standby) record_.fallback.reset();
  record_.slots[standby] = {.state = SlotState::kWriting,
                            .manifest = directive.manifest,
                            .artifact = manifest.artifact_sha256,
                            .size_bytes = manifest.artifact_size,
                            .security_epoch = manifest.security_epoch,
                            .release = manifest.release,
                            .rollout = directive.rollout,
                            .stage = directive.stage,
                            .reason = {}};
  plan_.state = kDownloading;
  after_.emplace_back(FetchPayload{plan_.offer, standby});
  Report(directive, ReportState::kDownloading);
}

/// The first offer from `first` on that builds on what serves (or on nothing) and that the budget
/// still holds.
bool Machine::ChooseOffer(std::size_t first) {
  const Directive& directive = *plan_.install;
  const Digest base = record_.active ? record_.slots[*record_.active].artifact : Digest{};
  for (std::size_t i = first; i < directive.offers.size(); ++i) {
    const PayloadOffer& offer = directive.offers[i];
    const bool fits_base = offer.base.IsZero() || offer.base == base;
    const bool fits_budget = record_.work.bytes_spent + offer.size_bytes <= directive.byte_budget;
    if (!fits_base || (!fits_budget && i > 0))
      continue;  // the first one was budgeted by the engine
    plan_.offer = i;
    return true;
  }
  return false;
}

Result<Effects> Machine::On(const PayloadFailed& event) {
  if (ChooseOffer(plan_.offer + 1)) {
    after_.emplace_back(FetchPayload{plan_.offer, record_.work.standby});
    return Keep();
  }
  const Directive directive = *plan_.install;
  after_.emplace_back(StopWork{});
  EndWork(NameOf(event.why.code));
  Report(directive, ReportState::kFailed, NameOf(event.why.code), event.why.text);
  return Commit();
}

Result<Effects> Machine::On(const DownloadStopped& event) {
  if (!plan_.install) return Fail(ErrorCode::kState, "no directive is in work");
  const Directive directive = *plan_.install;
  after_.emplace_back(StopWork{});
  EndWork(NameOf(event.why.code));
  Report(directive, ReportState::kFailed, NameOf(event.why.code), event.why.text);
  return Commit();
}

Result<Effects> Machine::On(const PayloadWritten&) {
  plan_.state = kVerifying;
  after_.emplace_back(FinishAndVerifySlot{record_.work.standby});
  return Commit();
}

Result<Effects> Machine::On(const SlotVerified& event) {
  SlotRecord& slot = record_.slots[record_.work.standby];
  if (!event.outcome) {
    const Error& why = event.outcome.error();
    const Directive directive = *plan_.install;
    slot.state = SlotState::kBad;  // the disk's fault, so the digest is not remembered
    slot.reason = NameOf(why.code);
    if (record_.fallback == record_.work.standby) record_.fallback.reset();
    EndWork(NameOf(why.code));
    Report(directive, ReportState::kFailed, NameOf(why.code), why.text);
    return Commit();
  }
  if (slot.state != SlotState::kGood) slot.state = SlotState::kReady;
  plan_.state = kValidating;
  after_.emplace_back(RunValidation{record_.active, record_.work.standby});
  return Commit();
}

}  // namespace sluice::device
