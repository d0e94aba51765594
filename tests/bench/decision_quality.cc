#include "tests/bench/decision_quality.h"

#include <chrono>
#include <cstdio>
#include <thread>

#include "common/base/check.h"
#include "rollout_engine/config/rollout_yaml.h"
#include "rollout_engine/simulate/simulation.h"

namespace sluice::bench {
namespace {

// The stage that the figures of the judge's specification were measured with.
constexpr std::string_view kFile = R"(rollout:
  model_version: "detector-v3.2"
  stages:
    - name: canary
      target_percent: 5
      duration_hours: 24
      max_duration_hours: 24
      success_criteria: {accuracy_drop_max: 0.02, error_rate_max: 0.001, latency_p99_max_ms: 50}
    - {name: general, target_percent: 100}
  rollback: {auto_rollback: true, health_check_interval_sec: 300}
)";

constexpr std::size_t kSmallFleet = 1'000, kFleet = 10'000, kLargeFleet = 1'000'000;
constexpr std::uint64_t kSeed = 20261128;

struct Numbers {
  std::int32_t healthy_runs, scenario_runs, large_runs;
};
constexpr Numbers kFull = {2'000, 40, 5};
constexpr Numbers kQuick = {10, 2, 1};

struct Measured {
  SimulationSummary evidence, point;
};

class Quality {
 public:
  explicit Quality(bool quick) : numbers_(quick ? kQuick : kFull) {
    auto spec = ParseRolloutYaml(kFile);
    SLUICE_CHECK(spec.has_value());
    options_.stage.spec = std::move(*spec);
    options_.seed = kSeed;
    options_.threads = static_cast<std::int32_t>(std::max(1U, std::thread::hardware_concurrency()));
  }

  DecisionQuality Run() {
    for (const std::size_t fleet : {kSmallFleet, kFleet}) {
      const Measured healthy = Compare("healthy", fleet, numbers_.healthy_runs);
      AtMost(
          "healthy releases rolled back, fleet of " + std::to_string(fleet) + ", 95 % upper bound",
          healthy.evidence.rolled_back_upper95, 0.01);
    }
    double promoted = 0, false_rollbacks = 0, wrong = 0, point_wrong = 0;
    for (const Scenario& scenario : Scenarios()) {
      if (scenario.name == "healthy") continue;
      for (const std::size_t fleet : {kSmallFleet, kFleet}) {
        const Measured measured = Compare(scenario.name, fleet, numbers_.scenario_runs);
        if (scenario.name == "errors-2pct") {
          AtMost("errors 2 %, fleet of " + std::to_string(fleet) + ", median minutes",
                 measured.evidence.minutes_median, 20);
        }
        promoted += scenario.is_bad ? measured.evidence.promoted_with_evidence : 0;
        false_rollbacks += scenario.is_bad ? 0 : measured.evidence.rolled_back;
        wrong += Wrong(scenario, measured.evidence);
        point_wrong += Wrong(scenario, measured.point);
      }
    }
    AtMost("bad releases promoted with at least 4 affected devices", promoted, 0);
    AtMost("allowed releases rolled back", false_rollbacks, 0);
    AtMost("wrong ends, share of the point estimate's", wrong / std::max(1.0, point_wrong), 0.1);

    const Measured brick = Compare("brick", kLargeFleet, numbers_.large_runs);
    AtMost("total brick, fleet of 1,000,000, minutes at most", brick.evidence.minutes_max, 30);
    AtMost("total brick, fleet of 1,000,000, devices exposed at most", brick.evidence.exposed_max,
           25);
    AtMost("total brick, runs not rolled back", brick.evidence.runs - brick.evidence.rolled_back,
           0);
    return std::move(quality_);
  }

 private:
  static double Wrong(const Scenario& scenario, const SimulationSummary& summary) {
    return scenario.is_bad ? summary.promoted : summary.rolled_back;
  }

  void AtMost(std::string name, double value, double goal) {
    quality_.goals.push_back({.name = std::move(name), .value = value, .goal = goal});
  }

  Measured Compare(std::string_view name, std::size_t fleet, std::int32_t runs) {
    const Scenario& scenario = *FindScenario(name);
    return {.evidence = Measure(scenario, fleet, runs, DecisionRule::kEvidence, "evidence"),
            .point = Measure(scenario, fleet, runs, DecisionRule::kPointEstimate,
                             "point estimate (alternative)")};
  }

  SimulationSummary Measure(const Scenario& scenario, std::size_t fleet, std::int32_t runs,
                            DecisionRule rule, const char* rule_name) {
    const auto start = std::chrono::steady_clock::now();
    options_.stage.fleet = fleet;
    options_.runs = runs;
    const SimulationSummary summary = Summarise(SimulateRuns(options_, scenario, rule));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    std::printf(
        "%-14s %8zu %-30s %5d runs: %5d rolled back, %5d held, %5d promoted; median %6.1f min, "
        "exposed %6.0f; %.1f s\n",
        std::string(scenario.name).c_str(), fleet, rule_name, runs, summary.rolled_back,
        summary.held, summary.promoted, summary.minutes_median, summary.exposed_median,
        took.count());
    std::fflush(stdout);
    quality_.rows.push_back({{"scenario", scenario.name},
                             {"bad", scenario.is_bad},
                             {"fleet", fleet},
                             {"rule", rule_name},
                             {"runs", runs},
                             {"rolled_back", summary.rolled_back},
                             {"rolled_back_upper95", summary.rolled_back_upper95},
                             {"held", summary.held},
                             {"promoted", summary.promoted},
                             {"promoted_with_evidence", summary.promoted_with_evidence},
                             {"minutes_median", summary.minutes_median},
                             {"minutes_max", summary.minutes_max},
                             {"exposed_median", summary.exposed_median},
                             {"exposed_max", summary.exposed_max},
                             {"seconds", took.count()}});
    return summary;
  }

  const Numbers numbers_;
  SimulationOptions options_;
  DecisionQuality quality_;
};

}  // namespace

DecisionQuality MeasureDecisions(bool quick) { return Quality(quick).Run(); }

}  // namespace sluice::bench
