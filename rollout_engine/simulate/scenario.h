// What a simulated release does to its devices, by name: the allowed ones must not be rolled back,
// the bad ones must not be promoted.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace sluice {

/// A healthy fleet, in both arms; what a scenario leaves out stays as here.
inline constexpr double kHealthyErrorRate = 3e-4;
inline constexpr double kHealthySlowShare = 0.00215;  // lognormal, p99 40 ms: slower than 50 ms
inline constexpr double kHealthyAccuracy = 0.93;

struct Scenario {
  std::string_view name;
  std::string_view text;
  bool is_bad = false;
  // Of the test arm, from `from_s` of each device's uptime on: means over its devices.
  std::optional<double> error_rate = std::nullopt;
  std::optional<double> slow_share = std::nullopt;
  double accuracy_drop = 0;
  double from_s = 0;
  bool rarest_hardware_only = false;
  // Shares of its devices.
  double bricked = 0;  // silent from the switch on
  double crashing = 0;
  double lying = 0;  // say that every answer was an error
  // Of both arms.
  double load = 1;
  double outage_error_factor = 1;
  double outage_from_s = 0, outage_until_s = 0;  // since the stage's start
};

std::span<const Scenario> Scenarios() noexcept;
/// Null when there is no such scenario.
const Scenario* FindScenario(std::string_view name) noexcept;

}  // namespace sluice
