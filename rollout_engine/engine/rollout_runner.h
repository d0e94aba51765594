// Carries out what the rollouts decide, and tells them what the fleet does.
//
// Every event goes through the log (RolloutLog::Apply); its effects become Directives that are
// wanted, permits in answers, the Order, telemetry windows and looks, all inside the same turn.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "rollout_engine/engine/chunk_server.h"
#include "rollout_engine/engine/conversation.h"
#include "rollout_engine/engine/dispatch.h"
#include "rollout_engine/engine/look_record.h"
#include "rollout_engine/engine/rollout_log.h"
#include "rollout_engine/engine/telemetry_book.h"

namespace sluice {

class RolloutRunner {
 public:
  /// What it works on; all of it outlives the runner.
  struct Parts {
    RolloutLog& log;
    DeviceDirectory& devices;
    TelemetryBook& telemetry;
    Offers& offers;
    Dispatch& dispatch;
    Conversation& conversation;
    Director& director;
    ChunkServer& chunks;
  };
  explicit RolloutRunner(const Parts& parts) : parts_(parts) {}

  /// Last looks from the store; then everything that the rollouts still want of the devices.
  Status Resume(const Store& store, Turn& turn);

  /// One event and all its effects. On error nothing changed.
  Status Apply(RolloutEntry& entry, EventBody body, Turn& turn);
  /// Everything that Started needs. E_NO_SUCH_VERSION, E_ROLLOUT_ACTIVE.
  [[nodiscard]] Result<Started> PlanStart(const RolloutEntry& entry, BootMs now);
  /// What it rolls out, by variant; they are of one model. E_NO_SUCH_VERSION, E_CFG_RANGE.
  [[nodiscard]] Result<std::vector<const Release*>> ReleasesOf(const RolloutSpec& spec);
  /// Devices that the file selects, whether or not another rollout has them.
  [[nodiscard]] bool Selects(const RolloutSpec& spec, const std::vector<const Release*>& releases,
                             const Device& device) const;

  void OnHello(const Device& device, Turn& turn);
  void OnReport(const Device& device, Turn& turn);
  /// It is in no arm and counted nowhere any more.
  void OnQuarantine(const Device& device, Turn& turn);
  /// What could not be signed in the meantime is signed now.
  void OnClockAccepted(Turn& turn);
  void FireTimers(Turn& turn);
  /// Stops everything that runs, with this reason.
  void PauseAll(const std::string& reason, Turn& turn);

  /// The newest look of each variant, by its number; empty = none yet.
  using Looks = std::map<std::int32_t, LookSummary>;
  [[nodiscard]] const Looks& LastLooks(const std::string& rollout) const;
  /// Of the variant that the rollout speaks of: the one that won, or the first that is left.
  [[nodiscard]] const LookSummary* LastLook(const Rollout& rollout) const;
  [[nodiscard]] std::uint32_t TelemetryIntervalS(const std::string& device,
                                                 std::uint32_t otherwise_s) const;
  [[nodiscard]] std::int64_t BaselineMs(const std::string& device) const;
  /// Rollouts that changed since the last call, for the views.
  std::set<std::string> TakeChanged() { return std::exchange(changed_, {}); }
  /// Installs that nobody can deliver, so that an operator hears of each kind once.
  void NoteUndeliverable(const Undeliverable& undeliverable, Turn& turn);

 private:
  void CarryOut(RolloutEntry& entry, const Offer& effect, Turn& turn);
  void CarryOut(RolloutEntry& entry, const HoldDevice& effect, Turn& turn);
  void CarryOut(RolloutEntry& entry, const GrantPermit& effect, Turn& turn);
  void CarryOut(RolloutEntry& entry, const OrderChanged& effect, Turn& turn);
  void CarryOut(RolloutEntry& entry, const RevertDevice& effect, Turn& turn);
  void CarryOut(RolloutEntry& entry, const RunLook& effect, Turn& turn);
  void CarryOut(RolloutEntry& entry, const OpenWindow& effect, Turn& turn);
  void CarryOut(RolloutEntry& entry, const NotifyOperator& effect, Turn& turn);
  void CarryOut(RolloutEntry&, const ArmTimer&, Turn&) {}  // the rollout itself remembers it

  void NoteInRoster(const std::string& rollout, const EventBody& event);
  void PublishOrder(Turn& turn);
  /// Devices that are away by their own announcement.
  [[nodiscard]] Sleepers FindSleepers() const;
  void BlockWithdrawnPayloads();
  Status LoadLooks(const Store& store, const Rollout& rollout);
  /// Of the release that this member is to run.
  [[nodiscard]] Digest ManifestFor(const Rollout& rollout, const Member& member);
  void TakeFromOthers(const RolloutEntry& entry, Turn& turn);
  void FreezeIfSeveralStop(Turn& turn);
  void NoteActivation(const std::string& rollout, BootMs at);
  [[nodiscard]] std::int64_t UnsettledMs(const Rollout& rollout, const std::string& device,
                                         BootMs now) const;
  [[nodiscard]] FleetDevice FleetDeviceOf(const Rollout& rollout, const Device& device,
                                          BootMs now) const;
  [[nodiscard]] std::vector<std::string> ByPriority() const;
  void Join(const Device& device, Turn& turn);
  void AskForPermit(const Device& device, Turn& turn);
  void WantWhatIsMissing(WallMs now);

  Parts parts_;
  std::map<std::string, Looks> looks_;           // by rollout
  std::map<std::string, LookRoster> rosters_;    // of those that look
  std::map<std::string, BootMs> lately_active_;  // rollouts by their newest activation
  std::set<std::string> changed_;
  std::set<std::pair<std::string, ErrorCode>> undeliverable_;  // rollout and code, told already
};

}  // namespace sluice
