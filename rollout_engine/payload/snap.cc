#include "rollout_engine/payload/snap.h"

#include <array>
#include <cmath>

#include "common/payload/float_formats.h"
#include "rollout_engine/payload/tensor_map.h"

namespace sluice {
namespace {

constexpr int kStepBits = 8;
constexpr int kStepExponentMin = -149 + kStepBits;  // frexp's; all 8 bits are above f32's last one
constexpr int kStepExponentMax = 127 - 15;          // 32,767 steps are finite

constexpr std::size_t kSampleElements = 4'096;
constexpr std::size_t kMovesPerMiss = 64;
// A difference tells the step to about 8 bits when the new element's own rounding is this much
// smaller.
constexpr double kSharpness = 128;
// Steps that the smallest sharp difference may be: a small tensor may hold none of exactly one.
constexpr int kMovesTried = 4;
constexpr std::array kNudges = {0, 1, -1, 2, -2};  // in the last of the 8 bits

std::uint32_t LoadElement(ElementKind kind, ByteView elements, std::size_t index) {
  const std::uint8_t* const at = elements.data() + index * ElementWidth(kind);
  return ElementWidth(kind) == 2 ? LoadLe<std::uint16_t>(at) : LoadLe<std::uint32_t>(at);
}

void StoreElement(ElementKind kind, std::uint8_t* elements, std::size_t index, std::uint32_t bits) {
  std::uint8_t* const at = elements + index * ElementWidth(kind);
  if (ElementWidth(kind) == 2) return StoreLe(at, static_cast<std::uint16_t>(bits));
  StoreLe(at, bits);
}

bool IsFinite(ElementKind kind, std::uint32_t bits) {
  return std::isfinite(ElementToFloat(kind, bits));
}

double Difference(ElementKind kind, std::uint32_t old_bits, std::uint32_t bits) {
  return static_cast<double>(ElementToFloat(kind, bits)) -
         static_cast<double>(ElementToFloat(kind, old_bits));
}

/// Two passes: the difference of large sums would lose what is left of small moves.
double SigmaOf(ElementKind kind, ByteView old_elements, ByteView elements) {
  const std::size_t count = elements.size() / ElementWidth(kind);
  std::size_t finite = 0;
  const auto sum_of = [&](const auto& term) {
    double sum = 0;
    finite = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const double difference =
          Difference(kind, LoadElement(kind, old_elements, i), LoadElement(kind, elements, i));
      if (!std::isfinite(difference)) continue;
      ++finite;
      sum += term(difference);
    }
    return sum;
  };
  const double sum = sum_of([](double difference) { return difference; });
  if (finite == 0) return 0;
  const double mean = sum / static_cast<double>(finite);
  const double squares =
      sum_of([mean](double difference) { return (difference - mean) * (difference - mean); });
  return std::sqrt(squares / static_cast<double>(finite));
}

// The new element snapped: its k and bits, or nothing where it stays exact.
struct SnappedElement {
  std::int32_t k = 0;
  std::uint32_t bits = 0;
};
std::optional<SnappedElement> SnapElement(ElementKind kind, std::uint32_t old_bits,
                                          std::uint32_t bits, float step) {
  const double steps = std::rint(Difference(kind, old_bits, bits) / static_cast<double>(step));
  if (!(std::abs(steps) <= kQdeltaStepsMax)) return std::nullopt;  // NaN too
  const auto k = static_cast<std::int32_t>(steps);
  const std::uint32_t snapped = StepElement(kind, old_bits, k, step);
  if (!IsFinite(kind, snapped)) return std::nullopt;
  return SnappedElement{k, snapped};
}

SnappedTensor SnapTensor(const Tensor& tensor, ByteView old_elements, std::uint8_t* elements,
                         double step_sigmas) {
  const ElementKind kind = tensor.kind;
  const ByteView exact(elements, tensor.length);
  SnappedTensor snapped{.tensor = tensor,
                        .sigma = SigmaOf(kind, old_elements, exact),
                        .elements = tensor.length / ElementWidth(kind)};
  const std::optional<float> step = SnapStep(snapped.sigma, step_sigmas);
  if (!step) return snapped;
  snapped.step = *step;
  for (std::size_t i = 0; i < snapped.elements; ++i) {
    const auto element =
        SnapElement(kind, LoadElement(kind, old_elements, i), LoadElement(kind, exact, i), *step);
    if (!element) {
      ++snapped.kept_exact;
      continue;
    }
    StoreElement(kind, elements, i, element->bits);
    snapped.k_max = std::max(snapped.k_max, static_cast<std::uint32_t>(std::abs(element->k)));
    if (element->k != 0) ++snapped.moved;
  }
  return snapped;
}

// `value` with its first kStepBits significant bits, nearest.
double Rounded(double value) {
  int exponent = 0;
  const double fraction = std::frexp(value, &exponent);
  return std::ldexp(std::rint(std::ldexp(fraction, kStepBits)), exponent - kStepBits);
}

// Distance between neighbours of the kind around `value`.
double SpacingAt(ElementKind kind, double value) {
  const int bits = kind == ElementKind::kF32 ? 24 : kind == ElementKind::kF16 ? 11 : 8;
  const int smallest = kind == ElementKind::kF32 ? -149 : kind == ElementKind::kF16 ? -24 : -133;
  int exponent = 0;
  std::frexp(value, &exponent);
  return std::ldexp(1.0, std::max(exponent - bits, smallest));
}

// The smallest move among those that the elements' own rounding hardly blurs: one step, most often.
double SmallestSharpMove(ElementKind kind, ByteView old_elements, ByteView elements) {
  const std::size_t count = elements.size() / ElementWidth(kind);
  double smallest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t bits = LoadElement(kind, elements, i);
    const double move = std::abs(Difference(kind, LoadElement(kind, old_elements, i), bits));
    if (move == 0 || !std::isfinite(move) || (smallest != 0 && move >= smallest)) continue;
    const double spacing = SpacingAt(kind, static_cast<double>(ElementToFloat(kind, bits)));
    if (spacing * kSharpness <= move) smallest = move;
  }
  return smallest;
}

// Whether a sample of the elements, spread over the tensor, lies on the step: of those that moved
// all but the few that a snap keeps exact.
bool Explains(ElementKind kind, ByteView old_elements, ByteView elements, float step) {
  const std::size_t count = elements.size() / ElementWidth(kind);
  const std::size_t stride = std::max<std::size_t>(1, count / kSampleElements);
  const std::size_t misses_max = count / stride / kMovesPerMiss;
  std::size_t moved = 0;
  std::size_t misses = 0;
  for (std::size_t i = 0; i < count; i += stride) {
    const auto steps = StepsBetween(kind, LoadElement(kind, old_elements, i),
                                    LoadElement(kind, elements, i), step);
    if (steps != 0) ++moved;
    if (!steps && ++misses > misses_max) return false;
  }
  return misses * kMovesPerMiss <= moved;
}

}  // namespace

std::optional<float> SnapStep(double sigma, double step_sigmas) noexcept {
  const double wanted = sigma * step_sigmas;
  if (!(wanted > 0) || !std::isfinite(wanted)) return std::nullopt;
  const double step = Rounded(wanted);
  int exponent = 0;
  std::frexp(step, &exponent);
  if (exponent < kStepExponentMin || exponent > kStepExponentMax) return std::nullopt;
  return static_cast<float>(step);
}

std::optional<std::int32_t> StepsBetween(ElementKind kind, std::uint32_t old_bits,
                                         std::uint32_t bits, float step) noexcept {
  if (bits == old_bits) return 0;
  const double steps = std::rint(Difference(kind, old_bits, bits) / static_cast<double>(step));
  if (!(std::abs(steps) <= kQdeltaStepsMax)) return std::nullopt;
  // Rounding to the kind moves an element by half a spacing at most: where that is more than half a
  // step, a neighbour of k may lead to the same element.
  const auto nearest = static_cast<std::int32_t>(steps);
  const auto leads = [&](std::int32_t k) { return StepElement(kind, old_bits, k, step) == bits; };
  std::int32_t found = 0;
  for (const std::int32_t k : {nearest, nearest - 1, nearest + 1}) {
    if (std::abs(k) > kQdeltaStepsMax || !leads(k)) continue;
    found = k;
    break;
  }
  if (found == 0) return std::nullopt;
  // Where elements lie further apart than steps, many lead there: the sum is monotonic, so the
  // nearest to 0 is found by halving.
  const std::int32_t away = found < 0 ? -1 : 1;
  std::int32_t before = 0;
  while (found - before != away) {
    const std::int32_t middle = before + (found - before) / 2;
    (leads(middle) ? found : before) = middle;
  }
  return found;
}

std::optional<float> FindSnapStep(ElementKind kind, ByteView old_elements, ByteView elements) {
  const double move = SmallestSharpMove(kind, old_elements, elements);
  if (move == 0) return std::nullopt;
  for (int steps = 1; steps <= kMovesTried; ++steps) {
    const double near = Rounded(move / steps);
    int exponent = 0;
    std::frexp(near, &exponent);
    for (const int nudge : kNudges) {
      const auto step = SnapStep(near + std::ldexp(nudge, exponent - kStepBits), 1.0);
      if (step && Explains(kind, old_elements, elements, *step)) return step;
    }
  }
  return std::nullopt;
}

Result<SnappedArtifact> SnapArtifact(ByteView base, ByteView artifact, double step_sigmas) {
  if (!(step_sigmas >= kSnapStepMin && step_sigmas <= kSnapStepMax)) {
    return Fail(ErrorCode::kCfgRange, "a step is 1/256 to 16 standard deviations");
  }
  const TensorList base_tensors = WalkTensors(base);
  const TensorList tensors = WalkTensors(artifact);
  const auto matches = MatchTensors(base, base_tensors, artifact, tensors);
  SnappedArtifact snapped{Bytes(artifact.begin(), artifact.end()), {}};
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    if (!matches[i] || !IsFloat(tensor.kind)) continue;
    snapped.tensors.push_back(
        SnapTensor(tensor, base.subspan(base_tensors[*matches[i]].offset, tensor.length),
                   snapped.bytes.data() + tensor.offset, step_sigmas));
  }
  if (snapped.tensors.empty()) {
    return Fail(ErrorCode::kNotFound,
                "no float tensor with an old one of its shape: both files must be safetensors, "
                "ONNX or TFLite models of one architecture");
  }
  return snapped;
}

}  // namespace sluice
