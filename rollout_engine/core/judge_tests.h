// One statistical question of a look: is this criterion shown violated, shown satisfied, or
// neither?
#pragma once

#include <cstdint>
#include <optional>

#include "rollout_engine/core/judge_snapshot.h"
#include "rollout_engine/core/ratio_estimator.h"

namespace sluice {

/// What a scope's test arm is compared with.
enum class Comparison : std::uint8_t {
  kConcurrent,  // the control devices of the same scope
  kFormer,      // the last control that there was, and each device's own past
  kAbsolute,    // nothing: a model's first release
};

/// Devices of one scope by arm: the fleet, or one stratum.
struct ScopeArms {
  JudgedDevices test;
  JudgedDevices control;
};

struct RatioQuestion {
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
RatioAnswer TestRatio(const ScopeArms& arms, const RatioQuestion& question);

struct VerdictQuestion {
  VerdictTest test = VerdictTest::kLost;
  Comparison comparison = Comparison::kConcurrent;
  double delta = 0;
  double alpha = 0;
  double grace_s = 0;
  std::int32_t min_devices = 20;  // for promotion
  std::optional<double> error_limit = std::nullopt;
  std::optional<double> latency_limit = std::nullopt;
  const FormerControl* former = nullptr;
};
VerdictResult TestVerdicts(const ScopeArms& arms, const VerdictQuestion& question);

}  // namespace sluice
