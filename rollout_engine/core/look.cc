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
  JudgeConfig config = MakeJudgeConfig(rollout.spec, rollout.runs.back().stage, StrataOf(rollout));
  // Several variants share what a stage may err; the one that has won has it for itself.
  const std::size_t rivals = rollout.winner.has_value() ? 1 : rollout.variants.size();
  config.alpha /= static_cast<double>(rivals);
  return config;
}

void Tell(const Census& census, const StageSpec& stage, Look& look) {
  look.reachable = census.reachable;
  look.reachable_active = census.reachable_active;
  const auto wanted = static_cast<std::int32_t>(
      CohortSize(stage.min_completion, static_cast<std::size_t>(census.own)));
  look.enough_active =
      census.own_active > 0 && census.own_active >= std::min(stage.min_devices, wanted);
  if (census.memory_percents.size() >= kMemoryDevicesMin)
    look.memory_increase_percent = MedianOf(census.memory_percents);
}

Look BeginLook(const Rollout& rollout, BootMs now, std::int32_t variant) {
  const StageRun& run = rollout.runs.back();
  Look look;
  look.input.config = ConfigOf(rollout);
  look.input.look = std::max(run.looks, 1);
  look.input.elapsed_s = (now - run.first_activation.value_or(run.started)) / 1000;
  look.input.state = rollout.variants[static_cast<std::size_t>(variant)].judge;
  return look;
}

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

/// What is known once the devices were read.
void EndLook(const Rollout& rollout, const Census& census, BootMs now, Look& look) {
  const auto stage = static_cast<std::size_t>(rollout.runs.back().stage);
  Tell(census, rollout.spec.stages[stage], look);
  look.input.at_soak_end = IsSoakOver(rollout, look, now);
}

JudgeOutput JudgeTable(const Rollout& rollout, const Look& look, const LookTable& table) {
  return rollout.spec.rollback.decision == DecisionRule::kEvidence
             ? Judge(look.input, table)
             : JudgePointEstimate(look.input, table);
}

}  // namespace

Look BuildLook(const Rollout& rollout, const FleetTelemetry& fleet, BootMs now,
               std::int32_t variant, const Sleepers& sleepers) {
  LookRoster roster;
  roster.Refresh(rollout, fleet);
  Look look = BeginLook(rollout, now, variant);
  const RosterDevices devices(rollout, roster, fleet, now, variant, sleepers);
  look.input.devices = devices.Listed();
  EndLook(rollout, devices.census(), now, look);
  return look;
}

JudgedLook LookAndJudge(const Rollout& rollout, const RosterDevices& devices, BootMs now,
                        std::int32_t variant) {
  JudgedLook judged{.look = BeginLook(rollout, now, variant), .output = {}};
  const LookTable table(judged.look.input.config, devices);
  EndLook(rollout, devices.census(), now, judged.look);
  judged.output = JudgeTable(rollout, judged.look, table);
  return judged;
}

JudgeOutput JudgeLook(const Rollout& rollout, const Look& look) {
  const SnapshotDevices devices(look.input);
  return JudgeTable(rollout, look, LookTable(look.input.config, devices));
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

}  // namespace sluice
