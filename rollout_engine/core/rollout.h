// The rollout state machine: events in, effects out, nothing else.
//
// The same events in the same order give the same state and the same effects, so a stored log of
// events is the rollout.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "rollout_engine/core/cohort.h"
#include "rollout_engine/core/ramp.h"
#include "rollout_engine/core/rollout_event.h"
#include "rollout_engine/core/rollout_spec.h"

namespace sluice {

enum class RolloutStatus : std::uint8_t {
  kScheduled,
  kRunning,
  kHolding,  // the judge or a gate stopped it
  kPaused,   // an operator stopped it
  kAwaitingApproval,
  kRollingBack,
  kRolledBack,
  kAborted,
  kCompleted,
};
inline constexpr std::size_t kRolloutStatusCount = 9;
std::string_view RolloutStatusName(RolloutStatus status) noexcept;

/// Where a device is in its update, in operators' words.
enum class DeviceState : std::uint8_t {
  kIdle,
  kOffered,
  kDownloading,
  kVerified,
  kActivating,
  kTrial,
  kConfirmed,
  kFailed,
  kReverted,
  kLost,        // never stored: DeviceStateAt derives it from silence
  kSuperseded,  // withdrew the offer
};
inline constexpr std::size_t kDeviceStateCount = 11;
std::string_view DeviceStateName(DeviceState state) noexcept;

inline constexpr std::int32_t kNoStage = -1;
/// After the last stage: so long the devices that come late are watched.
inline constexpr std::int64_t kTailMs = 7 * limits::kDay;
/// In a row, without the finding: then a hold that the environment caused lifts by itself.
inline constexpr std::int32_t kCalmLooksToLift = 2;

/// One device's part in the rollout.
struct Member {
  std::string hardware;
  double unit = 0;
  std::int32_t stage = kNoStage;  // whose cohort took it
  std::int32_t variant = 0;       // which release it gets
  DeviceState state = DeviceState::kIdle;
  std::string code;       // of the last report, "" = none
  bool deferred = false;  // the device's own policy lets it wait
  bool control = false;   // of the current stage
  bool wants_permit = false;
  bool self_reverted = false;
  std::optional<BootMs> settles_at;  // in neither arm before: another rollout has just updated it
  std::string site;                  // whose link it downloads over
  std::optional<BootMs> heard_at;    // of its offer or its download, by its reports
  std::optional<BootMs> permit_at;
  std::optional<BootMs> activated_at;  // exposed, and in the test arm, from here on
  friend bool operator==(const Member&, const Member&) = default;
};

/// One stage that was entered.
struct StageRun {
  std::int32_t stage = 0;
  CutOffs cut_offs;
  BootMs started;
  WallMs started_wall;
  std::optional<BootMs> first_activation;  // looks count from here
  std::optional<BootMs> soak_started;      // min_devices of the stage's own are active
  std::optional<BootMs> ended;
  std::int32_t looks = 0;            // requested so far
  std::optional<Decision> decision;  // of the last look
  std::string why;                   // its sentence
  bool brake = false;                // no offers, no permits until a look clears it
  // By hardware: the control arm, and how many devices the test arm has had in this stage.
  std::map<std::string, std::vector<std::string>> controls;
  std::map<std::string, std::int64_t> exposed;
  std::int32_t installs_ended = 0;  // activated or failed before
  std::int32_t installs_failed = 0;
  std::int32_t accepted_failures = 0;  // that an operator resumed over
  std::set<HoldCause> accepted_holds;  // likewise
  friend bool operator==(const StageRun&, const StageRun&) = default;
};

/// One of the releases that a rollout compares; most rollouts have one.
struct VariantRun {
  ReleaseIds release_ids;
  JudgeState judge;
  std::optional<LookJudged> last;  // in the current stage, of a dropped one ever; its `state` is
                                   // in `judge`
  bool dropped = false;            // shown worse, or another has won: nobody gets it any more
  friend bool operator==(const VariantRun&, const VariantRun&) = default;
};

/// Why a rollout waits for a person.
enum class AwaitedApproval : std::uint8_t { kNone, kStageEntry, kPromotion, kInconclusive };

using StateCounts = std::array<std::int32_t, kDeviceStateCount>;  // by DeviceState

struct Rollout {
  std::string id;
  RolloutSpec spec;
  RolloutStatus status = RolloutStatus::kScheduled;
  std::string why;                     // one sentence for people: what it does and because of what
  bool first_release = false;          // nobody had a model: no control arm
  std::vector<VariantRun> variants;    // at least one; in the order of the file
  std::optional<std::int32_t> winner;  // of several variants
  std::map<std::string, Member> members;    // eligible devices by id
  std::vector<StateCounts> counts;          // members of each stage's own cohort
  std::vector<StageRun> runs;               // entered stages; the last is the current one
  std::set<std::string> excluded_hardware;  // rolled back alone; ineligible
  HoldCause hold_cause = HoldCause::kNone;  // of kHolding
  std::int32_t calm_looks = 0;              // in a row, in an environment hold
  AwaitedApproval awaited = AwaitedApproval::kNone;
  std::int32_t next_stage = kNoStage;  // entered (or completed, past the last) when approved
  Ramp ramp;
  std::vector<OrderEntry> order;                              // its entries of the fleet's Order
  std::array<std::optional<BootMs>, kTimerKindCount> timers;  // armed, by TimerKind

  friend bool operator==(const Rollout&, const Rollout&) = default;
};

/// REQUIRES: a spec from ParseRolloutYaml.
Rollout CreateRollout(std::string id, RolloutSpec spec);

/// Advances `rollout` by one event and returns what the caller must now do, in order.
/// On error `rollout` is unchanged: E_STATE (not in this status), E_DENY_LISTED (it was rolled
/// back), E_CFG_NO_DEVICES, E_NOT_FOUND (no such stage). Pure: no clock, no I/O, no randomness.
[[nodiscard]] Result<std::vector<Effect>> Step(Rollout& rollout, const Event& event);

/// What a restarted engine arms for a rollout that it replayed; all else it reconciles at the
/// devices' hellos.
std::vector<ArmTimer> ArmedTimers(const Rollout& rollout);

// ---- reading a rollout ----

/// kNoStage before the start.
std::int32_t CurrentStage(const Rollout& rollout);
/// On the new release as far as the engine knows: activating, in trial or confirmed.
bool IsActive(DeviceState state) noexcept;
/// On its way to it: offered, downloading or verified.
bool IsInstalling(DeviceState state) noexcept;
/// Neither its hardware nor its variant was given up.
bool MayInstall(const Rollout& rollout, const Member& member);
/// What a member is to run: a release's name, and the id of its artifact for this hardware.
const std::string& ReleaseNameOf(const Rollout& rollout, const Member& member);
std::uint64_t ReleaseIdOf(const Rollout& rollout, const Member& member);
/// What it brings, once that is known: the winner of several variants.
std::optional<std::int32_t> FinalVariant(const Rollout& rollout);
/// kLost when it is active and was last heard silent_after_intervals ago.
DeviceState DeviceStateAt(const Rollout& rollout, const Member& member, BootMs last_heard,
                          BootMs now);
/// Nothing while the soak clock does not run; 0 when its time is over.
std::optional<std::int64_t> SoakLeftMs(const Rollout& rollout, BootMs now);
/// Members per state in the cohorts of stages 0 to `stage`.
StateCounts CountStates(const Rollout& rollout, std::int32_t stage);
/// How many devices these cohorts hold.
std::int32_t CohortCount(const Rollout& rollout, std::int32_t stage);
/// ceil(duration / interval) and ceil(duration / epoch): what the judge plans with. The
/// point-estimate rule has one epoch per look.
std::int32_t PlannedLooks(const RolloutSpec& spec, std::int32_t stage);
std::int32_t PlannedEpochs(const RolloutSpec& spec, std::int32_t stage);

// ---- the table of legal (status, event) pairs ----

enum class Legality : std::uint8_t {
  kRefused,  // an error for whoever asked
  kIgnored,  // the world moved on: no effect
  kAccepted,
};
/// `event` is an index of EventBody.
Legality LegalityOf(RolloutStatus status, std::size_t event) noexcept;
std::string_view EventName(std::size_t event) noexcept;
/// The table in Markdown, for docs.
std::string PrintRolloutTable();

}  // namespace sluice
