#include "rollout_engine/core/rollout_explain.h"

#include <algorithm>

namespace sluice {
namespace {

using Sentences = std::vector<std::string>;

/// "45 s", "12 min", "3 h 05 min"
std::string Span(std::int64_t ms) {
  const std::int64_t seconds =
      (std::max<std::int64_t>(ms, 0) + limits::kSecond - 1) / limits::kSecond;
  if (seconds < 120) return std::to_string(seconds) + " s";
  const std::int64_t minutes = seconds / 60;
  if (minutes < 60) return std::to_string(minutes) + " min";
  const std::string rest = std::to_string(minutes % 60);
  return std::to_string(minutes / 60) + " h " + (rest.size() < 2 ? "0" : "") + rest + " min";
}

std::string Count(std::int32_t count, const char* what) {
  return std::to_string(count) + " " + what;
}

std::string StageName(const Rollout& rollout, std::int32_t stage) {
  if (stage >= static_cast<std::int32_t>(rollout.spec.stages.size())) return "completion";
  return "stage " + rollout.spec.stages[static_cast<std::size_t>(stage)].name;
}

std::string WhatLiftsTheHold(const Rollout& rollout) {
  switch (rollout.hold_cause) {
    case HoldCause::kEnvironment:
      return "this hold lifts by itself after " +
             std::to_string(kCalmLooksToLift - rollout.calm_looks) +
             " more looks in a row that find the control arm well; an operator may resume before";
    case HoldCause::kConcentration:
      return "an operator looks at the few devices that the finding comes from, quarantines them "
             "or "
             "not, and resumes; it does not lift by itself";
    case HoldCause::kInstallFailures:
      return "an operator finds out why installs fail and resumes, then only new failures count; "
             "or "
             "aborts";
    case HoldCause::kMemory:
      return "an operator accepts the memory that the release takes and resumes, or aborts";
    case HoldCause::kFailed:
      return "auto_rollback is off: an operator rolls it back, or resumes over the finding for "
             "this "
             "stage";
    case HoldCause::kNone:
    case HoldCause::kNotShown:
      break;
  }
  return "an operator resumes, aborts or rolls it back";
}

void ExplainApproval(const Rollout& rollout, Sentences& out) {
  const std::string next = StageName(rollout, rollout.next_stage);
  switch (rollout.awaited) {
    case AwaitedApproval::kStageEntry:
      out.push_back("an approver lets " + next + " begin (approval: before)");
      break;
    case AwaitedApproval::kPromotion:
      out.push_back("an approver agrees to go on to " + next +
                    " (approval: after); looks go on and may still roll back");
      break;
    case AwaitedApproval::kInconclusive:
      out.push_back("an approver goes on to " + next +
                    " without a verdict, or an operator aborts or rolls back");
      out.push_back(
          "or a later look shows every criterion within its limit: then it goes on by "
          "itself");
      break;
    case AwaitedApproval::kNone:
      break;
  }
}

std::int32_t PendingReverts(const Rollout& rollout) {
  std::int32_t pending = 0;
  for (const auto& [device, member] : rollout.members)
    pending += member.stage != kNoStage && IsActive(member.state) ? 1 : 0;
  return pending;
}

/// "40 of 50 devices run it; offered 3, downloading 4, ..."
void ExplainDevices(const Rollout& rollout, BootMs now, Sentences& out) {
  std::int32_t devices = 0, active = 0, waiting = 0, deferred = 0;
  StateCounts counts{};
  for (const auto& [device, member] : rollout.members) {
    if (member.stage == kNoStage || !MayInstall(rollout, member)) continue;
    ++devices;
    ++counts[static_cast<std::size_t>(member.state)];
    active += IsActive(member.state) ? 1 : 0;
    waiting += member.wants_permit ? 1 : 0;
    deferred += member.deferred ? 1 : 0;
  }
  if (active >= devices) return;
  std::string sentence = Count(devices - active, "of ") + std::to_string(devices) +
                         " devices do not run the release yet (";
  const char* comma = "";
  for (const DeviceState state :
       {DeviceState::kIdle, DeviceState::kOffered, DeviceState::kDownloading,
        DeviceState::kVerified, DeviceState::kFailed, DeviceState::kReverted,
        DeviceState::kSuperseded}) {
    const std::int32_t count = counts[static_cast<std::size_t>(state)];
    if (count == 0) continue;
    sentence += comma + Count(count, DeviceStateName(state).data());
    comma = ", ";
  }
  if (deferred > 0) sentence += comma + Count(deferred, "deferred by their own policy");
  out.push_back(sentence + ")");
  const auto next_wave = rollout.timers[static_cast<std::size_t>(TimerKind::kRamp)];
  if (waiting > 0) {
    out.push_back(Count(waiting, "devices wait for their permit") +
                  (next_wave ? "; the next wave may switch in " + Span(*next_wave - now) : ""));
  }
}

void ExplainSoak(const Rollout& rollout, BootMs now, Sentences& out) {
  const StageRun& run = rollout.runs.back();
  const StageSpec& stage = rollout.spec.stages[static_cast<std::size_t>(run.stage)];
  const auto left_ms = SoakLeftMs(rollout, now);
  if (!left_ms.has_value()) {
    out.push_back("the soak of " + Span(stage.duration_ms) + " begins when " +
                  std::to_string(stage.min_devices) +
                  " devices of the stage are active, or all of them if it has fewer");
  } else if (*left_ms > 0) {
    out.push_back("the soak lasts another " + Span(*left_ms));
  } else {
    out.push_back("the soak's time is over; it goes on because: " + run.why);
    if (run.decision == Decision::kContinue) {
      out.push_back("it ends when " + std::to_string(stage.min_completion / 1'000) +
                    " % of the reachable devices run the release, half of them for at least " +
                    Span(stage.duration_ms / 2));
    }
  }
  const BootMs since = run.soak_started.value_or(run.started);
  out.push_back("at the latest in " + Span(since + stage.max_duration_ms - now) +
                (rollout.spec.rollback.on_inconclusive == OnInconclusive::kPromote
                     ? " it goes on without a verdict (on_inconclusive: promote)"
                     : " a person is asked"));
}

void ExplainVariants(const Rollout& rollout, Sentences& out) {
  if (rollout.variants.size() == 1 || rollout.winner.has_value()) return;
  out.push_back(
      "the variants are compared; the best of those that are shown within limits at the "
      "end of the soak goes on");
}

void ExplainRunning(const Rollout& rollout, BootMs now, Sentences& out) {
  if (rollout.runs.back().brake) {
    out.push_back(
        "nobody else gets a permit until a look finds nothing suspicious any more; that "
        "lifts by itself");
  }
  ExplainDevices(rollout, now, out);
  ExplainSoak(rollout, now, out);
  ExplainVariants(rollout, out);
}

}  // namespace

std::vector<std::string> WhatIsMissing(const Rollout& rollout, BootMs now) {
  Sentences out;
  switch (rollout.status) {
    case RolloutStatus::kScheduled:
      out.push_back("an operator starts it");
      break;
    case RolloutStatus::kRunning:
      ExplainRunning(rollout, now, out);
      break;
    case RolloutStatus::kHolding:
      out.push_back(WhatLiftsTheHold(rollout));
      break;
    case RolloutStatus::kPaused:
      out.push_back("an operator resumes, aborts or rolls it back");
      break;
    case RolloutStatus::kAwaitingApproval:
      ExplainApproval(rollout, out);
      break;
    case RolloutStatus::kRollingBack: {
      const auto deadline = rollout.timers[static_cast<std::size_t>(TimerKind::kRollBackDeadline)];
      out.push_back(Count(PendingReverts(rollout), "devices have not reported their revert") +
                    (deadline ? "; it is closed in " + Span(*deadline - now) +
                                    " at the latest, and they revert when they come back"
                              : ""));
      break;
    }
    case RolloutStatus::kCompleted:
      if (rollout.runs.back().brake) {
        out.push_back(
            "devices that come late do not switch until a look over the late ones finds "
            "nothing; an operator may roll back");
      }
      break;
    case RolloutStatus::kRolledBack:
    case RolloutStatus::kAborted:
      break;
  }
  return out;
}

}  // namespace sluice
