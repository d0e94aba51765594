#include "rollout_engine/simulate/stage_run.h"

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "common/base/check.h"
#include "rollout_engine/core/cohort.h"
#include "rollout_engine/core/control_windows.h"
#include "rollout_engine/core/judge.h"
#include "rollout_engine/core/judge_config.h"
#include "rollout_engine/core/judge_scope.h"
#include "rollout_engine/core/ramp.h"
#include "rollout_engine/simulate/synthetic_device.h"

namespace sluice {
namespace {

constexpr double kMsPerSecond = 1'000;
constexpr std::int32_t kLooksToLift =
    2;  // that say otherwise, before a HOLD by the environment ends
constexpr double kHealthyShareMin = 0.8;

double Seconds(std::int64_t ms) { return static_cast<double>(ms) / kMsPerSecond; }

/// The devices of both arms. Who is neither takes no part.
struct Arms {
  std::vector<SyntheticDevice> devices;  // those of the cohort first, in the order of their rank
  std::size_t cohort = 0;
  std::size_t active = 0;  // of the cohort
  // By hardware: places of the control devices, and how many of the cohort were exposed.
  std::map<std::string_view, std::vector<std::size_t>> controls;
  std::map<std::string_view, std::int64_t> exposed;
};

Arms ChooseArms(const SimulatedStage& stage, const Scenario& scenario, std::uint64_t seed) {
  std::vector<std::string> ids(stage.fleet);
  std::map<std::string, std::vector<RankedDevice>> by_hardware;
  DeviceRandom ranks(seed);
  for (std::size_t i = 0; i < stage.fleet; ++i) {
    ids[i] = SyntheticDevice::IdOf(i);
    // The engine hashes salt and id; both are uniform.
    by_hardware[std::string(SyntheticDevice::HardwareOf(i))].push_back({ids[i], ranks.Uniform()});
  }
  const StageSpec& spec = stage.spec.stages[static_cast<std::size_t>(stage.stage)];
  std::vector<RankedDevice> cohort;
  std::map<std::string, std::vector<RankedDevice>> beyond;
  for (const auto& [hardware, devices] : by_hardware) {
    const CutOff cut_off = ChooseCutOff(devices, spec.target, stage.spec.holdback);
    for (const RankedDevice& device : devices)
      (cut_off.Takes(device) ? cohort : beyond[hardware]).push_back(device);
  }
  std::sort(cohort.begin(), cohort.end());
  const std::vector<std::string> control =
      ChooseControl(beyond, std::min(stage.control_max, kControlDevicesMax));

  Arms arms;
  arms.cohort = cohort.size();
  arms.devices.reserve(cohort.size() + control.size());
  const auto add = [&](std::string_view id) -> SyntheticDevice& {
    const std::size_t index = std::stoul(std::string(id.substr(1)));
    return arms.devices.emplace_back(scenario, seed, index);
  };
  for (const RankedDevice& device : cohort) add(device.id);
  for (const std::string& id : control) {
    SyntheticDevice& device = add(id);
    device.StartAsControl();
    arms.controls[device.hardware()].push_back(arms.devices.size() - 1);
  }
  return arms;
}

class StageRunner {
 public:
  StageRunner(const SimulatedStage& stage, const Scenario& scenario, DecisionRule rule,
              std::uint64_t seed)
      : rule_(rule),
        rate_(stage.spec.rate),
        spec_(stage.spec.stages[static_cast<std::size_t>(stage.stage)]),
        interval_s_(Seconds(stage.spec.rollback.health_check_interval_ms)),
        arms_(ChooseArms(stage, scenario, seed)),
        seeds_(StreamSeed(seed, stage.fleet)),
        ramp_(StartRamp(rate_, BootMs{0})) {
    std::vector<std::string> strata;
    for (const HardwareShare& hardware : kSimulatedHardware) strata.emplace_back(hardware.name);
    if (stage.spec.rollback.per_hardware == PerHardware::kOff) strata.clear();
    input_.config = MakeJudgeConfig(stage.spec, stage.stage, std::move(strata));
    looks_max_ = static_cast<std::int32_t>(Seconds(spec_.max_duration_ms) / interval_s_);
  }

  StageRunResult Run(const LookObserver& observe) {
    StageRunResult result;
    while (result.looks < looks_max_) {
      ++result.looks;
      const double now_s = result.looks * interval_s_;
      GrantUntil(now_s);
      const JudgeOutput output = Look(result.looks, now_s);
      if (observe) observe(input_, output);
      NoteHold(output, now_s);
      if (output.decision == Decision::kRollBack) result.end = StageEnd::kRolledBack;
      if (output.decision == Decision::kPromote && !IsHeld()) result.end = StageEnd::kPromoted;
      if (result.end != StageEnd::kHeld) break;
      StartEpochIfDue(result.looks);
    }
    result.minutes = result.looks * interval_s_ / 60;
    result.exposed = arms_.active;
    for (std::size_t i = 0; i < arms_.active; ++i)
      result.affected += arms_.devices[i].IsAffected() ? 1 : 0;
    return result;
  }

 private:
  [[nodiscard]] bool IsHeld() const { return held_ != HoldCause::kNone; }

  /// Permits minute by minute, as the engine's ramp gives them.
  void GrantUntil(double now_s) {
    constexpr double kStep_s = 60;
    for (; granted_until_s_ < now_s; granted_until_s_ += kStep_s) {
      if (IsHeld() || brake_) continue;
      const BootMs now{static_cast<std::int64_t>(granted_until_s_ * kMsPerSecond)};
      AdvanceRamp(ramp_, rate_, IsWaveHealthy(), now);
      while (arms_.active < arms_.cohort && PermitsLeft(ramp_, rate_, now) > 0) {
        SyntheticDevice& device = arms_.devices[arms_.active++];
        CountPermit(ramp_, std::to_string(arms_.active), now);
        device.Activate(granted_until_s_);
        RestartControls(device.hardware());
      }
    }
  }

  /// As OpenDeviceWindow does.
  void RestartControls(std::string_view hardware) {
    const std::vector<std::size_t>& controls = arms_.controls[hardware];
    const std::int64_t exposed = ++arms_.exposed[hardware];
    for (const std::size_t place : ControlsToRestart(controls.size(), exposed, seeds_.Next()))
      arms_.devices[controls[place]].RestartWindow();
  }

  [[nodiscard]] bool IsWaveHealthy() const {
    const std::size_t wave = ramp_.wave.size();
    std::size_t healthy = 0;
    for (std::size_t i = arms_.active - wave; i < arms_.active; ++i)
      healthy += arms_.devices[i].IsDead() ? 0 : 1;
    return static_cast<double>(healthy) >= kHealthyShareMin * static_cast<double>(wave);
  }

  JudgeOutput Look(std::int32_t look, double now_s) {
    input_.look = look;
    input_.elapsed_s = static_cast<std::int64_t>(now_s);
    std::size_t judged = 0;
    for (std::size_t i = 0; i < arms_.devices.size(); ++i) {
      if (i >= arms_.active && i < arms_.cohort) continue;
      arms_.devices[i].WorkUntil(now_s);
      const JudgedDevice& device = arms_.devices[i].Judged(now_s);
      if (judged == input_.devices.size()) {
        input_.devices.push_back(device);
      } else {
        input_.devices[judged] = device;
      }
      ++judged;
    }
    input_.at_soak_end = IsSoakOver(now_s);
    JudgeOutput output =
        rule_ == DecisionRule::kEvidence ? Judge(input_) : JudgePointEstimate(input_);
    input_.state = output.state;
    return output;
  }

  [[nodiscard]] bool IsSoakOver(double now_s) const {
    const auto wanted = static_cast<double>(arms_.cohort) * spec_.min_completion / kAllMilliPercent;
    return now_s >= Seconds(spec_.duration_ms) && static_cast<double>(arms_.active) >= wanted;
  }

  /// The environment's HOLD lifts when two looks in a row say otherwise, one by few devices never.
  void NoteHold(const JudgeOutput& output, double now_s) {
    brake_ = output.brake;
    const bool says_so = output.hold_cause == HoldCause::kEnvironment ||
                         output.hold_cause == HoldCause::kConcentration;
    if (says_so) {
      if (held_ != HoldCause::kConcentration) held_ = output.hold_cause;
      looks_otherwise_ = 0;
    } else if (held_ == HoldCause::kEnvironment && ++looks_otherwise_ >= kLooksToLift) {
      held_ = HoldCause::kNone;
      ramp_ = StartRamp(rate_, BootMs{static_cast<std::int64_t>(now_s * kMsPerSecond)});
    }
  }

  void StartEpochIfDue(std::int32_t look) {
    const JudgeConfig& config = input_.config;
    if (EpochOf(look + 1, config.planned_looks, config.epochs) ==
        EpochOf(look, config.planned_looks, config.epochs)) {
      return;
    }
    std::erase_if(input_.state.iref, [](const auto& e) { return e.first.ends_with("/epoch"); });
    for (SyntheticDevice& device : arms_.devices) device.StartEpoch();
  }

  const DecisionRule rule_;
  const RateSpec rate_;
  const StageSpec spec_;
  const double interval_s_;
  std::int32_t looks_max_ = 0;
  Arms arms_;
  DeviceRandom seeds_;  // of which control devices begin anew
  Ramp ramp_;
  double granted_until_s_ = 0;
  HoldCause held_ = HoldCause::kNone;
  std::int32_t looks_otherwise_ = 0;
  bool brake_ = false;
  JudgeInput input_;
};

}  // namespace

StageRunResult RunStage(const SimulatedStage& stage, const Scenario& scenario, DecisionRule rule,
                        std::uint64_t seed, const LookObserver& observe) {
  SLUICE_CHECK(stage.fleet >= 1 &&
               static_cast<std::size_t>(stage.stage) < stage.spec.stages.size());
  return StageRunner(stage, scenario, rule, seed).Run(observe);
}

}  // namespace sluice
