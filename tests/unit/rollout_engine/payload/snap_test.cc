#include "rollout_engine/payload/snap.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "common/payload/float_formats.h"
#include "tests/support/sample_model_files.h"
#include "tests/support/sample_models.h"

namespace sluice {
namespace {

constexpr std::size_t kWeights = 20'000;

// f32 weights in another kind.
Bytes AsKind(ElementKind kind, const Bytes& weights) {
  if (kind == ElementKind::kF32) return weights;
  Bytes narrow;
  for (std::size_t at = 0; at < weights.size(); at += 4) {
    const auto value = std::bit_cast<float>(LoadLe<std::uint32_t>(weights.data() + at));
    AppendLe(narrow, static_cast<std::uint16_t>(FloatToElement(kind, value)));
  }
  return narrow;
}

std::string DtypeOf(ElementKind kind) {
  return kind == ElementKind::kF32 ? "F32" : kind == ElementKind::kF16 ? "F16" : "BF16";
}

struct Models {
  Bytes base, artifact;
};
Models MovedModels(ElementKind kind, double move = 1e-2) {
  const Bytes old_weights = WeightBytes(1, kWeights);
  const Bytes weights = WithMovedWeights(old_weights, 2, 1.0, move);
  return {SafetensorsFile({{"w", DtypeOf(kind), AsKind(kind, old_weights)}}),
          SafetensorsFile({{"w", DtypeOf(kind), AsKind(kind, weights)}})};
}

float FloatAt(const Bytes& file, const Tensor& tensor, std::size_t index) {
  const std::uint8_t* const at = file.data() + tensor.offset + index * ElementWidth(tensor.kind);
  const std::uint32_t bits =
      ElementWidth(tensor.kind) == 2 ? LoadLe<std::uint16_t>(at) : LoadLe<std::uint32_t>(at);
  return ElementToFloat(tensor.kind, bits);
}

class SnapEachKind : public testing::TestWithParam<ElementKind> {};
INSTANTIATE_TEST_SUITE_P(Floats, SnapEachKind,
                         testing::Values(ElementKind::kF32, ElementKind::kF16, ElementKind::kBf16));

TEST_P(SnapEachKind, MovesEveryWeightByWholeStepsAndByHalfAStepAtMost) {
  const Models models = MovedModels(GetParam());
  const auto snapped = SnapArtifact(models.base, models.artifact, 0.5);
  ASSERT_TRUE(snapped) << snapped.error().Line();
  ASSERT_EQ(snapped->tensors.size(), 1u);
  const SnappedTensor& tensor = snapped->tensors[0];
  // Uniform over +- 1e-2: sigma = 1e-2 / sqrt(3).
  EXPECT_NEAR(tensor.sigma, 1e-2 / std::sqrt(3.0), 2e-4);
  EXPECT_NEAR(tensor.step, tensor.sigma / 2, tensor.sigma / 2 / 256);
  EXPECT_EQ(tensor.elements, kWeights);
  EXPECT_EQ(tensor.kept_exact, 0u);
  EXPECT_EQ(tensor.k_max, GetParam() == ElementKind::kBf16 ? 4u : 3u)
      << "1e-2 is 3.46 steps, and bf16's own rounding";
  const double narrow_rounding = GetParam() == ElementKind::kBf16 ? 1e-3 : 1e-4;
  for (std::size_t i = 0; i < kWeights; ++i) {
    ASSERT_NEAR(FloatAt(snapped->bytes, tensor.tensor, i),
                FloatAt(models.artifact, tensor.tensor, i), tensor.step / 2 + narrow_rounding);
  }
}

TEST_P(SnapEachKind, LeavesKForTheEncoderToDeriveAndTheStepToFind) {
  const Models models = MovedModels(GetParam());
  const auto snapped = SnapArtifact(models.base, models.artifact, 0.5);
  ASSERT_TRUE(snapped);
  const SnappedTensor& tensor = snapped->tensors[0];
  const ByteView old_elements = ByteView(models.base).subspan(tensor.tensor.offset);
  const ByteView elements = ByteView(snapped->bytes).subspan(tensor.tensor.offset);
  const std::uint32_t width = ElementWidth(GetParam());
  for (std::size_t at = 0; at < elements.size(); at += width) {
    const auto load = [&](ByteView from) {
      return width == 2 ? LoadLe<std::uint16_t>(from.data() + at)
                        : LoadLe<std::uint32_t>(from.data() + at);
    };
    const auto k = StepsBetween(GetParam(), load(old_elements), load(elements), tensor.step);
    ASSERT_TRUE(k.has_value()) << at;
    ASSERT_EQ(StepElement(GetParam(), load(old_elements), *k, tensor.step), load(elements));
  }
  const auto found = FindSnapStep(GetParam(), old_elements, elements);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(*found, tensor.step);
}

TEST(SnapArtifact, IsDeterministicAndChangesNothingASecondTime) {
  const Models models = MovedModels(ElementKind::kF32);
  const auto once = SnapArtifact(models.base, models.artifact, 0.5);
  const auto again = SnapArtifact(models.base, models.artifact, 0.5);
  ASSERT_TRUE(once && again);
  EXPECT_EQ(once->bytes, again->bytes);
}

TEST(SnapArtifact, LeavesIntegersUnmatchedTensorsAndMetadataAlone) {
  const Bytes old_weights = WeightBytes(1, 100);
  const Bytes weights = WithMovedWeights(old_weights, 2, 1.0, 1e-2);
  const Bytes base = SafetensorsFile({{"w", "F32", old_weights}, {"i", "I8", NoiseBytes(3, 50)}});
  const Bytes artifact = SafetensorsFile(
      {{"new", "F32", WeightBytes(4, 70)}, {"i", "I8", NoiseBytes(5, 50)}, {"w", "F32", weights}});
  const auto snapped = SnapArtifact(base, artifact, 0.5);
  ASSERT_TRUE(snapped);
  ASSERT_EQ(snapped->tensors.size(), 1u);
  const std::size_t begin = snapped->tensors[0].tensor.offset;
  EXPECT_TRUE(std::equal(artifact.begin(), artifact.begin() + static_cast<std::ptrdiff_t>(begin),
                         snapped->bytes.begin()));
  EXPECT_EQ(snapped->bytes.size(), artifact.size());
  EXPECT_NE(snapped->bytes, artifact);
}

TEST(SnapArtifact, KeepsWhatIsNotFiniteExact) {
  const float infinity = std::numeric_limits<float>::infinity();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> old_values = {0, 1, 2, 3, nan, infinity, 0, 0};
  const std::vector<float> values = {0.5f, 1.5f, 1.5f, nan, 3, -infinity, infinity, -0.5f};
  const auto bytes_of = [](const std::vector<float>& from) {
    Bytes bytes;
    for (const float value : from) AppendLe(bytes, std::bit_cast<std::uint32_t>(value));
    return bytes;
  };
  const auto snapped = SnapArtifact(SafetensorsFile({{"w", "F32", bytes_of(old_values)}}),
                                    SafetensorsFile({{"w", "F32", bytes_of(values)}}), 0.5);
  ASSERT_TRUE(snapped);
  const SnappedTensor& tensor = snapped->tensors[0];
  EXPECT_EQ(tensor.kept_exact, 4u);
  EXPECT_EQ(tensor.sigma, 0.5);
  for (const std::size_t i : {3u, 4u, 5u, 6u}) {
    const std::size_t at = tensor.tensor.offset + 4 * i;
    EXPECT_EQ(LoadLe<std::uint32_t>(snapped->bytes.data() + at),
              std::bit_cast<std::uint32_t>(values[i]));
  }
  EXPECT_EQ(FloatAt(snapped->bytes, tensor.tensor, 0), 0.5f);
}

TEST(SnapArtifact, KeepsAMoveOfMoreThan32767StepsExact) {
  std::vector<float> values(2'000'000, 0.0f);
  values[7] = 1000.0f;
  values[9] = 1e-3f;
  Bytes weights;
  for (const float value : values) AppendLe(weights, std::bit_cast<std::uint32_t>(value));
  const auto snapped = SnapArtifact(SafetensorsFile({{"w", "F32", Bytes(weights.size())}}),
                                    SafetensorsFile({{"w", "F32", weights}}), kSnapStepMin);
  ASSERT_TRUE(snapped);
  EXPECT_EQ(snapped->tensors[0].kept_exact, 1u);
  EXPECT_EQ(FloatAt(snapped->bytes, snapped->tensors[0].tensor, 7), 1000.0f);
  EXPECT_EQ(FloatAt(snapped->bytes, snapped->tensors[0].tensor, 9), 0.0f);
}

TEST(SnapArtifact, RefusesAStepOutOfRangeAndFilesWithoutACommonTensor) {
  const Models models = MovedModels(ElementKind::kF32);
  for (const double step : {0.0, -1.0, 1e9, std::nan("")}) {
    EXPECT_EQ(SnapArtifact(models.base, models.artifact, step).error().code, ErrorCode::kCfgRange);
  }
  EXPECT_EQ(SnapArtifact(NoiseBytes(1, 100), models.artifact, 0.5).error().code,
            ErrorCode::kNotFound);
}

TEST(SnapStep, HasEightSignificantBitsAndIsAbsentWhereF32HasNone) {
  for (const double sigma : {1.0, 0.3, 1e-4, 1e-20, 12345.678}) {
    const auto step = SnapStep(sigma, 0.5);
    ASSERT_TRUE(step.has_value());
    EXPECT_EQ(std::bit_cast<std::uint32_t>(*step) & 0xFFFF, 0u) << "24 - 8 bits are 0";
    EXPECT_NEAR(*step, sigma / 2, sigma / 2 / 256);
  }
  EXPECT_FALSE(SnapStep(0.0, 0.5));
  EXPECT_FALSE(SnapStep(1e-45, 0.5));
  EXPECT_FALSE(SnapStep(1e38, 0.5));
  EXPECT_FALSE(SnapStep(std::numeric_limits<double>::infinity(), 0.5));
}

TEST(FindSnapStep, FindsNoneInAnExactUpdate) {
  const Bytes old_weights = WeightBytes(1, kWeights);
  const Bytes weights = WithMovedWeights(old_weights, 2, 1.0, 1e-2);
  EXPECT_FALSE(FindSnapStep(ElementKind::kF32, old_weights, weights));
  EXPECT_FALSE(FindSnapStep(ElementKind::kF32, old_weights, old_weights));
}

}  // namespace
}  // namespace sluice
