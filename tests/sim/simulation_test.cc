#include "tests/sim/simulation.h"

#include <gmock/gmock.h>
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

TEST(Simulation, BringsAModelsFirstReleaseToEmptyDevicesAgainstAbsoluteLimitsAndAsksNobody) {
  const SimOutcome outcome = RunPerfectWorld(Flaw::kNone);
  EXPECT_EQ(outcome.first, RolloutStatus::kCompleted);
  EXPECT_THAT(outcome.first_why, testing::HasSubstr("no control arm (first release)"));
  EXPECT_FALSE(outcome.first_was_asked);
}

SimOutcome CompareVariants(Flaw flaw) {
  SimOptions options;
  options.seed = 7;
  options.devices = 120;  // 27 of each variant in the first stage
  options.faults = false;
  options.flaw = flaw;
  options.variants = true;
  return RunSimulation(options);
}

TEST(Simulation, BringsOneOfTwoGoodVariantsToEverybody) {
  const SimOutcome outcome = CompareVariants(Flaw::kNone);
  EXPECT_EQ(outcome.violations, std::vector<std::string>{});
  EXPECT_EQ(outcome.second, RolloutStatus::kCompleted) << outcome.why;
}

TEST(Simulation, DropsTheVariantThatIsWorseInTheFieldAndBringsTheOther) {
  for (const Flaw flaw : {Flaw::kWrongInTheField, Flaw::kErrors}) {
    const SimOutcome outcome = CompareVariants(flaw);
    EXPECT_EQ(outcome.violations, std::vector<std::string>{});
    EXPECT_EQ(outcome.second, RolloutStatus::kCompleted) << FlawName(flaw) << ": " << outcome.why;
    EXPECT_EQ(outcome.second_release, "detector-v2b");
  }
}

TEST(Simulation, NeverActivatesWhatFailsValidationOrDoesNotLoad) {
  for (const Flaw flaw : {Flaw::kFailsValidation, Flaw::kDoesNotLoad}) {
    const SimOutcome outcome = RunPerfectWorld(flaw);
    EXPECT_EQ(outcome.violations, std::vector<std::string>{});
    EXPECT_EQ(outcome.second, RolloutStatus::kAborted) << outcome.why;
    EXPECT_EQ(outcome.second_installs, 0);
  }
}

TEST(Simulation, RollsBackWhatIsWorseInTheField) {
  for (const Flaw flaw : {Flaw::kWrongInTheField, Flaw::kErrors, Flaw::kSlow}) {
    const SimOutcome outcome = RunPerfectWorld(flaw);
    EXPECT_EQ(outcome.violations, std::vector<std::string>{});
    EXPECT_EQ(outcome.second, RolloutStatus::kRolledBack) << FlawName(flaw) << ": " << outcome.why;
    EXPECT_GT(outcome.second_installs, 0) << "what no device ran was not found in the field";
  }
}

SimOutcome RunBrokenWorld(std::uint64_t seed) {
  SimOptions options;
  options.seed = seed;
  return RunSimulation(options);
}

std::string ReplayCommand(std::uint64_t seed) {
  return "replay it: ./dev sluice-sim run --seed " + std::to_string(seed) + " --trace";
}

class BrokenWorld : public testing::TestWithParam<std::uint64_t> {};

TEST_P(BrokenWorld, HoldsWhatIsPromisedAndComesToRest) {
  const SimOutcome outcome = RunBrokenWorld(GetParam());
  EXPECT_EQ(outcome.violations, std::vector<std::string>{}) << ReplayCommand(GetParam());
  EXPECT_GT(outcome.device_crashes, 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, BrokenWorld,
                         testing::Range<std::uint64_t>(1, 1 + SLUICE_SIM_SEEDS));

class BrokenWorldWithVariants : public testing::TestWithParam<std::uint64_t> {};

TEST_P(BrokenWorldWithVariants, HoldsWhatIsPromisedAndComesToRest) {
  SimOptions options;
  options.seed = GetParam();
  options.variants = true;
  EXPECT_EQ(RunSimulation(options).violations, std::vector<std::string>{})
      << ReplayCommand(GetParam()) << " --variants";
}

INSTANTIATE_TEST_SUITE_P(Seeds, BrokenWorldWithVariants,
                         testing::Range<std::uint64_t>(101, 102 + SLUICE_SIM_SEEDS / 3));

TEST(Simulation, GoesTheSameWayTwiceAndAnotherWithAnotherSeed) {
  const std::uint64_t way = RunBrokenWorld(3).trace_hash;
  EXPECT_EQ(RunBrokenWorld(3).trace_hash, way)
      << "it must not depend on addresses or time; " << ReplayCommand(3);
  EXPECT_NE(RunBrokenWorld(4).trace_hash, way);
}

}  // namespace
}  // namespace sluice::sim
