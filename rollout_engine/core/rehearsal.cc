#include "rollout_engine/core/rehearsal.h"

#include <algorithm>

#include "rollout_engine/core/judge_bounds.h"
#include "rollout_engine/core/judge_scope.h"

namespace sluice {
namespace {

/// What it did lately, as if it had been in this soak.
RatioCounts HistoryOf(const DeviceTotals& totals, std::int64_t baseline_ms, BootMs now) {
  DeviceTotals copy = totals;
  const auto release_id = NewestRelease(copy);
  if (!release_id.has_value()) return {};
  copy.pre.reset();
  TakeBaseline(copy, *release_id, baseline_ms, now);
  return copy.pre.value_or(RatioCounts{});
}

Look LookAtTheEnd(const Rollout& rollout, const FleetTelemetry& fleet, BootMs now,
                  std::int32_t variant) {
  Look look = BuildLook(rollout, {}, now, variant);
  const StageSpec& stage = rollout.spec.stages[static_cast<std::size_t>(CurrentStage(rollout))];
  look.input.look = look.input.config.planned_looks;
  look.input.elapsed_s = stage.duration_ms / limits::kSecond;
  look.input.at_soak_end = true;
  for (JudgedDevice& device : look.input.devices) {
    device.since_activation_s = static_cast<double>(look.input.elapsed_s);
    device.silence_s = 0;
    const std::optional<DeviceTotals> totals = fleet.Get(device.id);
    if (!totals.has_value()) continue;
    device.cum = device.epoch = HistoryOf(*totals, rollout.spec.baseline_ms, now);
  }
  return look;
}

RehearsedCriterion Describe(const VerdictResult& result, double alpha) {
  RehearsedCriterion row;
  row.judged = result.ok;
  row.devices = result.m;
  row.limit = result.p0;
  row.promotable = result.ok && result.promotable;
  if (!result.ok) return row;
  const auto m = static_cast<double>(result.m);
  row.observed = static_cast<double>(result.x) / m;
  std::int64_t x = 0;
  while (x <= result.m && BinomialTail(x, result.m, result.p0) > alpha) ++x;
  row.detectable = static_cast<double>(x) / m;
  return row;
}

RehearsedCriterion Describe(const RatioResult& result, double limit) {
  RehearsedCriterion row;
  row.judged = result.ok;
  row.devices = result.m.value_or(0);
  row.limit = limit;
  row.promotable = result.ok && result.promotable;
  row.observed = result.theta;
  row.detectable = limit + result.b_rollback * result.se;
  return row;
}

std::vector<RehearsedCriterion> Describe(const JudgeInput& input, const JudgeOutput& output) {
  std::vector<RehearsedCriterion> rows;
  for (const auto& [key, result] : output.results) {
    // SCOPE/VERDICT_TEST or SCOPE/METRIC/WINDOW
    const std::size_t first = key.find('/');
    const std::size_t second = key.find('/', first + 1);
    if (second != std::string::npos && key.substr(second + 1) != "cumulative") continue;
    const std::string scope = key.substr(0, first);
    const std::string criterion = key.substr(first + 1, second - first - 1);
    RehearsedCriterion row;
    if (const auto* verdict = std::get_if<VerdictResult>(&result)) {
      row = Describe(*verdict, BudgetOf(input, scope == kFleetScope).verdict);
    } else {
      double limit = 0;
      for (const Metric metric : kMetrics) {
        if (criterion == MetricName(metric))
          limit = input.config.limits[static_cast<std::size_t>(metric)].value_or(0);
      }
      row = Describe(std::get<RatioResult>(result), limit);
    }
    row.criterion = criterion;
    row.scope = scope;
    rows.push_back(std::move(row));
  }
  return rows;
}

/// Who would speak against a promotion more loudly.
int Rank(Decision decision) {
  return decision == Decision::kRollBack ? 0 : decision == Decision::kPromote ? 2 : 1;
}

RehearsedStage RehearseStage(Rollout& rollout, const FleetTelemetry& fleet, BootMs now) {
  RehearsedStage rehearsed;
  for (auto& [device, member] : rollout.members) {
    if (member.stage == CurrentStage(rollout)) rehearsed.devices.push_back(device);
    if (member.stage != kNoStage) member.activated_at = now;
    member.settles_at.reset();
  }
  for (std::size_t i = 0; i < rollout.variants.size(); ++i) {
    if (rollout.variants[i].dropped) continue;
    const Look look = LookAtTheEnd(rollout, fleet, now, static_cast<std::int32_t>(i));
    const JudgeOutput output = JudgeLook(rollout, look);
    rollout.variants[i].judge = output.state;
    if (!rehearsed.criteria.empty() && Rank(output.decision) >= Rank(rehearsed.decision)) continue;
    rehearsed.criteria = Describe(look.input, output);
    rehearsed.decision = output.decision;
    rehearsed.sentence = output.sentence;
  }
  return rehearsed;
}

}  // namespace

Result<std::vector<RehearsedStage>> Rehearse(RolloutSpec spec, const Started& started,
                                             const FleetTelemetry& fleet, BootMs now) {
  for (StageSpec& stage : spec.stages) stage.approval = Approval::kNone;
  const std::size_t stages = spec.stages.size();
  Rollout rollout = CreateRollout("plan", std::move(spec));
  SLUICE_TRY(Step(rollout, {.now = now, .wall = {}, .body = started}));
  std::vector<RehearsedStage> rehearsed;
  while (true) {
    rehearsed.push_back(RehearseStage(rollout, fleet, now));
    if (rehearsed.size() == stages) return rehearsed;
    for (std::size_t i = 1; i < rollout.variants.size(); ++i) rollout.variants[i].dropped = true;
    SLUICE_TRY(Step(rollout, {.now = now, .wall = {}, .body = PromoteRequested{.to_stage = {}}}));
  }
}

}  // namespace sluice
