// Snapping: an update whose every weight is moved by a whole number of steps, so that its delta is
// those small numbers. Changes the model, hence done before it is evaluated and signed, and never
// by itself.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "rollout_engine/payload/tensor.h"

namespace sluice {

struct SnappedTensor {
  Tensor tensor;            // of the artifact
  double sigma = 0;         // standard deviation of new - old over the finite elements
  float step = 0;           // 8 significant bits; 0: the tensor stayed exact
  std::uint32_t k_max = 0;  // largest |k|
  std::uint64_t elements = 0;
  std::uint64_t moved = 0;       // k is not 0
  std::uint64_t kept_exact = 0;  // not finite, or too many steps away
  friend bool operator==(const SnappedTensor&, const SnappedTensor&) = default;
};

struct SnappedArtifact {
  Bytes bytes;                         // as long as the artifact
  std::vector<SnappedTensor> tensors;  // float tensors with an old one in the base
};

/// Of the standard deviation of a tensor's differences: what --step may be.
inline constexpr double kSnapStepMin = 1.0 / 256;
inline constexpr double kSnapStepMax = 16;
inline constexpr double kSnapStepDefault = 0.5;

/// Moves each element of a float tensor by rint((new - old) / step) steps from its old value; step
/// = sigma * `step_sigmas`, rounded to 8 significant bits (section "Snap" of docs/protocol.md).
/// Integer tensors, tensors without an old one and everything between tensors stay as they are.
/// E_CFG_RANGE (step), E_NOT_FOUND (no float tensor of the artifact has an old one in the base).
Result<SnappedArtifact> SnapArtifact(ByteView base, ByteView artifact, double step_sigmas);

/// The step for a standard deviation; nothing where f32 has none of 8 significant bits.
std::optional<float> SnapStep(double sigma, double step_sigmas) noexcept;

/// The step of a tensor that was snapped onto `old_elements`, found from its elements alone, so
/// that an encoder needs no record of it. Nothing when no step explains a sample of both.
/// REQUIRES: equal lengths, IsFloat(kind).
std::optional<float> FindSnapStep(ElementKind kind, ByteView old_elements, ByteView elements);

/// k with StepElement(kind, old_bits, k, step) == bits, the one nearest to 0 of several; nothing
/// when there is none. REQUIRES: IsFloat(kind), step > 0.
std::optional<std::int32_t> StepsBetween(ElementKind kind, std::uint32_t old_bits,
                                         std::uint32_t bits, float step) noexcept;

}  // namespace sluice
