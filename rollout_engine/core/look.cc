#include "rollout_engine/core/look.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "rollout_engine/core/cohort.h"
#include "rollout_engine/core/judge.h"
#include "rollout_engine/core/judge_config.h"
#include "rollout_engine/core/judge_scope.h"

namespace sluice {
namespace {

constexpr std::size_t kMemoryDevicesMin = 4;
constexpr std::uint64_t kFirstReported =
    0;  // a window counts whatever release the device reports first

double Seconds(std::int64_t ms) { return static_cast<double>(ms) / 1000; }

/// Exposed, and not gone by anybody's order. One that reverted by itself stays: that is evidence.
bool IsInTestArm(const Rollout& rollout, const Member& member) {
  const bool ordered_back = member.state == DeviceState::kReverted && !member.self_reverted;
  return member.stage != kNoStage && member.activated_at.has_value() && !ordered_back &&
         MayInstall(rollout, member);
}

/// After the last stage only those who came late are watched.
bool IsWatched(const Rollout& rollout, const Member& member) {
  return rollout.status != RolloutStatus::kCompleted ||
         *member.activated_at > *rollout.runs.back().ended;
}

bool IsInControlArm(const Rollout& rollout, const Member& member) {
  return member.control && !rollout.excluded_hardware.contains(member.hardware);
}

bool IsSettled(const Member& member, BootMs now) {
  return !member.settles_at.has_value() || now >= *member.settles_at;
}

BootMs ExposedSince(const StageRun& run, const Member& member) {
  return std::max(run.started, *member.activated_at);
}

template <class Number>
Number MedianOf(std::vector<Number> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

JudgeConfig ConfigOf(const Rollout& rollout) {
  const StageRun& run = rollout.runs.back();
  std::vector<std::string> strata;
  if (rollout.spec.rollback.per_hardware != PerHardware::kOff) {
    for (const auto& [hardware, cut_off] : run.cut_offs) {
      if (!rollout.excluded_hardware.contains(hardware)) strata.push_back(hardware);
    }
  }
  JudgeConfig config = MakeJudgeConfig(rollout.spec, run.stage, std::move(strata));
  // Several variants share what a stage may err; the one that has won has it for itself.
  const std::size_t rivals = rollout.winner.has_value() ? 1 : rollout.variants.size();
  config.alpha /= static_cast<double>(rivals);
  return config;
}

JudgedDevice Judged(const Rollout& rollout, const std::string& id, const Member& member,
                    const std::optional<DeviceTotals>& totals, std::int64_t sleep_ms, BootMs now) {
  const StageRun& run = rollout.runs.back();
  JudgedDevice device{.id = id, .stratum = member.hardware};
  device.arm = member.control ? Arm::kControl : Arm::kTest;
  device.since_activation_s = Seconds(now - (member.control ? run.started : *member.activated_at));
  // One that was never heard is silent since the arm began to count it.
  device.silence_s = device.since_activation_s;
  if (totals.has_value()) {
    const std::int64_t silent_ms = now - totals->last_heard - sleep_ms;
    device.silence_s = std::min(device.silence_s, Seconds(std::max<std::int64_t>(0, silent_ms)));
    const Counters total = WindowTotal(*totals);
    device.cum = total.Ratios();
    device.epoch = EpochTotal(*totals).Ratios();
    device.crashes = static_cast<double>(total.crashes);
    device.pre = totals->pre;
  }
  if (member.self_reverted) device.crashes = std::max(device.crashes, 1.0);
  return device;
}

/// The median growth of memory on devices that report it from both releases.
class MemoryGrowth {
 public:
  void Add(const Rollout& rollout, const Member& member, const DeviceTotals& totals) {
    if (!IsActive(member.state) || totals.rss_kb_before == 0 || totals.rss_kb == 0) return;
    if (NewestRelease(totals) != ReleaseIdOf(rollout, member)) return;
    percents_.push_back(100.0 * totals.rss_kb / totals.rss_kb_before - 100);
  }
  [[nodiscard]] std::optional<double> MedianPercent() {
    if (percents_.size() < kMemoryDevicesMin) return std::nullopt;
    return MedianOf(std::move(percents_));
  }

 private:
  std::vector<double> percents_;
};

/// Who could be active by now, and who is: of all, and of the stage's own cohort.
class ReachableDevices {
 public:
  void Add(const Rollout& rollout, const Member& member, const DeviceTotals& totals, BootMs now) {
    if (member.stage == kNoStage || !MayInstall(rollout, member)) return;
    if (now - totals.last_heard >= kReachableMs) return;
    const bool is_own = member.stage == rollout.runs.back().stage;
    ++all_;
    if (is_own) ++own_;
    if (!IsActive(member.state)) return;
    ++active_;
    if (is_own) ++own_active_;
  }
  void Tell(const StageSpec& stage, Look& look) const {
    look.reachable = all_;
    look.reachable_active = active_;
    const auto wanted =
        static_cast<std::int32_t>(CohortSize(stage.min_completion, static_cast<std::size_t>(own_)));
    look.enough_active = own_active_ > 0 && own_active_ >= std::min(stage.min_devices, wanted);
  }

 private:
  std::int32_t all_ = 0, active_ = 0, own_ = 0, own_active_ = 0;
};

/// The clock has run out, enough of the reachable devices are active, and the median one had half
/// the time to show what it does.
bool IsSoakOver(const Rollout& rollout, const Look& look, BootMs now) {
  const StageRun& run = rollout.runs.back();
  const StageSpec& stage = rollout.spec.stages[static_cast<std::size_t>(run.stage)];
  if (!run.soak_started.has_value() || now - *run.soak_started < stage.duration_ms) return false;
  const std::int64_t wanted = std::int64_t{look.reachable} * stage.min_completion;
  if (std::int64_t{look.reachable_active} * kAllMilliPercent < wanted) return false;
  std::vector<std::int64_t> exposures;
  for (const auto& [id, member] : rollout.members) {
    if (member.stage != kNoStage && IsActive(member.state)) {
      exposures.push_back(now - ExposedSince(run, member));
    }
  }
  return !exposures.empty() && MedianOf(std::move(exposures)) * 2 >= stage.duration_ms;
}

}  // namespace

Look BuildLook(const Rollout& rollout, const FleetTelemetry& fleet, BootMs now,
               std::int32_t variant, const Sleepers& sleepers) {
  const StageRun& run = rollout.runs.back();
  Look look;
  look.input.config = ConfigOf(rollout);
  look.input.look = std::max(run.looks, 1);
  look.input.elapsed_s = (now - run.first_activation.value_or(run.started)) / 1000;
  look.input.state = rollout.variants[static_cast<std::size_t>(variant)].judge;
  MemoryGrowth memory;
  ReachableDevices reachable;
  for (const auto& [id, member] : rollout.members) {
    const std::optional<DeviceTotals> totals = fleet.Get(id, TotalsPart::kWithoutMarks);
    const bool tested =
        IsInTestArm(rollout, member) && member.variant == variant && IsWatched(rollout, member);
    if ((tested || IsInControlArm(rollout, member)) && IsSettled(member, now)) {
      const auto sleeper = sleepers.find(id);
      const std::int64_t sleep_ms = sleeper == sleepers.end() ? 0 : sleeper->second;
      look.input.devices.push_back(Judged(rollout, id, member, totals, sleep_ms, now));
    }
    if (!totals.has_value()) continue;
    reachable.Add(rollout, member, *totals, now);
    if (member.variant == variant) memory.Add(rollout, member, *totals);
  }
  reachable.Tell(rollout.spec.stages[static_cast<std::size_t>(run.stage)], look);
  look.memory_increase_percent = memory.MedianPercent();
  look.input.at_soak_end = IsSoakOver(rollout, look, now);
  return look;
}

JudgeOutput JudgeLook(const Rollout& rollout, const Look& look) {
  return rollout.spec.rollback.decision == DecisionRule::kEvidence ? Judge(look.input)
                                                                   : JudgePointEstimate(look.input);
}

std::optional<double> RankingBound(const JudgeOutput& output) {
  // The point estimate knows no bound: its own figure stands for it.
  for (const Window window : {Window::kCumulative, Window::kEpoch}) {
    for (const Metric metric :
         {Metric::kAccuracyDrop, Metric::kErrorRate, Metric::kLatencyExceed}) {
      const std::string key =
          RatioKey({.name = std::string(kFleetScope), .is_fleet = true}, metric, window);
      const auto found = std::ranges::find(
          output.results, key, [](const auto& result) { return std::string_view(result.first); });
      if (found == output.results.end()) continue;
      const auto& ratio = std::get<RatioResult>(found->second);
      if (ratio.ok) return ratio.ucb;
    }
  }
  return std::nullopt;
}

LookJudged MakeLookJudged(const RunLook& request, const Look& look, const JudgeOutput& output) {
  LookJudged judged;
  judged.stage = request.stage;
  judged.look = request.look;
  judged.variant = request.variant;
  judged.decision = output.decision;
  judged.hold_cause = output.hold_cause;
  judged.brake = output.brake;
  judged.fleet_fails = output.fleet_fails;
  judged.failed_strata = output.failed_strata;
  judged.sentence = output.sentence;
  judged.state = output.state;
  judged.reachable = look.reachable;
  judged.reachable_active = look.reachable_active;
  judged.enough_active = look.enough_active;
  judged.memory_increase_percent = look.memory_increase_percent;
  judged.upper_bound = RankingBound(output);
  return judged;
}

void OpenStageWindow(const Rollout& rollout, FleetTelemetry& fleet, BootMs now) {
  for (const auto& [id, member] : rollout.members) {
    if (member.control) {
      fleet.Update(id, [&](DeviceTotals& totals) {
        const std::uint64_t release_id = NewestRelease(totals).value_or(kFirstReported);
        TakeBaseline(totals, release_id, rollout.spec.baseline_ms, now);
        StartWindow(totals, release_id, now);
      });
    } else if (IsInTestArm(rollout, member)) {
      // Its history stays that of before.
      const std::uint64_t release_id = ReleaseIdOf(rollout, member);
      fleet.Update(id, [&](DeviceTotals& totals) { StartWindow(totals, release_id, now); });
    }
  }
}

void OpenEpochWindow(const Rollout& rollout, FleetTelemetry& fleet, BootMs now) {
  for (const auto& [id, member] : rollout.members) {
    if (!member.control && !IsInTestArm(rollout, member)) continue;
    if (fleet.Contains(id))
      fleet.Update(id, [&](DeviceTotals& totals) { StartEpoch(totals, now); });
  }
}

void OpenDeviceWindow(const Rollout& rollout, const std::string& device, FleetTelemetry& fleet,
                      BootMs now) {
  const auto member = rollout.members.find(device);
  if (member == rollout.members.end()) return;
  const std::uint64_t release_id = ReleaseIdOf(rollout, member->second);
  fleet.Update(device, [&](DeviceTotals& totals) {
    totals.pre.reset();
    if (const auto former = NewestRelease(totals); former.has_value() && *former != release_id) {
      TakeBaseline(totals, *former, rollout.spec.baseline_ms, now);
    }
    StartWindow(totals, release_id, now);
  });
}

}  // namespace sluice
