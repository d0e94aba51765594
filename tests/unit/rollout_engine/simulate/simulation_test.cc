#include "rollout_engine/simulate/simulation.h"

#include <gtest/gtest.h>

#include "rollout_engine/config/rollout_yaml.h"
#include "rollout_engine/simulate/plot.h"
#include "rollout_engine/simulate/synthetic_device.h"

namespace sluice {
namespace {

constexpr std::string_view kFile = R"(rollout:
  model_version: "m"
  stages:
    - name: canary
      target_percent: 5
      duration_hours: 4
      max_duration_hours: 4
      success_criteria: {accuracy_drop_max: 0.02, error_rate_max: 0.001, latency_p99_max_ms: 50}
    - {name: all, target_percent: 100}
)";

SimulationOptions Options(std::size_t fleet, std::int32_t runs) {
  SimulationOptions options{.runs = runs, .seed = 7};
  options.stage.spec = ParseRolloutYaml(kFile).value();
  options.stage.fleet = fleet;
  return options;
}

SimulationSummary Simulate(const char* scenario, DecisionRule rule = DecisionRule::kEvidence,
                           std::size_t fleet = 1'000, std::int32_t runs = 6) {
  return Summarise(SimulateRuns(Options(fleet, runs), *FindScenario(scenario), rule));
}

TEST(Simulation, GivesTheSameRunsOnAnyNumberOfThreads) {
  SimulationOptions options = Options(1'000, 5);
  const Scenario& scenario = *FindScenario("errors-0.2pct");
  const auto one = SimulateRuns(options, scenario, DecisionRule::kEvidence);
  options.threads = 3;
  EXPECT_EQ(SimulateRuns(options, scenario, DecisionRule::kEvidence), one);
  options.seed = 8;
  EXPECT_NE(SimulateRuns(options, scenario, DecisionRule::kEvidence), one);
}

TEST(Simulation, TellsOfEachRunThatIsDone) {
  SimulationOptions options = Options(200, 4);
  options.threads = 2;
  std::vector<std::int32_t> told;
  SimulateRuns(options, *FindScenario("brick"), DecisionRule::kEvidence,
               [&](std::int32_t done) { told.push_back(done); });
  EXPECT_EQ(told, (std::vector<std::int32_t>{1, 2, 3, 4}));
}

TEST(Simulation, EvidenceLeavesAHealthyReleaseAloneAndThePointEstimateDoesNot) {
  EXPECT_EQ(Simulate("healthy").rolled_back, 0);
  EXPECT_EQ(Simulate("healthy", DecisionRule::kPointEstimate).rolled_back, 6);
}

TEST(Simulation, ABrickIsFoundBeforeTheRampGrows) {
  const SimulationSummary brick = Simulate("brick", DecisionRule::kEvidence, 20'000, 2);
  EXPECT_EQ(brick.rolled_back, 2);
  EXPECT_LE(brick.minutes_max, 30);
  EXPECT_LE(brick.exposed_max, 25);
}

TEST(Simulation, GrossErrorsAreFoundInMinutes) {
  const SimulationSummary errors = Simulate("errors-2pct");
  EXPECT_EQ(errors.rolled_back, 6);
  EXPECT_LE(errors.minutes_median, 20);
}

TEST(Simulation, NothingThatIsAllowedIsRolledBackAndNothingBadPromoted) {
  for (const Scenario& scenario : Scenarios()) {
    if (scenario.from_s > 0) continue;  // begins after these four hours
    const SimulationSummary summary =
        Simulate(std::string(scenario.name).c_str(), DecisionRule::kEvidence, 2'000, 2);
    EXPECT_EQ(scenario.is_bad ? summary.promoted_with_evidence : summary.rolled_back, 0)
        << scenario.name;
  }
}

TEST(Simulation, AFleetOfAnySizeHasItsShares) {
  for (const std::size_t fleet : {1U, 2U, 30U}) {
    const auto result =
        RunStage(Options(fleet, 1).stage, *FindScenario("healthy"), DecisionRule::kEvidence, 3);
    EXPECT_NE(result.end, StageEnd::kRolledBack) << fleet;
    EXPECT_LE(result.exposed, fleet);
  }
  int kiosks = 0;
  for (std::size_t i = 0; i < 1'000; ++i)
    kiosks += SyntheticDevice::HardwareOf(i) == kSimulatedHardware.back().name ? 1 : 0;
  EXPECT_EQ(kiosks, 30);
}

TEST(Simulation, BoundsAShareFromAboveAsClopperAndPearsonDo) {
  EXPECT_NEAR(UpperBound95(0, 2'000), 1 - std::pow(0.05, 1.0 / 2'000), 1e-12);
  EXPECT_NEAR(UpperBound95(0, 560), 0.0053353, 1e-7);
  EXPECT_NEAR(UpperBound95(1, 10), 0.394163, 1e-6);
  EXPECT_EQ(UpperBound95(3, 3), 1);
}

TEST(Simulation, DrawsARunWithItsSentence) {
  const std::string svg = PlotRun(Options(1'000, 1).stage, *FindScenario("errors-2pct"), 7);
  EXPECT_TRUE(svg.starts_with("<svg ")) << svg.substr(0, 80);
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_NE(svg.find("rolled back at "), std::string::npos);
  EXPECT_NE(svg.find("&gt; 0.001"), std::string::npos);
  EXPECT_EQ(svg, PlotRun(Options(1'000, 1).stage, *FindScenario("errors-2pct"), 7));
}

}  // namespace
}  // namespace sluice
