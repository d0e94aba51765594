// sluice-sim: runs simulated fleets by seed and says what did not hold, with the command that shows
// it again.

#include <CLI/CLI.hpp>
#include <cstdio>
#include <iostream>

#include "tests/sim/simulation.h"

namespace sluice::sim {
namespace {

struct Options {
  std::uint64_t seed = 1;
  std::uint64_t seeds = 1;
  int devices = 0;
  std::string watched;
  bool no_faults = false, trace = false, twice = false, variants = false;
};

bool RunSeed(const Options& options, std::uint64_t seed) {
  SimOptions sim;
  sim.seed = seed;
  sim.devices = options.devices;
  sim.faults = !options.no_faults;
  sim.variants = options.variants;
  if (options.trace) sim.trace = &std::cout;
  sim.watched = options.watched;
  SimOutcome outcome = RunSimulation(sim);
  if (options.twice && RunSimulation(sim).trace_hash != outcome.trace_hash) {
    outcome.violations.push_back("a second run went differently");
  }
  std::printf(
      "seed %llu: %d devices, v1 %s, v2 (%s) %s, %d engine and %d device crashes, %.0f virtual s, "
      "%llu steps\n",
      static_cast<unsigned long long>(seed), outcome.devices,
      RolloutStatusName(outcome.first).data(), FlawName(outcome.flaw).data(),
      RolloutStatusName(outcome.second).data(), outcome.engine_crashes, outcome.device_crashes,
      static_cast<double>(outcome.virtual_ms) / 1000,
      static_cast<unsigned long long>(outcome.steps));
  std::printf("  %s\n", outcome.why.c_str());
  for (const std::string& violation : outcome.violations)
    std::printf("  VIOLATED: %s\n", violation.c_str());
  if (!outcome.violations.empty()) {
    std::printf("  again: ./dev sluice-sim run --seed %llu%s%s --trace\n",
                static_cast<unsigned long long>(seed), options.no_faults ? " --no-faults" : "",
                options.variants ? " --variants" : "");
  }
  std::fflush(stdout);
  return outcome.violations.empty();
}

int Run(const Options& options) {
  std::uint64_t failed = 0;
  for (std::uint64_t i = 0; i < options.seeds; ++i)
    failed += RunSeed(options, options.seed + i) ? 0 : 1;
  if (options.seeds > 1) {
    std::printf("%llu seeds, %llu with violations\n",
                static_cast<unsigned long long>(options.seeds),
                static_cast<unsigned long long>(failed));
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace sluice::sim

int main(int argc, char** argv) {
  sluice::sim::Options options;
  CLI::App app{"Simulates whole fleets on a virtual clock"};
  app.require_subcommand(1);
  CLI::App* run = app.add_subcommand("run", "two rollouts per seed, in a world where things break");
  run->add_option("--seed", options.seed, "the first seed");
  run->add_option("--seeds", options.seeds, "how many, one after the other")
      ->check(CLI::Range(1, 1'000'000));
  run->add_option("--devices", options.devices, "fleet size; 0 = drawn from the seed")
      ->check(CLI::Range(0, 10'000));
  run->add_flag("--no-faults", options.no_faults, "a perfect network and no crash");
  run->add_flag("--variants", options.variants,
                "the second rollout compares v2 with a v2b that is good");
  run->add_flag("--trace", options.trace, "print what happens");
  run->add_option("--watch", options.watched, "with --trace: show every message of this device");
  run->add_flag("--twice", options.twice, "run each seed twice and compare");
  CLI11_PARSE(app, argc, argv);
  return sluice::sim::Run(options);
}
