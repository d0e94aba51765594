#include "rollout_engine/payload/apply.h"

#include <gtest/gtest.h>

#include "rollout_engine/payload/encoder.h"
#include "tests/support/sample_models.h"

namespace sluice {
namespace {

struct Sample {
  Bytes base = WeightBytes(1, 50'000);
  Bytes artifact = WithNewHead(base, 2, 80'000);
  EncodedPayload delta = *EncodePayload(base, artifact, {MemoryClass::kM});
};

ErrorCode Apply(std::optional<ByteView> base, const Bytes& payload,
                MemoryClass memory_class = MemoryClass::kL, std::uint32_t mask = kCodecMaskV1) {
  const auto applied = ApplyPayload(base, payload, memory_class, mask);
  return applied ? ErrorCode::kOk : applied.error().code;
}

TEST(ApplyPayload, BuildsTheArtifactInTheSameAndInALargerClass) {
  const Sample sample;
  EXPECT_EQ(ApplyPayload(sample.base, sample.delta.bytes, MemoryClass::kM, kCodecMaskV1),
            sample.artifact);
  EXPECT_EQ(ApplyPayload(sample.base, sample.delta.bytes, MemoryClass::kL, kCodecMaskV1),
            sample.artifact);
}

TEST(ApplyPayload, RefusesASmallerClassAndMissingCodecs) {
  const Sample sample;
  EXPECT_EQ(Apply(sample.base, sample.delta.bytes, MemoryClass::kS), ErrorCode::kCodecUnsupported);
  EXPECT_EQ(Apply(sample.base, sample.delta.bytes, MemoryClass::kL, CodecBit(Codec::kRaw)),
            ErrorCode::kCodecUnsupported);
}

TEST(ApplyPayload, RefusesAnotherBaseAndNone) {
  Sample sample;
  sample.base[0] ^= 1;
  EXPECT_EQ(Apply(sample.base, sample.delta.bytes), ErrorCode::kDeltaBase);
  EXPECT_EQ(Apply(ByteView(sample.base).first(10), sample.delta.bytes), ErrorCode::kDeltaBase);
  EXPECT_EQ(Apply(std::nullopt, sample.delta.bytes), ErrorCode::kDeltaBase);
}

TEST(ApplyPayload, RefusesADamagedBlockByItsDigest) {
  Sample sample;
  sample.delta.bytes.back() ^= 1;
  EXPECT_EQ(Apply(sample.base, sample.delta.bytes), ErrorCode::kBlockHash);
}

TEST(ApplyPayload, RefusesEverySizeButThatOfTheHead) {
  Sample sample;
  for (const std::size_t size : {std::size_t{0}, std::size_t{103}, std::size_t{104},
                                 sample.delta.head.HeadSize(), sample.delta.bytes.size() - 1}) {
    const auto end = sample.delta.bytes.begin() + static_cast<std::ptrdiff_t>(size);
    EXPECT_EQ(Apply(sample.base, Bytes(sample.delta.bytes.begin(), end)), ErrorCode::kPayloadHead)
        << size;
  }
  sample.delta.bytes.push_back(0);
  EXPECT_EQ(Apply(sample.base, sample.delta.bytes), ErrorCode::kPayloadHead);
}

TEST(ApplyPayload, RefusesBlocksThatBuildAnotherArtifact) {
  Sample sample;
  sample.delta.head.out_sha256.bytes[0] ^= 1;
  const Bytes head = BuildHead(sample.delta.head);
  std::copy(head.begin(), head.end(), sample.delta.bytes.begin());
  EXPECT_EQ(Apply(sample.base, sample.delta.bytes), ErrorCode::kArtifactHash);
}

TEST(ApplyPayload, SurvivesAnyDamageToThePayload) {
  const Sample sample;
  SeededRandom random(3);
  for (int i = 0; i < 300; ++i) {
    Bytes bytes = sample.delta.bytes;
    // The head is where the damage is not found by a digest first.
    const std::size_t at = random.Below(sample.delta.head.HeadSize());
    bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1u << random.Below(8)));
    EXPECT_NE(Apply(sample.base, bytes), ErrorCode::kOk) << "byte " << at;
  }
}

}  // namespace
}  // namespace sluice
