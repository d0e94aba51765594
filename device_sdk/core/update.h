// The update machine of a device: events in, effects out, nothing else.
//
// Persist, then act, then report: an event that changes a stored number or a stored state answers
// with one Persist effect, and what follows from it is given out when Persisted{ok} comes back.
// Only then does the machine move.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/result.h"
#include "common/contract/directive.h"
#include "common/contract/manifest.h"
#include "device_sdk/core/state_record.h"

namespace sluice::device {

inline constexpr std::uint8_t kStartsPerTrial = 3;
inline constexpr std::int64_t kStoreRetryMs = 60 * limits::kSecond;
inline constexpr std::int64_t kServeRetryMs = 30 * limits::kSecond;
inline constexpr std::int64_t kTrialBudgetMinMs = limits::kSecond;  // a trial's deadline is never 0

enum class Timer : std::uint8_t {
  kActivatingAck,  // the broker's acknowledgement of Report(activating)
  kStoreRetry,     // a record could not be written
  kServeRetry,     // the confirmed model could not be served, through no fault of its own
};
inline constexpr int kTimerCount = 3;

// ---- Events. The order is that of the variant and of EventKind.

/// The agent started. `directive` is the one that the record names, if it is on disk and still
/// verifies; `manifest` that of the work. `order` is the Order that the record names.
struct Restarted {
  std::optional<Directive> directive;
  std::optional<ReleaseManifest> manifest;
  Order order;
};
struct DirectiveReceived {
  Bytes envelope;
};
/// What the verifier found. Without `directive` nothing about the bytes is known to be true.
struct DirectiveChecked {
  Bytes envelope;
  Digest digest;  // of the envelope
  std::optional<Directive> directive;
  std::optional<Error> refusal;
};
struct ManifestChecked {
  Result<ReleaseManifest> manifest;
};
struct PayloadWritten {};
/// This payload cannot build the artifact; another one on offer may.
struct PayloadFailed {
  Error why;
};
/// Nothing more is fetched for this work: E_BUDGET, E_SLOW, E_NOT_FOUND, E_DENIED, E_STORE_IO,
/// E_NO_SPACE.
struct DownloadStopped {
  Error why;
};
struct SlotVerified {
  Status outcome;
};
struct Validated {
  ValidationNumbers numbers;
  std::optional<Error> failure;
};
/// The window is open and the permit is here (or the mode is `free`).
struct ActivationAllowed {};
/// The broker has Report(activating).
struct ActivatingAcknowledged {};
/// These bytes serve now; zero = nothing serves.
struct ModelServing {
  Digest loaded;
  HealthLimits limits;  // of their manifest
};
struct ModelFailed {
  Error why;
};
/// Every minute of a trial: what is left of its budget, and whether this start has proven itself.
struct TrialCheckpoint {
  std::int64_t budget_left_ms = 0;
  bool start_proven = false;
};
struct TrialOver {
  bool evidence = false;  // else the budget is spent without it
};
struct HealthBad {
  Error why;
};
struct OrderReceived {
  Order order;
  Digest digest;  // of the envelope
  Bytes envelope;
};
/// The operator at the device.
struct RevertOrdered {
  std::string reason;  // one line for the report
};
/// A verified Answer or Freshness; `freshness` is {0, 0} for an Answer.
struct EngineSeen {
  std::uint64_t epoch = 0;
  std::int64_t now_ms = 0;
  SequenceNumber freshness;
};
/// The trust moved to the next Root. With `reset_numbers` no director key of the former one is
/// left.
struct RootReplaced {
  Bytes envelope;
  std::uint32_t version = 0;
  bool reset_numbers = false;
  std::int64_t created_ms = 0;
  std::optional<std::uint32_t> lowered_floor;  // for this device's model
};
struct TimerFired {
  Timer timer = Timer::kActivatingAck;
};
struct Persisted {
  bool ok = false;
};

using Event = std::variant<Restarted, DirectiveReceived, DirectiveChecked, ManifestChecked,
                           PayloadWritten, PayloadFailed, DownloadStopped, SlotVerified, Validated,
                           ActivationAllowed, ActivatingAcknowledged, ModelServing, ModelFailed,
                           TrialCheckpoint, TrialOver, HealthBad, OrderReceived, RevertOrdered,
                           EngineSeen, RootReplaced, TimerFired, Persisted>;

// ---- Effects, to be carried out in the order given.

struct Document {
  std::string name;  // "directive", "order", "root"
  Bytes bytes;
};
/// Writes the documents, then the record that names them; answered by Persisted before any other
/// event.
struct Persist {
  StateRecord record;
  std::vector<Document> documents;
};
struct CheckDirective {
  Bytes envelope;
};
struct SayHello {};
/// Fetches the manifest unless it is here, checks it, and checks the space for it; answered by
/// ManifestChecked.
struct FetchManifest {
  Digest digest;
  std::uint32_t size_bytes = 0;
};
/// Hashes the base, reserves the slot, fetches and writes block by block; answered by
/// PayloadWritten, PayloadFailed or DownloadStopped.
struct FetchPayload {
  std::size_t offer = 0;  // index into the directive's offers
  SlotId slot = 0;
};
/// Ends whatever fetch or validation is under way.
struct StopWork {};
/// Hands the envelope in again as DirectiveReceived: a directive that waited for the end of a
/// trial.
struct Redeliver {
  Bytes envelope;
};
/// Stores the manifest beside the artifact and gives the artifact its final name, then reads all of
/// it again; answered by SlotVerified.
struct FinishAndVerifySlot {
  SlotId slot = 0;
};
/// Runs the validation set on both; answered by Validated.
struct RunValidation {
  std::optional<SlotId> base;
  SlotId candidate = 0;
};
struct SendReport {
  ReportState state = ReportState::kDownloading;
  std::string code;
  std::string text;
  SequenceNumber directive;
  std::string rollout;
  std::uint16_t stage = 0;
  Digest manifest;
  ValidationNumbers validation;
};
struct ArmTimer {
  Timer timer = Timer::kActivatingAck;
  std::int64_t delay_ms = 0;
};
enum class ActivateReason : std::uint8_t { kInstall, kRevert, kStart };
/// Hashes, loads and serves a slot, or serves nothing; answered by ModelServing or ModelFailed.
struct ActivateModel {
  std::optional<SlotId> slot;
  ActivateReason reason = ActivateReason::kInstall;
};
/// Watches the serving model's health; answered by TrialCheckpoint, TrialOver, HealthBad.
struct WatchTrial {
  std::int64_t budget_left_ms = 0;
};
struct StampConfirmed {
  SlotId slot = 0;
};

using Effect = std::variant<Persist, CheckDirective, SayHello, FetchManifest, FetchPayload,
                            StopWork, Redeliver, FinishAndVerifySlot, RunValidation, SendReport,
                            ArmTimer, ActivateModel, WatchTrial, StampConfirmed>;

// ---- The machine.

/// What the machine knows beyond the record; made anew after a restart.
struct Plan {
  UpdateState state = UpdateState::kIdle;  // the record's, or `checking` before a number is stored
  std::optional<Directive> directive;      // in force
  std::optional<Directive> install;  // that the work follows; a later hold does not replace it
  std::optional<ReleaseManifest> manifest;  // of the work, or of the release in trial
  Order order;
  HealthLimits serving_limits;        // of the release that serves
  std::size_t offer = 0;              // index into install->offers
  ValidationNumbers validation;       // of the release in `ready`
  bool activation_announced = false;  // Report(activating) is out, not acknowledged
  Error revert_why;                   // while in `reverting`
  Bytes waiting_directive;            // newest install that came during a trial; not stored
};

struct Pending {
  StateRecord record;
  Plan plan;
  std::vector<Effect> after;
};

struct Update {
  StateRecord record;  // as it is on disk
  Plan plan;
  std::optional<Pending> pending;  // between a Persist and its Persisted
  int slot_count = 2;
  std::string hardware;

  [[nodiscard]] UpdateState state() const { return plan.state; }
};

/// Advances `update` by one event and returns what the caller must now do, in order.
///
/// On error `update` is unchanged: E_STATE for an event that its state does not take (late news of
/// work that was withdrawn), E_NO_FALLBACK for a RevertOrdered without a release to go back to.
/// Pure: no clock, no I/O.
[[nodiscard]] Result<std::vector<Effect>> Step(Update& update, const Event& event);

/// The slot that an install of `artifact` writes: one that already holds it or was begun for it,
/// else one that is neither active nor the fallback, else the fallback.
SlotId ChooseStandby(const Update& update, const Digest& artifact);

/// True iff the slot holds all bytes of `artifact`.
bool HoldsWhole(const SlotRecord& slot, const Digest& artifact);

/// True iff the release in work must not be activated now: an Order or the directive says hold.
bool IsHeld(const Update& update);

/// An inference of the serving model slower than this counts as over_latency, in microseconds; 0 =
/// no limit. The directive in force tightens the manifest's limit if it is about what serves.
std::uint32_t ServingLatencyLimitUs(const Plan& plan, const StateRecord& record);

/// The Order's word on what (rollout, stage) brought to a device of that hardware; nothing = run.
std::optional<OrderAction> OrderFor(const Order& order, std::string_view rollout,
                                    std::uint16_t stage, std::string_view hardware);

/// False for a failure that says nothing about the release: another try, or another device, may do
/// better. The digest is not remembered then.
bool IsModelsFault(ErrorCode code);

// ---- The table of legal pairs, beside the machine: tests walk it, docs/device_states.md is
// printed from it.

using StateSet = std::uint16_t;
constexpr StateSet In(UpdateState state) {
  return static_cast<StateSet>(1u << static_cast<unsigned>(state));
}
template <class... States>
constexpr StateSet In(UpdateState first, States... rest) {
  return static_cast<StateSet>(In(first) | In(rest...));
}
inline constexpr StateSet kAnyState = (1u << kUpdateStateCount) - 1;

enum class EventKind : std::uint8_t {
  kRestarted,
  kDirectiveReceived,
  kDirectiveChecked,
  kManifestChecked,
  kPayloadWritten,
  kPayloadFailed,
  kDownloadStopped,
  kSlotVerified,
  kValidated,
  kActivationAllowed,
  kActivatingAcknowledged,
  kModelServing,
  kModelFailed,
  kTrialCheckpoint,
  kTrialOver,
  kHealthBad,
  kOrderReceived,
  kRevertOrdered,
  kEngineSeen,
  kRootReplaced,
  kTimerFired,
  kPersisted,
};
inline constexpr int kEventKindCount = 22;
static_assert(std::variant_size_v<Event> == kEventKindCount);
constexpr EventKind KindOf(const Event& event) { return static_cast<EventKind>(event.index()); }
std::string_view EventKindName(EventKind kind) noexcept;

/// `next` is where the machine may be once the row's Persist (if any) succeeded.
struct Transition {
  StateSet from;
  EventKind event;
  StateSet next;
  std::string_view effects;
};

namespace table {
using enum UpdateState;
using enum EventKind;
inline constexpr StateSet kWorking = In(kChecking, kDownloading, kVerifying, kValidating, kReady);
inline constexpr StateSet kOnTrial = In(kActivating, kTrial);
inline constexpr StateSet kResting = In(kIdle, kFault);

inline constexpr std::array kTransitions = {
    Transition{kResting, kDirectiveReceived, In(kChecking), "CheckDirective"},
    Transition{kWorking | kOnTrial | In(kReverting), kDirectiveReceived,
               kWorking | kOnTrial | In(kReverting), "CheckDirective, the state stays"},
    Transition{In(kChecking), kDirectiveChecked, In(kIdle, kFault, kChecking, kReverting),
               "refused: Persist, Report(rejected); install: Persist, FetchManifest; hold: "
               "Persist, Report(holding); "
               "revert: Persist, ActivateModel(fallback)"},
    Transition{In(kDownloading, kVerifying, kValidating, kReady), kDirectiveChecked,
               In(kDownloading, kVerifying, kValidating, kReady, kChecking, kIdle, kReverting),
               "same manifest or hold: Persist, new terms; other manifest: Persist, StopWork, "
               "Report(withdrawn), "
               "FetchManifest; revert: as in checking"},
    Transition{kOnTrial | In(kReverting), kDirectiveChecked, kOnTrial | In(kReverting),
               "install: kept until the trial ends, Report(deferred, E_BUSY_TRIAL); hold: Persist, "
               "Report(holding); "
               "revert: Persist, ActivateModel(fallback)"},
    Transition{
        In(kChecking), kManifestChecked, In(kIdle, kVerifying, kDownloading),
        "refused: Persist, Report(rejected); whole in a slot: Persist, FinishAndVerifySlot; else "
        "Persist, "
        "FetchPayload, Report(downloading); no offer fits: Persist, Report(deferred, E_NO_BASE)"},
    Transition{In(kDownloading), kPayloadFailed, In(kDownloading, kIdle),
               "FetchPayload of the next offer that fits the base and the budget; none: Persist, "
               "Report(failed)"},
    Transition{In(kChecking, kDownloading), kDownloadStopped, In(kIdle),
               "Persist, StopWork, Report(failed); written blocks are kept"},
    Transition{In(kDownloading), kPayloadWritten, In(kVerifying), "Persist, FinishAndVerifySlot"},
    Transition{In(kVerifying), kSlotVerified, In(kValidating, kIdle),
               "good: Persist(slot READY), RunValidation; bad: Persist(slot BAD), Report(failed, "
               "E_ARTIFACT_HASH)"},
    Transition{In(kValidating), kValidated, In(kReady, kIdle),
               "within limits: Persist, Report(ready); else Persist(slot BAD, digest remembered), "
               "Report(failed)"},
    Transition{In(kReady), kActivationAllowed, In(kReady),
               "Report(activating), ArmTimer; nothing while held"},
    Transition{In(kReady), kActivatingAcknowledged, In(kReady, kActivating),
               "Persist(active = standby, TRIAL, 3 starts), ActivateModel; nothing while held"},
    Transition{kAnyState & ~(kOnTrial | In(kReverting)), kModelServing,
               kAnyState & ~(kOnTrial | In(kReverting)), "none: the start is done"},
    Transition{In(kActivating), kModelServing, In(kTrial, kReverting, kFault),
               "digest equal: Persist, Report(activated), WatchTrial; else as HealthBad"},
    Transition{In(kTrial), kModelServing, In(kTrial, kReverting, kFault),
               "digest equal: WatchTrial; else as HealthBad"},
    Transition{In(kReverting), kModelServing, In(kIdle), "Persist(REVERTED), Report(reverted)"},
    Transition{kAnyState & ~(kOnTrial | In(kReverting)), kModelFailed, kAnyState & ~kOnTrial,
               "Persist(slot BAD, active = fallback), ActivateModel(fallback); no fallback: "
               "Persist, serve nothing; not the model's fault: ArmTimer"},
    Transition{kOnTrial, kModelFailed, In(kReverting, kFault), "as HealthBad"},
    Transition{In(kReverting), kModelFailed, In(kReverting, kFault),
               "Persist(slot BAD), the next confirmed release, else serve nothing, Report(failed, "
               "E_NO_TRUSTED_MODEL); not the model's fault: ArmTimer"},
    Transition{In(kTrial), kTrialCheckpoint, In(kTrial), "Persist(budget left, start given back)"},
    Transition{In(kTrial), kTrialOver, In(kIdle, kReverting, kFault),
               "evidence: Persist(GOOD, STABLE, floor), StampConfirmed, Report(confirmed); none: "
               "as HealthBad with "
               "E_NO_EVIDENCE, digest not remembered"},
    Transition{In(kTrial), kHealthBad, In(kReverting, kFault),
               "Persist(slot BAD, digest remembered, active = fallback), ActivateModel(fallback); "
               "no fallback: serve "
               "nothing, Report(failed)"},
    Transition{kWorking, kOrderReceived, kWorking | In(kIdle, kReverting),
               "Persist(number); abort, roll_back of the work: StopWork, Report(withdrawn)"},
    Transition{
        kResting | kOnTrial, kOrderReceived, kResting | kOnTrial | In(kReverting),
        "Persist(number); roll_back of the active slot: ActivateModel(fallback), or Report(failed, "
        "E_NO_FALLBACK)"},
    Transition{In(kReverting), kOrderReceived, In(kReverting), "Persist(number)"},
    Transition{kAnyState & ~In(kReverting), kRevertOrdered, In(kReverting),
               "Persist, StopWork, Report(withdrawn) of the work, ActivateModel(fallback)"},
    Transition{kAnyState, kEngineSeen, kAnyState, "Persist(epoch, secure time) when they moved"},
    Transition{kAnyState, kRootReplaced, kAnyState,
               "Persist(root version); no former director key kept: numbers reset, StopWork"},
    Transition{kAnyState, kTimerFired, kAnyState, "the state's effects again"},
    Transition{In(kIdle), kRestarted, kAnyState,
               "Persist(boot, starts_left - 1 in TRIAL), ActivateModel(active), the recorded "
               "state's effects again"},
    Transition{
        kAnyState, kPersisted, kAnyState,
        "the effects that waited; not written: ArmTimer, and in a trial ActivateModel(fallback)"},
};
}  // namespace table

/// The table's row for the pair, or nullptr when the state does not take the event.
constexpr const Transition* FindTransition(UpdateState state, EventKind event) {
  for (const Transition& row : table::kTransitions) {
    if (row.event == event && (row.from & In(state)) != 0) return &row;
  }
  return nullptr;
}

/// docs/device_states.md.
std::string TransitionsAsMarkdown();

}  // namespace sluice::device
