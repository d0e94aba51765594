#include "rollout_engine/core/look_table.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "rollout_engine/core/judge_bounds.h"

namespace sluice {
namespace {

constexpr std::size_t kArms = 2;
constexpr double kNoCap = std::numeric_limits<double>::infinity();

const RatioCount& CountOf(const LookDevice& device, Metric metric, Window window) {
  return device.windows[static_cast<std::size_t>(window)][static_cast<std::size_t>(metric)];
}

RatioRow RowOf(const LookDevice& device, Metric metric, Window window) {
  const RatioCount& count = CountOf(device, metric, window);
  const RatioCount& history = device.pre[static_cast<std::size_t>(metric)];
  return {.n = count.n, .y = count.y, .pre_n = history.n, .pre_y = history.y};
}

bool IsUnhealthy(const LookDevice& device, const JudgeConfig& config) {
  const RatioCount& errors = CountOf(device, Metric::kErrorRate, Window::kCumulative);
  const RatioCount& slow = CountOf(device, Metric::kLatencyExceed, Window::kCumulative);
  const auto& error_limit = config.limits[static_cast<std::size_t>(Metric::kErrorRate)];
  const auto& slow_limit = config.limits[static_cast<std::size_t>(Metric::kLatencyExceed)];
  return (error_limit && IsGrosslyAbove(errors.y, errors.n, *error_limit)) ||
         (slow_limit && IsGrosslyAbove(slow.y, errors.n, *slow_limit));
}

}  // namespace

SnapshotDevices::SnapshotDevices(const JudgeInput& input) : input_(input) {
  // Few names are found sooner one by one than by their hash.
  constexpr std::size_t kFew = 16;
  const std::vector<std::string>& strata = input.config.strata;
  std::unordered_map<std::string_view, std::uint32_t> place_of;
  for (std::uint32_t i = 0; strata.size() > kFew && i < strata.size(); ++i)
    place_of.try_emplace(strata[i], i);
  const auto find = [&](std::string_view stratum) {
    if (strata.size() <= kFew)
      return static_cast<std::uint32_t>(std::ranges::find(strata, stratum) - strata.begin());
    const auto found = place_of.find(stratum);
    return found == place_of.end() ? static_cast<std::uint32_t>(strata.size()) : found->second;
  };
  stratum_of_.reserve(input.devices.size());
  arms_[static_cast<std::size_t>(Arm::kTest)].reserve(input.devices.size());
  for (const JudgedDevice& device : input.devices) {
    arms_[static_cast<std::size_t>(device.arm)].push_back(
        static_cast<std::uint32_t>(stratum_of_.size()));
    stratum_of_.push_back(find(device.stratum));
  }
}

void SnapshotDevices::ForEach(Arm arm, const Visit& visit) const {
  LookDevice device{.arm = arm};
  for (const std::uint32_t place : arms_[static_cast<std::size_t>(arm)]) {
    const JudgedDevice& listed = input_.devices[place];
    device.stratum = stratum_of_[place];
    device.since_activation_s = listed.since_activation_s;
    device.silence_s = listed.silence_s;
    device.crashes = listed.crashes;
    device.windows = {listed.cum, listed.epoch};
    device.pre = listed.pre ? *listed.pre : RatioCounts{};
    visit(device);
  }
}

/// The control arm first: what it does caps what one test device weighs.
LookTable::LookTable(const JudgeConfig& config, const LookDevices& devices)
    : config_(config), devices_(devices), groups_(GroupCount() * kArms) {
  Gather(Arm::kControl);
  FindCaps();
  Gather(Arm::kTest);
}

std::size_t LookTable::CellOf(Metric metric, Window window) {
  return static_cast<std::size_t>(window) * kMetricCount + static_cast<std::size_t>(metric);
}

const LookTable::Group& LookTable::GroupOf(std::size_t stratum, Arm arm) const {
  return groups_[stratum * kArms + static_cast<std::size_t>(arm)];
}

LookTable::Group& LookTable::GroupOf(std::size_t stratum, Arm arm) {
  return groups_[stratum * kArms + static_cast<std::size_t>(arm)];
}

void LookTable::Gather(Arm arm) {
  devices_.ForEach(arm, [this](const LookDevice& device) { Add(device); });
  for (std::size_t stratum = 0; stratum < GroupCount(); ++stratum) {
    Group& group = GroupOf(stratum, arm);
    if (!group.tile) continue;
    Flush(group);
    group.tile.reset();
    for (std::size_t cell = 0; cell < kCells; ++cell)
      group.moments[cell] = group.sums[cell].Moments();
  }
}

/// What a test row may weigh at most differs between the fleet and its stratum. Rows above the
/// smaller of the two are kept as they are.
void LookTable::FindCaps() {
  for (const Window window : kWindows) {
    for (const Metric metric : kMetrics) {
      const auto cap_of = [&](std::size_t scope) {
        const ArmSample control = Sample(scope, Arm::kControl, metric, window);
        return control.Rows() < 2 ? kNoCap : CapBy(control);
      };
      const double fleet = cap_of(kFleet);
      const std::size_t cell = CellOf(metric, window);
      for (std::size_t stratum = 0; stratum < GroupCount(); ++stratum) {
        const bool is_scope = stratum < config_.strata.size();
        GroupOf(stratum, Arm::kTest).heavy_above[cell] =
            std::min(fleet, is_scope ? cap_of(stratum + 1) : kNoCap);
      }
    }
  }
}

void LookTable::Add(const LookDevice& device) {
  Group& group = GroupOf(device.stratum, device.arm);
  ++group.devices;
  CountVerdicts(device, group);
  if (!group.tile) group.tile = std::make_unique_for_overwrite<Tile>();
  Tile& tile = *group.tile;
  const std::size_t row = tile.rows++;
  for (std::size_t metric = 0; metric < kMetricCount; ++metric) {
    for (std::size_t window = 0; window < kWindows.size(); ++window) {
      const RatioCount& count = device.windows[window][metric];
      tile.n[window * kMetricCount + metric][row] = count.n;
      tile.y[window * kMetricCount + metric][row] = count.y;
    }
    tile.pre_n[metric][row] = device.pre[metric].n;
    tile.pre_y[metric][row] = device.pre[metric].y;
    has_history_ |= device.pre[metric].n > 0;
  }
  if (tile.rows == RatioTile::kRows) Flush(group);
}

/// Lost and crashed: of the test arm only devices that had the time to be so. Unhealthy: only those
/// that worked. Of the control arm all.
void LookTable::CountVerdicts(const LookDevice& device, Group& group) const {
  const double grace_s = config_.interval_s * config_.grace_looks;
  const bool is_control = device.arm == Arm::kControl;
  const bool had_time = is_control || device.since_activation_s >= grace_s;
  const bool worked = is_control || CountOf(device, Metric::kErrorRate, Window::kCumulative).n > 0;
  const auto count = [&](VerdictTest test, bool counted, bool bad) {
    VerdictCount& verdict = group.verdicts[static_cast<std::size_t>(test)];
    verdict.m += counted ? 1 : 0;
    verdict.x += counted && bad ? 1 : 0;
  };
  count(VerdictTest::kLost, had_time, device.silence_s >= grace_s);
  count(VerdictTest::kCrash, had_time, device.crashes > 0);
  count(VerdictTest::kUnhealthy, worked, worked && IsUnhealthy(device, config_));
}

void LookTable::Flush(Group& group) {
  Tile& tile = *group.tile;
  if (tile.rows % 2 == 1) {
    for (auto* columns : {&tile.n, &tile.y}) {
      for (RatioTile::Column& column : *columns) column[tile.rows] = 0;
    }
    for (auto* columns : {&tile.pre_n, &tile.pre_y}) {
      for (RatioTile::Column& column : *columns) column[tile.rows] = 0;
    }
  }
  for (std::size_t cell = 0; cell < kCells; ++cell) {
    SetHeavyAside(group, cell);
    const std::size_t metric = cell % kMetricCount;
    group.sums[cell].Add(tile.n[cell], tile.y[cell], tile.pre_n[metric], tile.pre_y[metric],
                         tile.rows);
  }
  tile.rows = 0;
}

void LookTable::SetHeavyAside(Group& group, std::size_t cell) {
  const double above = group.heavy_above[cell];
  if (above <= 0 || above == kNoCap) return;  // 0: of the control arm, which has no cap
  Tile& tile = *group.tile;
  const std::size_t metric = cell % kMetricCount;
  std::int64_t heavy = 0;  // counted without a branch: most tiles have none
  for (std::size_t row = 0; row < tile.rows; ++row) heavy += tile.n[cell][row] > above ? 1 : 0;
  for (std::size_t row = 0; heavy > 0 && row < tile.rows; ++row) {
    if (tile.n[cell][row] <= above) continue;
    group.heavy[cell].push_back({.n = std::exchange(tile.n[cell][row], 0),
                                 .y = std::exchange(tile.y[cell][row], 0),
                                 .pre_n = tile.pre_n[metric][row],
                                 .pre_y = tile.pre_y[metric][row]});
  }
}

ArmSample LookTable::Sample(std::size_t scope, Arm arm, Metric metric, Window window) const {
  ArmSample sample;
  const std::size_t cell = CellOf(metric, window);
  const std::size_t first = scope == kFleet ? 0 : scope - 1;
  const std::size_t end = scope == kFleet ? GroupCount() : scope;
  for (std::size_t stratum = first; stratum < end; ++stratum) {
    const Group& group = GroupOf(stratum, arm);
    if (group.moments[cell].m > 0) sample.groups.push_back(&group.moments[cell]);
    sample.heavy.insert(sample.heavy.end(), group.heavy[cell].begin(), group.heavy[cell].end());
  }
  sample.list_rows = [this, scope, arm, metric, window] {
    return RowsOf(scope, arm, metric, window);
  };
  return sample;
}

std::vector<RatioRow> LookTable::RowsOf(std::size_t scope, Arm arm, Metric metric,
                                        Window window) const {
  std::vector<RatioRow> rows;
  devices_.ForEach(arm, [&](const LookDevice& device) {
    if (scope != kFleet && device.stratum + 1 != scope) return;
    if (CountOf(device, metric, window).n > 0) rows.push_back(RowOf(device, metric, window));
  });
  return rows;
}

VerdictCount LookTable::Verdicts(std::size_t scope, Arm arm, VerdictTest test) const {
  const auto of_group = [&](std::size_t stratum) {
    return GroupOf(stratum, arm).verdicts[static_cast<std::size_t>(test)];
  };
  if (scope != kFleet) return of_group(scope - 1);
  VerdictCount sum;
  for (std::size_t stratum = 0; stratum < GroupCount(); ++stratum) {
    sum.m += of_group(stratum).m;
    sum.x += of_group(stratum).x;
  }
  return sum;
}

bool LookTable::HasControl(std::size_t scope) const {
  if (scope != kFleet) return GroupOf(scope - 1, Arm::kControl).devices > 0;
  for (std::size_t stratum = 0; stratum < GroupCount(); ++stratum) {
    if (GroupOf(stratum, Arm::kControl).devices > 0) return true;
  }
  return false;
}

}  // namespace sluice
