// Events and effects of the rollout machine: plain values, so that a log of events can be stored
// and replayed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "common/base/clock.h"
#include "common/contract/directive.h"
#include "common/contract/hello.h"
#include "rollout_engine/core/judge_snapshot.h"

namespace sluice {

/// Digest::Prefix64 of a release's artifact, by hardware.
using ReleaseIds = std::map<std::string, std::uint64_t>;

struct FleetDevice {
  std::string id;
  std::string hardware;
  double unit = 0;  // sluice::CohortUnit(salt, id)
  bool has_model =
      false;  // serves some release of this model: a base, a history, something to revert to
  double variant_unit = 0;        // sluice::CohortUnit(salt + ":variant", id)
  std::string site = {};          // devices of one site share its link; "" = its own
  std::int64_t unsettled_ms = 0;  // updated by another rollout so lately: in neither arm so long
  friend bool operator==(const FleetDevice&, const FleetDevice&) = default;
};

// ---- events: the fleet ----

/// An approver started it. `eligible`: selected, not quarantined, in no other rollout, of a
/// hardware that every variant has an artifact for. REQUIRES: `release_ids` has one entry per
/// variant.
struct Started {
  std::vector<FleetDevice> eligible;
  std::vector<ReleaseIds> release_ids;  // by variant
  friend bool operator==(const Started&, const Started&) = default;
};
/// A device became eligible after the start.
struct DeviceJoined {
  FleetDevice device;
  friend bool operator==(const DeviceJoined&, const DeviceJoined&) = default;
};
/// Quarantined, taken by another rollout or erased: in no arm and not counted any more.
struct DeviceLeft {
  std::string device;
  friend bool operator==(const DeviceLeft&, const DeviceLeft&) = default;
};
/// A report whose rollout is this one; or `kHolding` of a control device. Each report once, in seq
/// order.
struct DeviceReported {
  std::string device;
  ReportState state = ReportState::kDownloading;
  std::string code;
  friend bool operator==(const DeviceReported&, const DeviceReported&) = default;
};
/// A hello named this rollout's manifest as verified and waiting for its permit.
struct PermitWanted {
  std::string device;
  friend bool operator==(const PermitWanted&, const PermitWanted&) = default;
};

// ---- events: looks and timers ----

/// The answer to RunLook: what BuildLook gathered (core/look.h) and the judge made of it.
struct LookJudged {
  std::int32_t stage = 0;
  std::int32_t look = 0;
  std::int32_t variant = 0;
  Decision decision = Decision::kContinue;
  HoldCause hold_cause = HoldCause::kNone;
  bool brake = false;
  bool fleet_fails = false;
  std::vector<std::string> failed_strata;
  std::string sentence;
  JudgeState state;
  std::int32_t reachable = 0;         // devices of the stage's cohort heard within 24 h
  std::int32_t reachable_active = 0;  // of these, on the new release
  bool enough_active = false;         // of the stage's own reachable devices, to start its soak
  std::optional<double> memory_increase_percent;
  std::optional<double> upper_bound;  // of what variants are ranked by: lower is better
  friend bool operator==(const LookJudged&, const LookJudged&) = default;
};

enum class TimerKind : std::uint8_t {
  kLook,
  kRamp,
  kRevertDirectives,
  kRollBackDeadline,
  kOffers,
};
inline constexpr int kTimerKindCount = 5;
/// A timer may fire late or for nothing: one that is not due is ignored.
struct TimerFired {
  TimerKind kind = TimerKind::kLook;
  friend bool operator==(const TimerFired&, const TimerFired&) = default;
};

// ---- events: the operator; `reason` and `by` go into the rollout's `why`. `by` "" = an operator
// ----

struct PauseRequested {
  std::string reason = {};
  std::string by = {};
  friend bool operator==(const PauseRequested&, const PauseRequested&) = default;
};
struct ResumeRequested {
  std::string reason = {};
  std::string by = {};
  friend bool operator==(const ResumeRequested&, const ResumeRequested&) = default;
};
/// To the next stage, or to `to_stage` (later than the current one), whatever the judge says.
struct PromoteRequested {
  std::optional<std::int32_t> to_stage;
  std::string reason = {};
  std::string by = {};
  friend bool operator==(const PromoteRequested&, const PromoteRequested&) = default;
};
struct ApproveRequested {
  std::string reason = {};
  std::string by = {};
  friend bool operator==(const ApproveRequested&, const ApproveRequested&) = default;
};
struct AbortRequested {
  std::string reason = {};
  std::string by = {};
  friend bool operator==(const AbortRequested&, const AbortRequested&) = default;
};
struct RollBackRequested {
  std::string reason = {};
  std::string by = {};
  friend bool operator==(const RollBackRequested&, const RollBackRequested&) = default;
};

using EventBody =
    std::variant<Started, DeviceJoined, DeviceLeft, DeviceReported, PermitWanted, LookJudged,
                 TimerFired, PauseRequested, ResumeRequested, PromoteRequested, ApproveRequested,
                 AbortRequested, RollBackRequested>;
inline constexpr std::size_t kEventCount = std::variant_size_v<EventBody>;

struct Event {
  /// Never falls from one event of a rollout to the next, not even over a restart: the caller
  /// carries its clock on.
  BootMs now;
  WallMs wall;  // shown to people
  EventBody body;
  friend bool operator==(const Event&, const Event&) = default;
};

// ---- effects, in the order in which they are to be carried out ----

/// Give `device` an install Directive of this rollout and `stage` (a newer one replaces the terms
/// of an older).
struct Offer {
  std::string device;
  std::int32_t stage = 0;
  friend bool operator==(const Offer&, const Offer&) = default;
};
/// Give this control device a hold Directive with the stage's latency limit and interval.
struct HoldDevice {
  std::string device;
  std::int32_t stage = 0;
  friend bool operator==(const HoldDevice&, const HoldDevice&) = default;
};
/// Answer the device's last hello with the permit for this rollout's manifest.
struct GrantPermit {
  std::string device;
  friend bool operator==(const GrantPermit&, const GrantPermit&) = default;
};
/// This rollout's entries of the Order are now these, none = run.
struct OrderChanged {
  std::vector<OrderEntry> entries;
  friend bool operator==(const OrderChanged&, const OrderChanged&) = default;
};
/// Give `device` a revert Directive; an offline one receives it at its hello.
struct RevertDevice {
  std::string device;
  friend bool operator==(const RevertDevice&, const RevertDevice&) = default;
};
/// Judge one variant of the stage now: BuildLook, Judge, LookJudged.
struct RunLook {
  std::int32_t stage = 0;
  std::int32_t look = 0;
  std::int32_t variant = 0;
  friend bool operator==(const RunLook&, const RunLook&) = default;
};
/// Start telemetry windows here and now: OpenStageWindow, OpenEpochWindow or OpenDeviceWindow of
/// core/look.h.
struct OpenWindow {
  enum class Kind : std::uint8_t { kStage, kEpoch, kDevice };
  Kind kind = Kind::kStage;
  std::string device;  // kDevice only
  friend bool operator==(const OpenWindow&, const OpenWindow&) = default;
};
struct NotifyOperator {
  std::string sentence;
  friend bool operator==(const NotifyOperator&, const NotifyOperator&) = default;
};
/// Replaces the timer of that kind.
struct ArmTimer {
  TimerKind kind = TimerKind::kLook;
  BootMs at;
  friend bool operator==(const ArmTimer&, const ArmTimer&) = default;
};

using Effect = std::variant<Offer, HoldDevice, GrantPermit, OrderChanged, RevertDevice, RunLook,
                            OpenWindow, NotifyOperator, ArmTimer>;

}  // namespace sluice
