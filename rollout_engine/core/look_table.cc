#include "rollout_engine/core/look_table.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "rollout_engine/core/judge_bounds.h"

namespace sluice {
namespace {

const RatioCount& CountOf(const JudgedDevice& device, Metric metric, Window window) {
  const auto index = static_cast<std::size_t>(metric);
  return window == Window::kCumulative ? device.cum[index] : device.epoch[index];
}

RatioRow RowOf(const JudgedDevice& device, Metric metric, Window window) {
  const RatioCount& count = CountOf(device, metric, window);
  RatioRow row{.n = count.n, .y = count.y};
  if (device.pre.has_value()) {
    const RatioCount& history = (*device.pre)[static_cast<std::size_t>(metric)];
    row.pre_n = history.n;
    row.pre_y = history.y;
  }
  return row;
}

bool IsUnhealthy(const JudgedDevice& device, const JudgeConfig& config) {
  const RatioCount& errors = device.cum[static_cast<std::size_t>(Metric::kErrorRate)];
  const RatioCount& slow = device.cum[static_cast<std::size_t>(Metric::kLatencyExceed)];
  const auto error_limit = config.limits[static_cast<std::size_t>(Metric::kErrorRate)];
  const auto slow_limit = config.limits[static_cast<std::size_t>(Metric::kLatencyExceed)];
  return (error_limit && IsGrosslyAbove(errors.y, errors.n, *error_limit)) ||
         (slow_limit && IsGrosslyAbove(slow.y, errors.n, *slow_limit));
}

}  // namespace

LookTable::LookTable(const JudgeInput& input) : input_(input) {
  FindGroups();
  FillRows();
}

std::size_t LookTable::PlaceOf(Arm arm, Metric metric, Window window) {
  return (static_cast<std::size_t>(window) * kMetricCount + static_cast<std::size_t>(metric)) *
             kArms +
         static_cast<std::size_t>(arm);
}

void LookTable::FindGroups() {
  std::unordered_map<std::string_view, std::uint32_t> index_of;
  for (std::uint32_t i = 0; i < input_.config.strata.size(); ++i)
    index_of.try_emplace(input_.config.strata[i], i);
  const auto of_none = static_cast<std::uint32_t>(input_.config.strata.size());
  verdicts_.resize(Groups());
  controls_.resize(Groups());
  for (Block& block : blocks_) block.ends.resize(Groups());
  group_of_.reserve(input_.devices.size());
  for (const JudgedDevice& device : input_.devices) {
    const auto found = index_of.find(device.stratum);
    const std::uint32_t group = found == index_of.end() ? of_none : found->second;
    group_of_.push_back(group);
    if (device.arm == Arm::kControl) ++controls_[group];
    CountVerdicts(device, group);
    for (const Window window : kWindows) {
      for (const Metric metric : kMetrics) {
        if (CountOf(device, metric, window).n > 0)
          ++blocks_[PlaceOf(device.arm, metric, window)].ends[group];
      }
    }
  }
}

/// Lost and crashed: of the test arm only devices that had the time to be so. Unhealthy: only those
/// that worked. Of the control arm all.
void LookTable::CountVerdicts(const JudgedDevice& device, std::size_t group) {
  const JudgeConfig& config = input_.config;
  const double grace_s = config.interval_s * config.grace_looks;
  const bool is_control = device.arm == Arm::kControl;
  const bool had_time = is_control || device.since_activation_s >= grace_s;
  const bool worked = is_control || device.cum[static_cast<std::size_t>(Metric::kErrorRate)].n > 0;
  auto& counts = verdicts_[group][static_cast<std::size_t>(device.arm)];
  const auto count = [&](VerdictTest test, bool counted, bool bad) {
    VerdictCount& verdict = counts[static_cast<std::size_t>(test)];
    verdict.m += counted ? 1 : 0;
    verdict.x += counted && bad ? 1 : 0;
  };
  count(VerdictTest::kLost, had_time, device.silence_s >= grace_s);
  count(VerdictTest::kCrash, had_time, device.crashes > 0);
  count(VerdictTest::kUnhealthy, worked, worked && IsUnhealthy(device, config));
}

void LookTable::FillRows() {
  // Until a group is filled its end is its beginning.
  for (Block& block : blocks_) {
    std::size_t rows = 0;
    for (std::size_t& end : block.ends) rows += std::exchange(end, rows);
    block.rows.resize(rows);
  }
  for (std::size_t i = 0; i < input_.devices.size(); ++i) {
    const JudgedDevice& device = input_.devices[i];
    for (const Window window : kWindows) {
      for (const Metric metric : kMetrics) {
        const RatioRow row = RowOf(device, metric, window);
        if (row.n <= 0) continue;
        Block& block = blocks_[PlaceOf(device.arm, metric, window)];
        block.rows[block.ends[group_of_[i]]++] = row;
      }
    }
  }
}

std::span<const RatioRow> LookTable::Rows(std::size_t scope, Arm arm, Metric metric,
                                          Window window) const {
  const Block& block = blocks_[PlaceOf(arm, metric, window)];
  if (scope == kFleet) return block.rows;
  const std::size_t begin = scope == 1 ? 0 : block.ends[scope - 2];
  return std::span(block.rows).subspan(begin, block.ends[scope - 1] - begin);
}

std::vector<RatioRow> LookTable::TestRowsInOrder(std::size_t scope, Metric metric,
                                                 Window window) const {
  std::vector<RatioRow> rows;
  for (std::size_t i = 0; i < input_.devices.size(); ++i) {
    const JudgedDevice& device = input_.devices[i];
    if (device.arm != Arm::kTest || (scope != kFleet && group_of_[i] + 1 != scope)) continue;
    if (CountOf(device, metric, window).n > 0) rows.push_back(RowOf(device, metric, window));
  }
  return rows;
}

VerdictCount LookTable::Verdicts(std::size_t scope, Arm arm, VerdictTest test) const {
  const auto of_group = [&](std::size_t group) {
    return verdicts_[group][static_cast<std::size_t>(arm)][static_cast<std::size_t>(test)];
  };
  if (scope != kFleet) return of_group(scope - 1);
  VerdictCount sum;
  for (std::size_t group = 0; group < Groups(); ++group) {
    sum.m += of_group(group).m;
    sum.x += of_group(group).x;
  }
  return sum;
}

bool LookTable::HasControl(std::size_t scope) const {
  if (scope != kFleet) return controls_[scope - 1] > 0;
  return std::ranges::any_of(controls_, [](std::size_t count) { return count > 0; });
}

}  // namespace sluice
