// A whole fleet in one thread on a virtual clock: the real engine, the real agents, a broken world
// between them.
//
// Everything is drawn from one seed; the same seed gives the same run, event by event.
#pragma once

#include <iosfwd>

#include "tests/sim/device_invariants.h"
#include "tests/sim/invariants.h"
#include "tests/sim/sim_device.h"
#include "tests/sim/sim_engine.h"

namespace sluice::sim {

/// What is wrong with the second release.
enum class Flaw : std::uint8_t {
  kNone,
  kFailsValidation,
  kDoesNotLoad,
  kWrongInTheField,
  kErrors,
  kSlow
};
inline constexpr int kFlawCount = 6;
std::string_view FlawName(Flaw flaw) noexcept;

struct SimOptions {
  std::uint64_t seed = 1;
  int devices = 0;                // 0 = drawn, 55 to 90
  bool faults = true;             // false: a perfect network, no crash
  std::optional<Flaw> flaw;       // nothing = drawn
  bool variants = false;          // the second rollout compares v2 with a v2b that is good
  std::ostream* trace = nullptr;  // one line per event worth reading
  std::string watched;            // with `trace`: a device, every message of which is shown
};

struct SimOutcome {
  std::vector<std::string> violations;
  Flaw flaw = Flaw::kNone;
  RolloutStatus first = RolloutStatus::kScheduled, second = RolloutStatus::kScheduled;
  std::string first_why, why;    // of each rollout's end
  bool first_was_asked = false;  // whether a person approves
  std::string second_release;    // that the second rollout ended with, if it was completed
  int devices = 0;
  int second_installs = 0;  // switches to the second release
  int engine_crashes = 0, device_crashes = 0;
  std::uint64_t steps = 0;
  std::int64_t virtual_ms = 0;
  std::uint64_t trace_hash = 0;  // over everything observed, in order
};

SimOutcome RunSimulation(const SimOptions& options);

}  // namespace sluice::sim
