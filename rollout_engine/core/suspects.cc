#include "rollout_engine/core/suspects.h"

#include <algorithm>
#include <utility>

#include "rollout_engine/core/judge_bounds.h"
#include "rollout_engine/core/judge_scope.h"

namespace sluice {
namespace {

using Weighted = std::vector<std::pair<double, std::string>>;  // how loudly each device speaks

bool IsFinding(const TestResult& result) {
  if (const auto* verdict = std::get_if<VerdictResult>(&result))
    return verdict->ok && verdict->exceeds;
  const auto& ratio = std::get<RatioResult>(result);
  return ratio.ok && (ratio.exceeds || ratio.env_shared.value_or(false));
}

bool IsOfScope(const JudgedDevice& device, const std::string& scope) {
  return device.arm == Arm::kTest && (scope == kFleetScope || device.stratum == scope);
}

std::vector<std::string> Loudest(Weighted weighted, std::size_t count) {
  std::ranges::sort(weighted, [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::vector<std::string> devices;
  for (const auto& [weight, id] : weighted) {
    if (devices.size() == std::min(count, kSuspectsMax)) break;
    devices.push_back(id);
  }
  return devices;
}

std::vector<std::string> OfRatio(const JudgeInput& input, const std::string& scope, Metric metric,
                                 Window window) {
  const auto index = static_cast<std::size_t>(metric);
  const auto count_of = [&](const JudgedDevice& device) {
    return (window == Window::kCumulative ? device.cum : device.epoch)[index];
  };
  RatioCount sum;
  for (const JudgedDevice& device : input.devices) {
    if (!IsOfScope(device, scope)) continue;
    sum.n += count_of(device).n;
    sum.y += count_of(device).y;
  }
  if (sum.n <= 0) return {};
  const double sign = metric == Metric::kAccuracyDrop ? -1 : 1;
  Weighted weighted;
  for (const JudgedDevice& device : input.devices) {
    const RatioCount count = count_of(device);
    if (!IsOfScope(device, scope) || count.n <= 0) continue;
    weighted.emplace_back(sign * (count.y - sum.y / sum.n * count.n), device.id);
  }
  const std::size_t few = TrimmedCount(input.config.tau, weighted.size());
  return Loudest(std::move(weighted), std::max<std::size_t>(few, 1));
}

double WeightIn(const JudgeConfig& config, const JudgedDevice& device, VerdictTest test) {
  const double grace_s = config.interval_s * config.grace_looks;
  const auto above = [&](Metric metric) {
    const auto index = static_cast<std::size_t>(metric);
    const RatioCount& count = device.cum[index];
    return config.limits[index].has_value() &&
           IsGrosslyAbove(count.y, count.n, *config.limits[index]);
  };
  switch (test) {
    case VerdictTest::kLost:
      return device.since_activation_s >= grace_s && device.silence_s >= grace_s ? device.silence_s
                                                                                 : 0;
    case VerdictTest::kCrash:
      return device.crashes;
    case VerdictTest::kUnhealthy:
      return above(Metric::kErrorRate) || above(Metric::kLatencyExceed) ? 1 : 0;
  }
  return 0;
}

std::vector<std::string> OfVerdict(const JudgeInput& input, const std::string& scope,
                                   VerdictTest test) {
  Weighted weighted;
  for (const JudgedDevice& device : input.devices) {
    if (!IsOfScope(device, scope)) continue;
    if (const double weight = WeightIn(input.config, device, test); weight > 0)
      weighted.emplace_back(weight, device.id);
  }
  return Loudest(std::move(weighted), kSuspectsMax);
}

/// "SCOPE/METRIC/WINDOW" or "SCOPE/VERDICT_TEST"
std::vector<std::string> DevicesBehind(const JudgeInput& input, const std::string& scope,
                                       const std::string& key) {
  const Scope named{.name = scope, .is_fleet = scope == kFleetScope};
  for (const Window window : {Window::kCumulative, Window::kEpoch}) {
    for (const Metric metric : kMetrics) {
      if (key == RatioKey(named, metric, window)) return OfRatio(input, scope, metric, window);
    }
  }
  for (const VerdictTest test : kVerdictTests) {
    if (key == VerdictKey(named, test)) return OfVerdict(input, scope, test);
  }
  return {};
}

}  // namespace

Suspects FindSuspects(const JudgeInput& input, const JudgeOutput& output) {
  // The order of the results is that of people's concern but for the metrics, which come first in a
  // scope.
  const std::pair<std::string, TestResult>* first = nullptr;
  for (const auto& result : output.results) {
    if (!IsFinding(result.second)) continue;
    const std::string scope = result.first.substr(0, result.first.find('/'));
    const bool same_scope = first != nullptr && first->first.starts_with(scope + "/");
    const bool sooner = same_scope && std::holds_alternative<VerdictResult>(first->second) &&
                        std::holds_alternative<RatioResult>(result.second);
    if (first == nullptr || sooner) first = &result;
  }
  if (first == nullptr) return {};
  Suspects suspects{.scope = first->first.substr(0, first->first.find('/')), .devices = {}};
  suspects.devices = DevicesBehind(input, suspects.scope, first->first);
  return suspects;
}

}  // namespace sluice
