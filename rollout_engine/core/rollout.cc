#include "rollout_engine/core/rollout.h"

#include <algorithm>

#include "rollout_engine/core/rollout_step.h"

namespace sluice {
namespace {

constexpr std::int64_t kRevertDirectiveDelayMs =
    10 * limits::kSecond;  // the Order reaches most devices before

std::int32_t CeilDiv(std::int64_t dividend, std::int64_t divisor) {
  return static_cast<std::int32_t>((dividend + divisor - 1) / divisor);
}

const StageSpec& SpecOf(const RolloutSpec& spec, std::int32_t stage) {
  return spec.stages[static_cast<std::size_t>(stage)];
}

bool IsRolledBack(RolloutStatus status) {
  return status == RolloutStatus::kRollingBack || status == RolloutStatus::kRolledBack;
}

/// "paused by an operator: line stop"
template <class Requested>
std::string ByWhom(const char* what, const Requested& event) {
  const std::string sentence =
      std::string(what) + " by " + (event.by.empty() ? "an operator" : event.by);
  return event.reason.empty() ? sentence : sentence + ": " + event.reason;
}

/// What an operator calls it; empty for what is not asked for by people.
std::string_view OperationName(std::size_t event) {
  if (event == EventBody(Started{}).index()) return "start";
  if (event == EventBody(PauseRequested{}).index()) return "pause";
  if (event == EventBody(ResumeRequested{}).index()) return "resume";
  if (event == EventBody(PromoteRequested{}).index()) return "promote";
  if (event == EventBody(ApproveRequested{}).index()) return "approve";
  if (event == EventBody(AbortRequested{}).index()) return "abort";
  if (event == EventBody(RollBackRequested{}).index()) return "rollback";
  return "";
}

Status Refuse(const Rollout& rollout, std::size_t event) {
  if (IsRolledBack(rollout.status)) {
    return Fail(ErrorCode::kDenyListed, "rollout " + rollout.id +
                                            " was rolled back and never runs again; "
                                            "create a new rollout to try the release once more");
  }
  std::string possible;
  for (std::size_t other = 0; other < kEventCount; ++other) {
    if (OperationName(other).empty() || LegalityOf(rollout.status, other) != Legality::kAccepted)
      continue;
    possible += (possible.empty() ? "" : ", ") + std::string(OperationName(other));
  }
  const std::string_view operation = OperationName(event);
  return Fail(ErrorCode::kState,
              std::string(operation.empty() ? EventName(event) : operation) +
                  " is not possible while rollout " + rollout.id + " is " +
                  std::string(RolloutStatusName(rollout.status)) +
                  "; possible: " + (possible.empty() ? "nothing, it is over" : possible));
}

}  // namespace

Rollout CreateRollout(std::string id, RolloutSpec spec) {
  Rollout rollout;
  rollout.id = std::move(id);
  rollout.counts.resize(spec.stages.size());
  rollout.variants.resize(spec.VariantCount());
  rollout.spec = std::move(spec);
  rollout.why = "scheduled";
  return rollout;
}

Result<std::vector<Effect>> Step(Rollout& rollout, const Event& event) {
  const std::size_t kind = event.body.index();
  switch (LegalityOf(rollout.status, kind)) {
    case Legality::kRefused:
      return Fail(Refuse(rollout, kind).error());
    case Legality::kIgnored:
      return std::vector<Effect>{};
    case Legality::kAccepted:
      break;
  }
  RolloutStep step(rollout, event);
  SLUICE_TRY(std::visit([&](const auto& body) { return step.On(body); }, event.body));
  return step.TakeEffects();
}

std::vector<ArmTimer> ArmedTimers(const Rollout& rollout) {
  std::vector<ArmTimer> armed;
  for (std::size_t kind = 0; kind < rollout.timers.size(); ++kind) {
    if (rollout.timers[kind].has_value()) {
      armed.push_back({static_cast<TimerKind>(kind), *rollout.timers[kind]});
    }
  }
  return armed;
}

// ---- operator events ----

Status RolloutStep::On(const PauseRequested& event) {
  SetStatus(RolloutStatus::kPaused, ByWhom("paused", event));
  PublishOrder();
  return {};
}

Status RolloutStep::On(const ResumeRequested& event) {
  if (!rollout_.runs.empty()) {
    run().accepted_failures = run().installs_failed;
    if (rollout_.hold_cause != HoldCause::kNone) run().accepted_holds.insert(rollout_.hold_cause);
  }
  Resume(ByWhom("resumed", event));
  return {};
}

Status RolloutStep::On(const PromoteRequested& event) {
  const std::int32_t next = CurrentStage(rollout_) + 1;
  const std::int32_t to = event.to_stage.value_or(next);
  const auto stages = static_cast<std::int32_t>(rollout_.spec.stages.size());
  if (to < next || (event.to_stage.has_value() && to >= stages)) {
    return Fail(ErrorCode::kNotFound,
                "no stage number " + std::to_string(to + 1) + " after the current one; " +
                    "allowed " + std::to_string(next + 1) + " to " + std::to_string(stages));
  }
  rollout_.awaited = AwaitedApproval::kNone;
  EnterOrComplete(to, ByWhom("promoted", event));
  return {};
}

Status RolloutStep::On(const ApproveRequested& event) {
  rollout_.awaited = AwaitedApproval::kNone;
  EnterOrComplete(rollout_.next_stage, ByWhom("approved", event));
  return {};
}

Status RolloutStep::On(const AbortRequested& event) {
  SetStatus(RolloutStatus::kAborted, ByWhom("aborted", event));
  rollout_.timers = {};
  PublishOrder();
  return {};
}

Status RolloutStep::On(const RollBackRequested& event) {
  BeginRollBack(ByWhom("rolled back", event));
  return {};
}

Status RolloutStep::On(const TimerFired& event) {
  std::optional<BootMs>& at = TimerAt(event.kind);
  if (!at.has_value() || now_ < *at) return {};
  at.reset();
  switch (event.kind) {
    case TimerKind::kLook:
      FireLook();
      break;
    case TimerKind::kRamp:
      GrantWaiting();
      break;
    case TimerKind::kRevertDirectives:
      FireRevertDirectives();
      break;
    case TimerKind::kRollBackDeadline:
      FireRollBackDeadline();
      break;
    case TimerKind::kOffers:
      OfferPending();
      break;
  }
  return {};
}

// ---- status and order ----

void RolloutStep::SetStatus(RolloutStatus status, const std::string& sentence) {
  rollout_.status = status;
  rollout_.why = sentence;
  if (status != RolloutStatus::kHolding) {
    rollout_.hold_cause = HoldCause::kNone;
    rollout_.calm_looks = 0;
  }
  Emit(NotifyOperator{sentence});
}

void RolloutStep::Arm(TimerKind kind, BootMs at) {
  TimerAt(kind) = at;
  Emit(ArmTimer{kind, at});
}

void RolloutStep::Hold(HoldCause cause, const std::string& sentence) {
  rollout_.hold_cause = cause;
  rollout_.calm_looks = 0;
  SetStatus(RolloutStatus::kHolding, sentence);
  PublishOrder();
}

/// From held or paused to running, or to waiting for an approval that is still due.
void RolloutStep::Resume(const std::string& sentence) {
  const bool waits = rollout_.awaited != AwaitedApproval::kNone;
  SetStatus(waits ? RolloutStatus::kAwaitingApproval : RolloutStatus::kRunning, sentence);
  PublishOrder();
  if (waits) return;
  rollout_.ramp = StartRamp(rollout_.spec.rate, now_);
  OfferPending();
  GrantWaiting();
}

void RolloutStep::BeginRollBack(const std::string& sentence) {
  SetStatus(RolloutStatus::kRollingBack, sentence);
  rollout_.timers = {};
  PublishOrder();
  Arm(TimerKind::kRevertDirectives, now_ + kRevertDirectiveDelayMs);
  Arm(TimerKind::kRollBackDeadline, now_ + rollout_.spec.rollback.confirm_deadline_ms);
  FinishRollBackIfDone();
}

void RolloutStep::ExcludeHardware(const std::vector<std::string>& hardware,
                                  const std::string& sentence) {
  rollout_.excluded_hardware.insert(hardware.begin(), hardware.end());
  for (auto& [device, member] : rollout_.members) {
    if (rollout_.excluded_hardware.contains(member.hardware)) member.wants_permit = false;
  }
  if (IsExcludedWholly()) {
    BeginRollBack(sentence);
    return;
  }
  rollout_.why = sentence;
  Emit(NotifyOperator{sentence});
  PublishOrder();
  Arm(TimerKind::kRevertDirectives, now_ + kRevertDirectiveDelayMs);
}

/// Nobody is left who may run it.
bool RolloutStep::IsExcludedWholly() const {
  return std::ranges::none_of(
      rollout_.members, [&](const auto& entry) { return MayInstall(rollout_, entry.second); });
}

void RolloutStep::FinishRollBackIfDone() {
  if (rollout_.status != RolloutStatus::kRollingBack || PendingReverts() > 0) return;
  rollout_.timers = {};
  rollout_.status = RolloutStatus::kRolledBack;  // `why` goes on saying because of what
  Emit(NotifyOperator{"every device that ran the release has left it"});
}

void RolloutStep::FireRevertDirectives() {
  for (const auto& [device, member] : rollout_.members) {
    if (IsActive(member.state) && MustRevert(member)) Emit(RevertDevice{device});
  }
}

void RolloutStep::FireRollBackDeadline() {
  const std::int32_t pending = PendingReverts();
  rollout_.timers = {};
  SetStatus(RolloutStatus::kRolledBack, rollout_.why + "; " + std::to_string(pending) +
                                            " devices have not reported their revert");
}

std::int32_t RolloutStep::LowestStageToRevert() const {
  const bool whole =
      rollout_.spec.rollback.scope == RollBackScope::kRollout || rollout_.runs.empty();
  return whole ? 0 : run().stage;
}

std::int32_t RolloutStep::PendingReverts() const {
  std::int32_t pending = 0;
  for (std::size_t stage = static_cast<std::size_t>(LowestStageToRevert());
       stage < rollout_.counts.size(); ++stage) {
    for (std::size_t state = 0; state < kDeviceStateCount; ++state) {
      if (IsActive(static_cast<DeviceState>(state))) pending += rollout_.counts[stage][state];
    }
  }
  return pending;
}

bool RolloutStep::MustRevert(const Member& member) const {
  if (!MayInstall(rollout_, member)) return true;
  return IsRolledBack(rollout_.status) && member.stage >= LowestStageToRevert();
}

void RolloutStep::PublishOrder() {
  std::vector<OrderEntry> entries;
  const auto add = [&](OrderAction action, std::int32_t lowest_stage,
                       std::vector<std::string> hardware) {
    entries.push_back(
        {rollout_.id, action, static_cast<std::uint16_t>(lowest_stage), std::move(hardware)});
  };
  if (!rollout_.excluded_hardware.empty()) {
    add(OrderAction::kRollBack, 0,
        {rollout_.excluded_hardware.begin(), rollout_.excluded_hardware.end()});
  }
  if (IsRolledBack(rollout_.status)) add(OrderAction::kRollBack, LowestStageToRevert(), {});
  if (rollout_.status == RolloutStatus::kAborted) add(OrderAction::kAbort, 0, {});
  if (rollout_.status == RolloutStatus::kHolding || rollout_.status == RolloutStatus::kPaused) {
    add(OrderAction::kHold, 0, {});
  }
  if (entries == rollout_.order) return;
  rollout_.order = entries;
  Emit(OrderChanged{std::move(entries)});
}

// ---- reading a rollout ----

std::int32_t CurrentStage(const Rollout& rollout) {
  return rollout.runs.empty() ? kNoStage : rollout.runs.back().stage;
}

bool IsActive(DeviceState state) noexcept {
  return state == DeviceState::kActivating || state == DeviceState::kTrial ||
         state == DeviceState::kConfirmed;
}

bool IsInstalling(DeviceState state) noexcept {
  return state == DeviceState::kOffered || state == DeviceState::kDownloading ||
         state == DeviceState::kVerified;
}

bool MayInstall(const Rollout& rollout, const Member& member) {
  return !rollout.excluded_hardware.contains(member.hardware) &&
         !rollout.variants[static_cast<std::size_t>(member.variant)].dropped;
}

const std::string& ReleaseNameOf(const Rollout& rollout, const Member& member) {
  return rollout.spec.ReleaseName(static_cast<std::size_t>(member.variant));
}

std::uint64_t ReleaseIdOf(const Rollout& rollout, const Member& member) {
  return rollout.variants[static_cast<std::size_t>(member.variant)].release_ids.at(member.hardware);
}

std::optional<std::int32_t> FinalVariant(const Rollout& rollout) {
  return rollout.variants.size() == 1 ? std::optional<std::int32_t>(0) : rollout.winner;
}

DeviceState DeviceStateAt(const Rollout& rollout, const Member& member, BootMs last_heard,
                          BootMs now) {
  const RollbackSpec& spec = rollout.spec.rollback;
  const std::int64_t silent_ms = spec.health_check_interval_ms * spec.silent_after_intervals;
  return IsActive(member.state) && now - last_heard >= silent_ms ? DeviceState::kLost
                                                                 : member.state;
}

std::optional<std::int64_t> SoakLeftMs(const Rollout& rollout, BootMs now) {
  if (rollout.runs.empty() || !rollout.runs.back().soak_started.has_value()) return std::nullopt;
  const StageRun& run = rollout.runs.back();
  const std::int64_t duration_ms = SpecOf(rollout.spec, run.stage).duration_ms;
  return std::max<std::int64_t>(0, duration_ms - (now - *run.soak_started));
}

StateCounts CountStates(const Rollout& rollout, std::int32_t stage) {
  StateCounts sum{};
  for (std::int32_t s = 0; s <= stage; ++s) {
    for (std::size_t i = 0; i < kDeviceStateCount; ++i)
      sum[i] += rollout.counts[static_cast<std::size_t>(s)][i];
  }
  return sum;
}

std::int32_t CohortCount(const Rollout& rollout, std::int32_t stage) {
  std::int32_t devices = 0;
  for (const std::int32_t count : CountStates(rollout, stage)) devices += count;
  return devices;
}

std::int32_t PlannedLooks(const RolloutSpec& spec, std::int32_t stage) {
  return CeilDiv(SpecOf(spec, stage).duration_ms, spec.rollback.health_check_interval_ms);
}

std::int32_t PlannedEpochs(const RolloutSpec& spec, std::int32_t stage) {
  if (spec.rollback.decision == DecisionRule::kPointEstimate) return PlannedLooks(spec, stage);
  return CeilDiv(SpecOf(spec, stage).duration_ms, spec.rollback.epoch_ms);
}

std::string_view RolloutStatusName(RolloutStatus status) noexcept {
  constexpr std::array<std::string_view, kRolloutStatusCount> kNames = {
      "scheduled",    "running",     "holding", "paused",   "awaiting_approval",
      "rolling_back", "rolled_back", "aborted", "completed"};
  return kNames[static_cast<std::size_t>(status)];
}

std::string_view DeviceStateName(DeviceState state) noexcept {
  constexpr std::array<std::string_view, kDeviceStateCount> kNames = {
      "idle",      "offered", "downloading", "verified", "activating", "trial",
      "confirmed", "failed",  "reverted",    "lost",     "superseded"};
  return kNames[static_cast<std::size_t>(state)];
}

}  // namespace sluice
