#include "rollout_engine/payload/tensor_map.h"

#include <gmock/gmock.h>

#include "tests/support/sample_model_files.h"
#include "tests/support/sample_models.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::Optional;

const Bytes kOnes(8, 1);
const Bytes kTwos(8, 2);
const Bytes kThrees(8, 3);
const Bytes kShort(4, 4);

// The matches between two safetensors files whose tensors lie in the order given.
std::vector<std::optional<std::size_t>> Match(const std::vector<SampleTensor>& base,
                                              const std::vector<SampleTensor>& artifact) {
  const Bytes base_file = SafetensorsFile(base);
  const Bytes artifact_file = SafetensorsFile(artifact);
  return MatchTensors(base_file, WalkTensors(base_file), artifact_file, WalkTensors(artifact_file));
}

TEST(MatchTensors, GoesByNameFirst) {
  EXPECT_THAT(
      Match({{"a", "F32", kOnes}, {"b", "F32", kOnes}}, {{"b", "F32", kOnes}, {"a", "F32", kOnes}}),
      ElementsAre(Optional(1), Optional(0)));
}

TEST(MatchTensors, PairsNothingOfAnotherKindOrLength) {
  EXPECT_THAT(Match({{"a", "F32", kOnes}, {"b", "F32", kTwos}},
                    {{"a", "I32", kOnes}, {"b", "F32", kShort}}),
              ElementsAre(std::nullopt, std::nullopt));
}

TEST(MatchTensors, FindsARenamedTensorByItsContent) {
  EXPECT_THAT(Match({{"a", "F32", kOnes}, {"b", "F32", kTwos}, {"c", "F32", kThrees}},
                    {{"x", "F32", kThrees}, {"y", "F32", kOnes}}),
              ElementsAre(Optional(2), Optional(0)));
}

TEST(MatchTensors, GoesByOrderAmongWhatIsLeftOfOneShape) {
  EXPECT_THAT(Match({{"a", "F32", kOnes}, {"b", "F32", kTwos}, {"c", "F32", kShort}},
                    {{"x", "F32", kThrees},
                     {"y", "F32", Bytes(4, 5)},
                     {"z", "F32", kThrees},
                     {"more", "F32", kThrees}}),
              ElementsAre(Optional(0), Optional(2), Optional(1), std::nullopt));
}

TEST(MatchTensors, PairsEqualNamesInTheirOrder) {
  const std::vector<SampleTensor> base = {{"same", "F32", kOnes}, {"same", "F32", kTwos}};
  EXPECT_THAT(Match(base, base), ElementsAre(Optional(0), Optional(1)));
}

TEST(MatchTensors, FollowsTheElementsWhenAnExporterNumbersTensorsAnew) {
  const auto weights = [](std::uint64_t seed) { return WeightBytes(seed, 2'000); };
  const auto moved = [&](std::uint64_t seed) {
    return WithMovedWeights(weights(seed), seed + 100, 1.0, 1e-4);
  };
  EXPECT_THAT(Match({{"Conv_1", "F32", weights(1)},
                     {"Conv_2", "F32", weights(2)},
                     {"Conv_3", "F32", weights(3)}},
                    {{"Conv_1", "F32", weights(9)},
                     {"Conv_2", "F32", moved(1)},
                     {"Conv_3", "F32", moved(2)},
                     {"Conv_4", "F32", moved(3)}}),
              ElementsAre(std::nullopt, Optional(0), Optional(1), Optional(2)));
}

TEST(MatchTensors, KeepsTheNameOfATensorThatWasTrainedFromNothing) {
  const auto weights = [](std::uint64_t seed) { return WeightBytes(seed, 2'000); };
  EXPECT_THAT(Match({{"a", "F32", weights(1)}, {"b", "F32", weights(2)}},
                    {{"b", "F32", weights(3)}, {"a", "F32", weights(4)}}),
              ElementsAre(Optional(1), Optional(0)));
}

TEST(MapTensors, MatchesATensorThatGrewAsFarAsItsOldElementsGo) {
  const Bytes old_weights = WeightBytes(1, 3'000);
  Bytes weights = WithMovedWeights(old_weights, 2, 1.0, 1e-4);
  Append(weights, WeightBytes(3, 500));
  const Bytes base = SafetensorsFile({{"head", "F32", old_weights}});
  const Bytes artifact = SafetensorsFile({{"head", "F32", weights}});
  const std::uint64_t data = artifact.size() - 14'000;
  EXPECT_THAT(MapTensors(base, artifact),
              ElementsAre(TensorExtent{data, 12'000, ElementKind::kF32, base.size() - 12'000},
                          TensorExtent{data + 12'000, 2'000, ElementKind::kF32, std::nullopt}));
  EXPECT_THAT(MapTensors(artifact, base),
              ElementsAre(TensorExtent{base.size() - 12'000, 12'000, ElementKind::kF32, data}));
  const Bytes other = SafetensorsFile({{"head", "F32", WeightBytes(7, 2'000)}});
  EXPECT_THAT(MapTensors(base, other), ElementsAre(TensorExtent{other.size() - 8'000, 8'000,
                                                                ElementKind::kF32, std::nullopt}))
      << "unrelated elements are no old ones";
}

TEST(MapTensors, SaysWhereTheOldElementsLie) {
  const Bytes base = SafetensorsFile({{"a", "F32", kOnes}, {"b", "F16", kTwos}});
  const Bytes artifact = SafetensorsFile({{"b", "F16", kOnes}, {"new", "I8", kShort}});
  const TensorExtentList extents = MapTensors(base, artifact);
  ASSERT_EQ(extents.size(), 2u);
  const std::uint64_t data = artifact.size() - 12;
  EXPECT_EQ(extents[0], (TensorExtent{data, 8, ElementKind::kF16, base.size() - 8}));
  EXPECT_EQ(extents[1], (TensorExtent{data + 8, 4, ElementKind::kI8, std::nullopt}));
}

TEST(MapTensors, MapsAFullPayloadWithoutABase) {
  const Bytes artifact = SafetensorsFile({{"a", "F32", kOnes}});
  const TensorExtentList extents = MapTensors(std::nullopt, artifact);
  ASSERT_EQ(extents.size(), 1u);
  EXPECT_EQ(extents[0], (TensorExtent{artifact.size() - 8, 8, ElementKind::kF32, std::nullopt}));
}

TEST(GuessElements, SeesFloatsAndTheirOldOnesInAFileWithoutAHeader) {
  const Bytes base = WeightBytes(1, 50'000);
  const Bytes artifact = WithMovedWeights(base, 2, 1.0, 1e-4);
  EXPECT_THAT(MapTensors(base, artifact),
              ElementsAre(TensorExtent{0, artifact.size(), ElementKind::kF32, 0}));
  EXPECT_THAT(MapTensors(std::nullopt, artifact),
              ElementsAre(TensorExtent{0, artifact.size(), ElementKind::kF32, std::nullopt}));
  EXPECT_THAT(MapTensors(WeightBytes(3, 50'000), artifact),
              ElementsAre(TensorExtent{0, artifact.size(), ElementKind::kF32, std::nullopt}))
      << "unrelated weights are no old ones";
}

TEST(GuessElements, SeesIntegersByWhatBecameOfThem) {
  const Bytes base = NoiseBytes(1, 150'000);
  Bytes artifact = base;
  for (std::size_t i = 0; i < artifact.size(); i += 3) ++artifact[i];
  EXPECT_THAT(MapTensors(base, artifact),
              ElementsAre(TensorExtent{0, artifact.size(), ElementKind::kI8, 0}));
  EXPECT_THAT(MapTensors(std::nullopt, artifact), testing::IsEmpty());
}

TEST(GuessElements, FollowsWeightsBehindAPrefixOfAnyLength) {
  const Bytes base = WeightBytes(1, 50'000);
  Bytes artifact = NoiseBytes(9, 7);
  Append(artifact, WithMovedWeights(base, 2, 1.0, 1e-4));
  const TensorExtentList extents = MapTensors(base, artifact);
  ASSERT_FALSE(extents.empty());
  EXPECT_EQ(extents.back().kind, ElementKind::kF32);
  EXPECT_EQ(extents.back().offset % 4, 7u % 4);
  EXPECT_EQ(extents.back().base_offset, extents.back().offset - 7);
  EXPECT_EQ(extents.back().offset + extents.back().length, artifact.size());
}

TEST(GuessElements, FindsWhereAHeaderThatGrewHasMovedTheWeights) {
  const Bytes weights = WeightBytes(1, 50'000);
  Bytes base = NoiseBytes(8, 1'001);
  Append(base, weights);
  Bytes artifact = NoiseBytes(9, 2'222);
  Append(artifact, WithMovedWeights(weights, 2, 1.0, 1e-4));
  Append(artifact, NoiseBytes(10, 333));  // so that the ends do not tell
  std::uint64_t matched = 0;
  for (const TensorExtent& extent : MapTensors(base, artifact)) {
    if (!extent.base_offset) continue;
    EXPECT_EQ(*extent.base_offset, extent.offset - 1'221);
    EXPECT_EQ(extent.kind, ElementKind::kF32);
    matched += extent.length;
  }
  EXPECT_GT(matched, weights.size() * 6 / 10) << "all but the windows at both ends";
}

TEST(GuessElements, SeesNothingInNoiseAndInText) {
  const Bytes noise = NoiseBytes(1, 200'000);
  EXPECT_TRUE(MapTensors(NoiseBytes(2, 200'000), noise).empty());
  std::string text;
  while (text.size() < 100'000) text += "a line of text, number " + std::to_string(text.size());
  EXPECT_TRUE(MapTensors(std::nullopt, AsBytes(text)).empty());
}

}  // namespace
}  // namespace sluice
