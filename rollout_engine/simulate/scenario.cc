#include "rollout_engine/simulate/scenario.h"

#include <algorithm>
#include <array>

namespace sluice {
namespace {

constexpr double kMinute = 60;

constexpr std::array kScenarios = {
    Scenario{.name = "healthy", .text = "the new release is the old one (A/A)"},
    Scenario{.name = "better", .text = "half the errors", .error_rate = kHealthyErrorRate / 2},
    Scenario{.name = "worse-within", .text = "errors 0.05 %", .error_rate = 0.0005},
    Scenario{.name = "at-limit", .text = "errors exactly 0.1 %", .error_rate = 0.001},
    Scenario{.name = "environment",
             .text = "errors x 50 in both arms for two hours",
             .outage_error_factor = 50,
             .outage_from_s = 300 * kMinute,
             .outage_until_s = 420 * kMinute},
    Scenario{.name = "sparse", .text = "devices that work 1/50 as much", .load = 0.02},
    Scenario{.name = "malicious", .text = "1 % of the devices lie", .lying = 0.01},
    Scenario{.name = "errors-2pct", .text = "errors 2 %", .is_bad = true, .error_rate = 0.02},
    Scenario{.name = "errors-0.2pct", .text = "errors 0.2 %", .is_bad = true, .error_rate = 0.002},
    Scenario{.name = "latency", .text = "p99 40 -> 60 ms", .is_bad = true, .slow_share = 0.0292},
    Scenario{
        .name = "brick", .text = "every device dies in the switch", .is_bad = true, .bricked = 1},
    Scenario{
        .name = "brick-part", .text = "30 % die in the switch", .is_bad = true, .bricked = 0.3},
    Scenario{.name = "crash-loop", .text = "40 % crash", .is_bad = true, .crashing = 0.4},
    Scenario{.name = "leak",
             .text = "errors 1 % after 600 minutes of uptime",
             .is_bad = true,
             .error_rate = 0.01,
             .from_s = 600 * kMinute},
    Scenario{
        .name = "accuracy", .text = "accuracy 0.03 lower", .is_bad = true, .accuracy_drop = 0.03},
    Scenario{.name = "hardware",
             .text = "errors 2 % on the rarest hardware (3 %)",
             .is_bad = true,
             .error_rate = 0.02,
             .rarest_hardware_only = true},
};

}  // namespace

std::span<const Scenario> Scenarios() noexcept { return kScenarios; }

const Scenario* FindScenario(std::string_view name) noexcept {
  const auto* const found = std::ranges::find(kScenarios, name, &Scenario::name);
  return found == kScenarios.end() ? nullptr : found;
}

}  // namespace sluice
