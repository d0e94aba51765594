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
  EXPECT_THAT(Match({{"a", "F32", kOnes}, {"b", "F32", kTwos}},
                    {{"b", "F32", kOnes}, {"a", "F32", kThrees}}),
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

TEST(GuessElements, SeesNothingInNoiseAndInText) {
  const Bytes noise = NoiseBytes(1, 200'000);
  EXPECT_TRUE(MapTensors(noise, noise).empty());
  std::string text;
  while (text.size() < 100'000) text += "a line of text, number " + std::to_string(text.size());
  EXPECT_TRUE(MapTensors(std::nullopt, AsBytes(text)).empty());
}

}  // namespace
}  // namespace sluice
