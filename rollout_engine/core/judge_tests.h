// One statistical question of a look: is this criterion shown violated, shown satisfied, or
// neither?
#pragma once

#include <cstdint>
#include <optional>

#include "rollout_engine/core/judge_snapshot.h"
#include "rollout_engine/core/look_table.h"

namespace sluice {

/// What a scope's test arm is compared with.
enum class Comparison : std::uint8_t {
  kConcurrent,  // the control devices of the same scope
  kFormer,      // the last control that there was, and each device's own past
  kAbsolute,    // nothing: a model's first release
};

struct RatioQuestion {
  std::size_t scope = LookTable::kFleet;
  Metric metric = Metric::kErrorRate;
  Window window = Window::kCumulative;
  Comparison comparison = Comparison::kConcurrent;
  double limit = 0;
  double alpha = 0;
  double promote_alpha = 0.05;
  double tau = 0;
  std::int32_t min_devices = 20;              // for promotion
  std::optional<double> iref = std::nullopt;  // of an earlier look
  const FormerControl* former = nullptr;      // REQUIRES non-null iff kFormer
};
struct RatioAnswer {
  RatioResult result;
  std::optional<FormerControl> control =
      std::nullopt;  // a concurrent one, as a later scope without control needs it
};
RatioAnswer TestRatio(const LookTable& table, const RatioQuestion& question);

struct VerdictQuestion {
  std::size_t scope = LookTable::kFleet;
  VerdictTest test = VerdictTest::kLost;
  Comparison comparison = Comparison::kConcurrent;
  double delta = 0;
  double alpha = 0;
  std::int32_t min_devices = 20;  // for promotion
  const FormerControl* former = nullptr;
};
VerdictResult TestVerdicts(const LookTable& table, const VerdictQuestion& question);

}  // namespace sluice
