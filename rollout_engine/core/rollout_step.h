// RolloutStep: one event applied to one rollout. Internal to core; the interface is Step() in
// rollout.h.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "rollout_engine/core/rollout.h"

namespace sluice {

class RolloutStep {
 public:
  RolloutStep(Rollout& rollout, const Event& event)
      : rollout_(rollout), now_(event.now), wall_(event.wall) {}

  // One handler per event. On error the rollout is unchanged. REQUIRES: the event is legal in this
  // status.
  Status On(const Started& event);
  Status On(const DeviceJoined& event);
  Status On(const DeviceLeft& event);
  Status On(const DeviceReported& event);
  Status On(const PermitWanted& event);
  Status On(const LookJudged& event);
  Status On(const TimerFired& event);
  Status On(const PauseRequested& event);
  Status On(const ResumeRequested& event);
  Status On(const PromoteRequested& event);
  Status On(const ApproveRequested& event);
  Status On(const AbortRequested& event);
  Status On(const RollBackRequested& event);

  std::vector<Effect> TakeEffects() { return std::move(effects_); }

 private:
  // rollout_stages.cc: stages, looks, soak
  void EnterStage(std::int32_t stage);
  CutOffs ChooseCutOffs(std::int32_t stage) const;
  void TakeCohort(StageRun& run);
  void TakeControl(std::int32_t stage);
  void Promote(const std::string& sentence);
  void EnterOrComplete(std::int32_t stage, const std::string& sentence);
  void Complete(const std::string& sentence);
  void AwaitApproval(AwaitedApproval what, std::int32_t next_stage, const std::string& sentence);
  void ArmLook();
  void FireLook();
  void Apply(const LookJudged& look);
  void ApplyFail(const LookJudged& look);
  void ApplyHold(const LookJudged& look);
  void ApplyCalm(const LookJudged& look);
  void CheckMemory(const LookJudged& look);
  /// The soak may not be extended any further.
  [[nodiscard]] bool IsOverdue() const;
  void EndWithoutVerdict(const std::string& what_is_missing);
  void TurnEpoch();
  void StartSoakIfDue();
  void StartSoakIfEnough(const LookJudged& look);
  [[nodiscard]] bool HasTail() const;
  void FireTailLook();
  void ApplyTail(const LookJudged& look);

  // rollout_variants.cc: several releases against one control
  void OpenVariants();
  [[nodiscard]] bool ComparesVariants() const;
  [[nodiscard]] bool IsJudged(std::int32_t look) const;
  [[nodiscard]] LookJudged WorstOf(const LookJudged& last) const;
  [[nodiscard]] std::int32_t BestVariant(bool only_promotable) const;
  void DropVariant(std::int32_t variant, const std::string& sentence);
  void ChooseWinner(bool is_last_stage);
  void MoveLosers();

  // rollout_devices.cc: members, permits
  void AddMember(const FleetDevice& device);
  void SetState(Member& member, DeviceState state);
  void AssignStage(Member& member, std::int32_t stage);
  void OfferTo(const std::string& device, Member& member);
  void OfferPending();
  [[nodiscard]] std::map<std::string, std::int32_t> DownloadsBySite() const;
  void Activate(const std::string& device, Member& member, DeviceState state);
  void EndInstall(Member& member, DeviceState state);
  void CheckInstallFailures(const std::string& code);
  [[nodiscard]] bool MayGrant() const;
  [[nodiscard]] bool IsWaveHealthy() const;
  void Grant(const std::string& device, Member& member);
  void GrantWaiting();

  // rollout.cc: status and order
  void Hold(HoldCause cause, const std::string& sentence);
  void Resume(const std::string& sentence);
  void BeginRollBack(const std::string& sentence);
  void ExcludeHardware(const std::vector<std::string>& hardware, const std::string& sentence);
  void FinishRollBackIfDone();
  void FireRevertDirectives();
  void FireRollBackDeadline();
  [[nodiscard]] std::int32_t LowestStageToRevert() const;
  [[nodiscard]] std::int32_t PendingReverts() const;
  [[nodiscard]] bool MustRevert(const Member& member) const;
  [[nodiscard]] bool IsExcludedWholly() const;
  void PublishOrder();
  /// Neither held nor paused yet.
  [[nodiscard]] bool IsMoving() const {
    return rollout_.status == RolloutStatus::kRunning ||
           rollout_.status == RolloutStatus::kAwaitingApproval;
  }

  void SetStatus(RolloutStatus status, const std::string& sentence);
  void Arm(TimerKind kind, BootMs at);
  template <class T>
  void Emit(T effect) {
    effects_.emplace_back(std::move(effect));
  }
  void Disarm(TimerKind kind) { TimerAt(kind).reset(); }
  [[nodiscard]] std::optional<BootMs>& TimerAt(TimerKind kind) {
    return rollout_.timers[static_cast<std::size_t>(kind)];
  }
  [[nodiscard]] VariantRun& VariantAt(std::int32_t variant) {
    return rollout_.variants[static_cast<std::size_t>(variant)];
  }
  [[nodiscard]] StageRun& run() { return rollout_.runs.back(); }
  [[nodiscard]] const StageRun& run() const { return rollout_.runs.back(); }
  [[nodiscard]] const StageSpec& stage_spec() const {
    return rollout_.spec.stages[static_cast<std::size_t>(run().stage)];
  }

  Rollout& rollout_;
  BootMs now_;
  WallMs wall_;
  std::vector<Effect> effects_;
};

}  // namespace sluice
