// One step of the update machine, inside device_sdk/core: the rows of update.h's table as member
// functions.
#pragma once

#include "device_sdk/core/update.h"

namespace sluice::device {

using Effects = std::vector<Effect>;

inline std::string NameOf(ErrorCode code) { return std::string(CodeName(code)); }
inline bool IsWorking(UpdateState state) { return (table::kWorking & In(state)) != 0; }

/// What a refused offer is called: rejected when it can never run here, failed when it may another
/// time.
ReportState RefusalOf(ErrorCode code);

/// One step: works on copies of the record and the plan, which replace the machine's own when the
/// step is good.
class Machine {
 public:
  explicit Machine(Update& update) : update_(update), record_(update.record), plan_(update.plan) {}

  Result<Effects> On(const Restarted& event);
  Result<Effects> On(const DirectiveReceived& event);
  Result<Effects> On(const DirectiveChecked& event);
  Result<Effects> On(const ManifestChecked& event);
  Result<Effects> On(const PayloadWritten& event);
  Result<Effects> On(const PayloadFailed& event);
  Result<Effects> On(const DownloadStopped& event);
  Result<Effects> On(const SlotVerified& event);
  Result<Effects> On(const Validated& event);
  Result<Effects> On(const ActivationAllowed& event);
  Result<Effects> On(const ActivatingAcknowledged& event);
  Result<Effects> On(const ModelServing& event);
  Result<Effects> On(const ModelFailed& event);
  Result<Effects> On(const TrialCheckpoint& event);
  Result<Effects> On(const TrialOver& event);
  Result<Effects> On(const HealthBad& event);
  Result<Effects> On(const OrderReceived& event);
  Result<Effects> On(const RevertOrdered& event);
  Result<Effects> On(const EngineSeen& event);
  Result<Effects> On(const RootReplaced& event);
  Result<Effects> On(const TimerFired& event);
  Result<Effects> On(const Persisted& event);

 private:
  // The two ends of a step.
  Effects Commit();
  Effects Keep();

  // Parts of the directive's row.
  Effects Refuse(const DirectiveChecked& event);
  Effects Hold(const DirectiveChecked& event);
  Effects OrderedRevert(const DirectiveChecked& event);
  Effects Install(const DirectiveChecked& event);
  void Accept(const DirectiveChecked& event);

  // Parts of several rows.
  void BeginDownload();
  bool ChooseOffer(std::size_t first);
  void EndWork(std::string code);
  void Withdraw();
  bool LeaveActive(ErrorCode code, bool own_finding);
  Effects Revert(const Error& why, bool own_finding);
  Effects FinishRevert();
  Effects RevertFurther(const Error& why);
  void Reissue();
  void RememberBad(const Digest& artifact);
  void TakeUpWaiting();
  [[nodiscard]] std::optional<SlotId> UsableFallback() const;
  [[nodiscard]] std::optional<SlotId> OtherGood(SlotId than) const;
  [[nodiscard]] bool IsActiveGoneBack() const;

  void Report(const Directive& directive, ReportState state, std::string code = {},
              std::string text = {});
  void ReportSlot(const SlotRecord& slot, ReportState state, std::string code, std::string text);
  void ReportCurrent(const Directive& directive);

  Update& update_;
  StateRecord record_;
  Plan plan_;
  std::vector<Document> documents_;
  Effects after_;
};

}  // namespace sluice::device
