#include "tests/sim/simulation.h"

#include <gtest/gtest.h>

namespace sluice::sim {
namespace {

SimOutcome RunPerfectWorld(Flaw flaw) {
  SimOptions options;
  options.seed = 7;
  options.devices = 60;
  options.faults = false;
  options.flaw = flaw;
  return RunSimulation(options);
}

TEST(Simulation, CompletesAGoodReleaseInAPerfectWorld) {
  const SimOutcome outcome = RunPerfectWorld(Flaw::kNone);
  EXPECT_EQ(outcome.violations, std::vector<std::string>{});
  EXPECT_EQ(outcome.first, RolloutStatus::kCompleted);
  EXPECT_EQ(outcome.second, RolloutStatus::kCompleted) << outcome.why;
}

TEST(Simulation, NeverActivatesWhatFailsValidationOrDoesNotLoad) {
  for (const Flaw flaw : {Flaw::kFailsValidation, Flaw::kDoesNotLoad}) {
    const SimOutcome outcome = RunPerfectWorld(flaw);
    EXPECT_EQ(outcome.violations, std::vector<std::string>{});
    EXPECT_EQ(outcome.second, RolloutStatus::kAborted) << outcome.why;
  }
}

TEST(Simulation, RollsBackWhatIsWorseInTheField) {
  for (const Flaw flaw : {Flaw::kWrongInTheField, Flaw::kErrors, Flaw::kSlow}) {
    const SimOutcome outcome = RunPerfectWorld(flaw);
    EXPECT_EQ(outcome.violations, std::vector<std::string>{});
    EXPECT_EQ(outcome.second, RolloutStatus::kRolledBack) << FlawName(flaw) << ": " << outcome.why;
  }
}

class SimulationSeeds : public ::testing::TestWithParam<std::uint64_t> {};

TEST_P(SimulationSeeds, KeepsItsPromisesInABrokenWorld) {
  SimOptions options;
  options.seed = GetParam();
  const SimOutcome outcome = RunSimulation(options);
  EXPECT_EQ(outcome.violations, std::vector<std::string>{})
      << "again: ./dev sluice-sim run --seed " << options.seed << " --trace";
  EXPECT_GT(outcome.engine_crashes + outcome.device_crashes, 0) << "nothing broke in this world";
}
INSTANTIATE_TEST_SUITE_P(Seeds, SimulationSeeds, ::testing::Range<std::uint64_t>(1, 25));

TEST(Simulation, GoesTheSameWayTwice) {
  SimOptions options;
  options.seed = 3;
  EXPECT_EQ(RunSimulation(options).trace_hash, RunSimulation(options).trace_hash);
}

}  // namespace
}  // namespace sluice::sim
