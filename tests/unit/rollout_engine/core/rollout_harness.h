// Drives a rollout through Step as an engine would, and keeps what it answered.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "rollout_engine/core/rollout.h"

namespace sluice {

inline constexpr std::uint64_t kNewRelease = 77;
inline constexpr std::uint64_t kOldRelease = 11;

/// 5 % for 10 minutes, then everybody; looks every minute.
inline RolloutSpec TwoStageSpec() {
  RolloutSpec spec;
  spec.model_version = "detector-v2";
  StageSpec canary;
  canary.name = "canary";
  canary.target = 5'000;
  canary.duration_ms = 10 * limits::kMinute;
  canary.max_duration_ms = 30 * limits::kMinute;
  canary.criteria.error_rate_max = 0.001;
  StageSpec general = canary;
  general.name = "general";
  general.target = kAllMilliPercent;
  spec.stages = {canary, general};
  spec.rollback.health_check_interval_ms = limits::kMinute;
  spec.rollback.epoch_ms = 5 * limits::kMinute;
  spec.rate.every_ms = 10 * limits::kSecond;
  return spec;
}

inline std::string DeviceName(int i) { return "dev-" + std::to_string(10'000 + i).substr(1); }

/// `count` devices over two hardware names, in ascending order of unit.
inline std::vector<FleetDevice> Fleet(int count, bool has_model = true) {
  std::vector<FleetDevice> fleet;
  for (int i = 0; i < count; ++i) {
    fleet.push_back({.id = DeviceName(i),
                     .hardware = i % 2 == 0 ? "cam" : "gate",
                     .unit = (i + 0.5) / count,
                     .has_model = has_model,
                     .variant_unit = (i / 2 % 4 + 0.5) / 4});  // quarters within each hardware
  }
  return fleet;
}

class RolloutHarness {
 public:
  explicit RolloutHarness(const RolloutSpec& spec = TwoStageSpec())
      : rollout(CreateRollout("r-1", spec)) {}

  /// Applies `body` now. The effects are in `last`, and in `all`.
  Result<std::vector<Effect>> Try(EventBody body) {
    const Event event{.now = now, .wall = {1'700'000'000'000 + now.ms}, .body = std::move(body)};
    events.push_back(event);
    auto effects = Step(rollout, event);
    if (effects.has_value()) {
      last = *effects;
      all.insert(all.end(), last.begin(), last.end());
    }
    return effects;
  }
  void Do(EventBody body) {
    const auto effects = Try(std::move(body));
    ASSERT_TRUE(effects.has_value()) << effects.error().Line();
  }

  void Start(std::vector<FleetDevice> fleet) {
    Started started{.eligible = std::move(fleet), .release_ids = {}};
    for (std::size_t variant = 0; variant < rollout.variants.size(); ++variant) {
      started.release_ids.push_back(
          {{"cam", kNewRelease + variant}, {"gate", kNewRelease + variant}});
    }
    Do(std::move(started));
  }
  void Report(const std::string& device, ReportState state, std::string code = {}) {
    Do(DeviceReported{.device = device, .state = state, .code = std::move(code)});
  }
  void WaitMs(std::int64_t ms) { now.ms += ms; }
  /// Waits until the timer is due and fires it.
  void Fire(TimerKind kind) {
    const auto at = rollout.timers[static_cast<std::size_t>(kind)];
    ASSERT_TRUE(at.has_value()) << "no timer of kind " << static_cast<int>(kind);
    now = std::max(now, *at);
    Do(TimerFired{kind});
  }
  /// Answers the current look of one variant.
  void LookOf(std::int32_t variant, Decision decision, std::optional<double> upper_bound = {},
              HoldCause cause = HoldCause::kNone) {
    LookJudged look = Judged(decision, cause);
    look.variant = variant;
    look.upper_bound = upper_bound;
    Do(look);
  }
  /// Fires the look timer and answers the look with `decision`.
  void Look(Decision decision, HoldCause cause = HoldCause::kNone,
            std::string sentence = "a sentence") {
    Fire(TimerKind::kLook);
    LookJudged look = Judged(decision, cause, std::move(sentence));
    Do(look);
  }
  LookJudged Judged(Decision decision, HoldCause cause = HoldCause::kNone,
                    std::string sentence = "a sentence") const {
    LookJudged look;
    look.stage = CurrentStage(rollout);
    look.look = rollout.runs.back().looks;
    look.decision = decision;
    look.hold_cause = cause;
    look.fleet_fails = decision == Decision::kRollBack;
    look.sentence = std::move(sentence);
    look.state = rollout.variants[0].judge;
    look.reachable = CohortCount(rollout, CurrentStage(rollout));
    return look;
  }
  /// From the offer to trial, with as many permits as the ramp gives. Returns who switched.
  std::vector<std::string> ActivateOffered() {
    std::vector<std::string> switched;
    for (const auto& [device, member] : std::map(rollout.members)) {
      if (member.state != DeviceState::kOffered && member.state != DeviceState::kVerified) continue;
      Do(PermitWanted{device});
      if (!Has<GrantPermit>(last)) continue;
      Report(device, ReportState::kActivating);
      Report(device, ReportState::kActivated);
      switched.push_back(device);
    }
    return switched;
  }
  /// Until nobody of the cohort is left behind.
  void ActivateAll() {
    while (!ActivateOffered().empty()) WaitMs(rollout.spec.rate.every_ms);
  }

  template <class T>
  static bool Has(const std::vector<Effect>& effects) {
    return std::ranges::any_of(
        effects, [](const Effect& effect) { return std::holds_alternative<T>(effect); });
  }
  template <class T>
  static std::vector<T> Only(const std::vector<Effect>& effects) {
    std::vector<T> only;
    for (const Effect& effect : effects) {
      if (const T* one = std::get_if<T>(&effect)) only.push_back(*one);
    }
    return only;
  }
  template <class T>
  static std::vector<std::string> Devices(const std::vector<Effect>& effects) {
    std::vector<std::string> devices;
    for (const T& one : Only<T>(effects)) devices.push_back(one.device);
    return devices;
  }

  Rollout rollout;
  BootMs now{1'000};
  std::vector<Event> events;
  std::vector<Effect> last, all;
};

}  // namespace sluice
