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

TEST(Simulation, GoesTheSameWayTwice) {
  SimOptions options;
  options.seed = 3;
  options.faults = false;
  EXPECT_EQ(RunSimulation(options).trace_hash, RunSimulation(options).trace_hash);
}

}  // namespace
}  // namespace sluice::sim
