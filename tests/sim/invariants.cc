#include "tests/sim/invariants.h"

#include <fmt/format.h>

namespace sluice::sim {
namespace {

bool IsGivenUp(RolloutStatus status) {
  return status == RolloutStatus::kRollingBack || status == RolloutStatus::kRolledBack ||
         status == RolloutStatus::kAborted;
}

bool IsFinal(RolloutStatus status) {
  return status == RolloutStatus::kRolledBack || status == RolloutStatus::kAborted ||
         status == RolloutStatus::kCompleted;
}

}  // namespace

const Invariants::Committed* Invariants::RolloutOf(const std::string& release) const {
  for (const auto& [id, committed] : rollouts_) {
    if (committed.rollout.spec.model_version == release) return &committed;
  }
  return nullptr;
}

void Invariants::OnLoad(const std::string& device, const Digest& loaded) {
  if (!releases_.contains(loaded))
    Violated(fmt::format("{} was given unsigned bytes {}", device, loaded.Short()));
}

void Invariants::OnServe(const std::string& device, const Digest& serving, sdk::Purpose purpose,
                         std::int64_t now_ms) {
  if (purpose != sdk::Purpose::kInstall) return;
  const auto release = releases_.find(serving);
  if (release == releases_.end()) return;  // OnLoad has said so
  const Committed* committed = RolloutOf(release->second);
  if (committed == nullptr)
    return Violated(fmt::format("{} installs {} without a rollout", device, release->second));
  const Rollout& rollout = committed->rollout;
  const auto member = rollout.members.find(device);
  // Once a rollout is complete its release is the baseline, for everybody.
  const bool is_member = member != rollout.members.end() && member->second.stage != kNoStage;
  if (!is_member && rollout.status != RolloutStatus::kCompleted) {
    Violated(fmt::format("{} installs {} outside its stage", device, release->second));
  }
  // A permit that was given before the end lives two minutes, and the hello that asked for it may
  // be as old.
  const bool late =
      committed->given_up_ms >= 0 && now_ms - committed->given_up_ms > 2 * limits::kPermitLife;
  if (late) Violated(fmt::format("{} installs {} after it was given up", device, release->second));
}

void Invariants::AfterCommit(const Engine& engine, std::int64_t now_ms) {
  if (engine.director().epoch() < epoch_) Violated("the engine's epoch fell");
  epoch_ = engine.director().epoch();
  for (const auto& [id, entry] : engine.rollouts().all()) {
    Committed& before = rollouts_[id];
    if (before.events == entry.events && before.events > 0) continue;
    const Rollout& now = entry.rollout;
    if (IsFinal(before.rollout.status) && now.status != before.rollout.status) {
      Violated(fmt::format("{} went from {} to {}", id, RolloutStatusName(before.rollout.status),
                           RolloutStatusName(now.status)));
    }
    if (CurrentStage(now) < CurrentStage(before.rollout)) Violated(id + " went back a stage");
    if (before.given_up_ms < 0 && IsGivenUp(now.status)) before.given_up_ms = now_ms;
    before.events = entry.events;
    before.rollout = now;
  }
  for (const auto& [id, device] : engine.devices().all()) {
    SequenceNumber& newest = directive_numbers_[id];
    if (device.last_number < newest) Violated("the directive numbers of " + id + " fell");
    newest = device.last_number;
  }
}

void Invariants::AfterRestart(const Engine& engine) {
  for (const auto& [id, committed] : rollouts_) {
    const RolloutEntry* entry = engine.rollouts().Find(id);
    if (entry == nullptr) {
      Violated(id + " is gone after a restart");
    } else if (!(entry->rollout == committed.rollout)) {
      Violated(fmt::format("{} replays to another state: {} events, {} before", id, entry->events,
                           committed.events));
    }
  }
}

}  // namespace sluice::sim
