#include "rollout_engine/payload/encoder.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>

#include "common/crypto/digest.h"
#include "rollout_engine/payload/apply.h"
#include "rollout_engine/payload/snap.h"
#include "tests/support/sample_elements.h"
#include "tests/support/sample_model_files.h"
#include "tests/support/sample_models.h"

namespace sluice {
namespace {

constexpr std::array kClasses = {MemoryClass::kS, MemoryClass::kM, MemoryClass::kL};
constexpr std::array kProfiles = {CodecProfile::kAuto, CodecProfile::kLibrsync, CodecProfile::kRaw};

// Encodes in every class and profile, checks the result's bookkeeping, and applies it.
void ExpectRoundTrips(std::optional<ByteView> base, ByteView artifact) {
  for (const MemoryClass memory_class : kClasses) {
    for (const CodecProfile profile : kProfiles) {
      const auto payload = EncodePayload(base, artifact, {memory_class, profile});
      ASSERT_TRUE(payload) << payload.error().Line();
      const std::size_t head_size = payload->head.HeadSize();
      EXPECT_EQ(ParseHead(ByteView(payload->bytes).first(head_size)), payload->head);
      EXPECT_EQ(payload->bytes.size(), payload->head.PayloadSize());
      EXPECT_EQ(payload->head_digest, Sha256(ByteView(payload->bytes).first(head_size)));
      EXPECT_EQ(payload->object, Sha256(payload->bytes));
      EXPECT_EQ(payload->head.kind, base ? PayloadKind::kDelta : PayloadKind::kFull);
      const auto applied =
          ApplyPayload(base, payload->bytes, memory_class, payload->head.codec_mask);
      ASSERT_TRUE(applied) << applied.error().Line();
      EXPECT_TRUE(std::equal(applied->begin(), applied->end(), artifact.begin(), artifact.end()));
    }
  }
}

std::size_t PayloadSize(std::optional<ByteView> base, ByteView artifact,
                        const EncodeOptions& options) {
  const auto payload = EncodePayload(base, artifact, options);
  EXPECT_TRUE(payload) << payload.error().Line();
  return payload ? payload->bytes.size() : 0;
}

TEST(EncodePayload, RoundTripsAroundEveryBlockBoundary) {
  const Bytes base = NoiseBytes(1, 140'000);
  const Bytes other = NoiseBytes(2, 140'000);
  for (const std::size_t size : {1U, 2U, 255U, 256U, 16'383U, 16'384U, 16'385U, 65'535U, 65'536U,
                                 65'537U, 131'072U, 131'073U}) {
    SCOPED_TRACE(size);
    ExpectRoundTrips(std::nullopt, ByteView(other).first(size));
    ExpectRoundTrips(base, ByteView(base).first(size));   // a base cut short
    ExpectRoundTrips(base, ByteView(other).first(size));  // nothing in common
    ExpectRoundTrips(ByteView(base).first(size), base);   // a base that grew
  }
}

TEST(EncodePayload, RoundTripsFromABaseOfOneByte) {
  const Bytes artifact = WeightBytes(3, 20'000);
  ExpectRoundTrips(ByteView(artifact).first(1), artifact);
  ExpectRoundTrips(artifact, ByteView(artifact).first(1));
}

TEST(EncodePayload, RoundTripsRelatedModels) {
  const Bytes base = WeightBytes(4, 60'000);
  ExpectRoundTrips(base, base);
  ExpectRoundTrips(base, WithNewHead(base, 5, 16'000));
  ExpectRoundTrips(base, WithMovedWeights(base, 6, 0.05, 1e-3));
  ExpectRoundTrips(base, WithMovedWeights(base, 7, 1.0, 1e-4));
  ExpectRoundTrips(base, Bytes(240'000, 0));
}

// `base` with pieces removed, repeated, moved and overwritten.
Bytes Edited(const Bytes& base, Random& random) {
  Bytes edited;
  while (edited.size() < base.size()) {
    const std::uint64_t length = 1 + random.Below(40'000);
    const std::uint64_t from = random.Below(base.size());
    if (random.Below(4) == 0) {
      Append(edited, NoiseBytes(random.Next(), length));
    } else {
      Append(edited,
             ByteView(base).subspan(from, std::min<std::uint64_t>(length, base.size() - from)));
    }
  }
  return edited;
}

TEST(EncodePayload, RoundTripsAnyEditOfTheBase) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    SeededRandom random(seed);
    const Bytes base = WeightBytes(random.Next(), 1 + random.Below(20'000));
    const Bytes artifact = Edited(base, random);
    const EncodeOptions options{kClasses[random.Below(3)], kProfiles[random.Below(3)]};
    const auto payload = EncodePayload(base, artifact, options);
    RC_ASSERT(payload.has_value());
    const auto applied = ApplyPayload(base, payload->bytes, options.memory_class, kCodecMaskV1);
    RC_ASSERT(applied.has_value());
    RC_ASSERT(*applied == artifact);
  }));
}

// A device that lost its power keeps what was written and nothing else: each block must follow from
// the blocks before it, the base, and its own bytes.
TEST(EncodePayload, DecodesOnFromAnyBlockAfterARestart) {
  const Bytes base = WeightBytes(30, 100'000);
  const Bytes moved = WithMovedWeights(base, 31, 1.0, 1e-5);
  Bytes artifact(moved.begin(), moved.begin() + 200'000);
  Append(artifact, ByteView(base).subspan(200'000, 100'000));
  Append(artifact, Bytes(70'000, 7));
  Append(artifact, NoiseBytes(32, 70'000));
  std::uint32_t seen = 0;
  for (const MemoryClass memory_class : kClasses) {
    const auto payload = EncodePayload(base, artifact, {memory_class});
    ASSERT_TRUE(payload) << payload.error().Line();
    const PayloadHead& head = payload->head;
    for (std::size_t i = head.rows.size(); i-- > 0;) {
      const std::uint64_t at = i * head.block_size;
      const ByteView encoded =
          ByteView(payload->bytes).subspan(head.BlockOffset(i), head.rows[i].in_len);
      Bytes block(head.OutLength(i));
      const Status status =
          DecodeBlock(head.rows[i].codec, memory_class, kCodecMaskV1, encoded, MemorySource(base),
                      MemorySource(ByteView(artifact).first(at)), block);
      ASSERT_TRUE(status) << "block " << i << ": " << status.error().Line();
      EXPECT_TRUE(std::equal(block.begin(), block.end(), artifact.begin() + static_cast<int>(at)));
    }
    seen |= head.codec_mask;
  }
  EXPECT_NE(seen & CodecBit(Codec::kElem), 0u);
  EXPECT_NE(seen & CodecBit(Codec::kRsync), 0u);
  EXPECT_NE(seen & CodecBit(Codec::kRaw), 0u);
  EXPECT_NE(seen & CodecBit(Codec::kZlit), 0u);
}

TEST(EncodePayload, SendsASnappedUpdateAsStepsWithoutBeingTold) {
  const Bytes weights = WeightBytes(33, 60'000);
  const Bytes base = SafetensorsFile({{"w", "F32", weights}});
  const Bytes trained = SafetensorsFile({{"w", "F32", WithMovedWeights(weights, 34, 1.0, 1e-4)}});
  const auto snapped = SnapArtifact(base, trained, kSnapStepDefault);
  ASSERT_TRUE(snapped) << snapped.error().Line();
  for (const MemoryClass memory_class : kClasses) {
    const auto payload = EncodePayload(base, snapped->bytes, {memory_class});
    ASSERT_TRUE(payload) << payload.error().Line();
    EXPECT_NE(payload->head.codec_mask & CodecBit(Codec::kQdelta), 0u);
    EXPECT_LT(payload->bytes.size(), base.size() / 8);
    EXPECT_GT(PayloadSize(base, trained, {memory_class}), base.size() / 3);
  }
}

// What merging a LoRA of rank 4 leaves, at any place in the file.
TEST(EncodePayload, SendsALowRankUpdateFromItsEarlierRowsWhereTheClassMay) {
  constexpr std::size_t kMatrixRows = 300, kColumns = 250;
  const std::map<ElementKind, std::string> dtypes = {
      {ElementKind::kF32, "F32"}, {ElementKind::kF16, "F16"}, {ElementKind::kBf16, "BF16"}};
  for (const auto& [kind, dtype] : dtypes) {
    const Bytes front = NoiseBytes(35, 70'001);
    const Bytes old_elements = ElementBytes(kind, 36, kMatrixRows * kColumns);
    const Bytes elements = LowrankElements(kind, old_elements, 37, kMatrixRows, 4);
    const auto file = [&front, &dtype = dtype](const Bytes& matrix) {
      return SafetensorsFile(
          {{"front", "I8", front}, {"w", dtype, matrix, {kMatrixRows, kColumns}}});
    };
    const Bytes base = file(old_elements);
    const Bytes artifact = file(elements);
    ExpectRoundTrips(base, artifact);
    for (const MemoryClass memory_class : kClasses) {
      const auto payload = EncodePayload(base, artifact, {memory_class});
      ASSERT_TRUE(payload);
      const bool is_used = (payload->head.codec_mask & CodecBit(Codec::kLowrank)) != 0;
      EXPECT_EQ(is_used, memory_class != MemoryClass::kS) << dtype;
      const std::size_t without = PayloadSize(
          base, artifact,
          {memory_class, CodecProfile::kAuto, kCodecMaskV1 & ~CodecBit(Codec::kLowrank)});
      if (is_used) {
        EXPECT_LT(payload->bytes.size(), without / 2) << dtype;
      } else {
        EXPECT_EQ(payload->bytes.size(), without) << dtype;
      }
    }
  }
}

TEST(EncodePayload, IsTheSameOnEveryRun) {
  const Bytes base = WeightBytes(8, 50'000);
  const Bytes artifact = WithMovedWeights(base, 9, 0.05, 1e-3);
  const auto once = EncodePayload(base, artifact, {});
  const auto again = EncodePayload(base, artifact, {});
  ASSERT_TRUE(once && again);
  EXPECT_EQ(once->bytes, again->bytes);
}

TEST(EncodePayload, IsAFewBytesPerBlockWhenNothingChanged) {
  const Bytes base = NoiseBytes(10, 10 * 65'536);
  for (const CodecProfile profile : {CodecProfile::kAuto, CodecProfile::kLibrsync}) {
    const auto payload = EncodePayload(base, base, {MemoryClass::kL, profile});
    ASSERT_TRUE(payload);
    for (const BlockRow& row : payload->head.rows) {
      EXPECT_EQ(row.codec, Codec::kRsync);
      EXPECT_LT(row.in_len, 20u);
    }
  }
}

TEST(EncodePayload, SendsTheNewHeadAndLittleElse) {
  const Bytes base = WeightBytes(11, 500'000);
  const Bytes artifact = WithNewHead(base, 12, 40'000);
  for (const MemoryClass memory_class : kClasses) {
    EXPECT_LT(PayloadSize(base, artifact, {memory_class}), 50'000u);
  }
}

TEST(EncodePayload, FindsScatteredWeightsThroughThePrefixWhereLibrsyncFindsNone) {
  const Bytes base = WeightBytes(13, 200'000);
  const Bytes artifact = WithMovedWeights(base, 14, 0.05, 1e-3);
  EXPECT_GT(PayloadSize(base, artifact, {MemoryClass::kL, CodecProfile::kLibrsync}), 700'000u);
  EXPECT_LT(PayloadSize(base, artifact, {MemoryClass::kM}), 100'000u);
  EXPECT_LT(PayloadSize(base, artifact, {MemoryClass::kL}), 100'000u);
}

TEST(EncodePayload, FollowsBytesThatMoved) {
  // Everything lies 300 KiB further, beyond the reach of a prefix at the same offset.
  const Bytes base = WeightBytes(15, 200'000);
  Bytes artifact = NoiseBytes(16, 300 * 1024);
  Append(artifact, WithMovedWeights(base, 17, 0.005, 1e-3));
  const std::size_t size = PayloadSize(base, artifact, {MemoryClass::kL});
  EXPECT_LT(size, 300u * 1024 + base.size() / 10);
}

TEST(EncodePayload, NeverExceedsRawByMoreThanTheHead) {
  const Bytes noise = NoiseBytes(18, 200'000);
  for (const MemoryClass memory_class : kClasses) {
    const auto payload = EncodePayload(std::nullopt, noise, {memory_class});
    ASSERT_TRUE(payload);
    EXPECT_EQ(payload->bytes.size(), payload->head.HeadSize() + noise.size());
    // Ties go to the cheaper decoder.
    EXPECT_EQ(payload->head.codec_mask, CodecBit(Codec::kRaw));
  }
}

TEST(EncodePayload, UsesOnlyCodecsOfTheClassTheProfileAndTheDevice) {
  const Bytes base = WeightBytes(19, 50'000);
  const Bytes artifact = WithMovedWeights(base, 20, 0.05, 1e-3);
  const auto mask_of = [&](const EncodeOptions& options) {
    const auto payload = EncodePayload(base, artifact, options);
    EXPECT_TRUE(payload);
    return payload ? payload->head.codec_mask : 0;
  };
  const std::uint32_t raw = CodecBit(Codec::kRaw);
  const std::uint32_t rsync = CodecBit(Codec::kRsync);
  const std::uint32_t zlit = CodecBit(Codec::kZlit);
  const std::uint32_t elem = CodecBit(Codec::kElem);
  EXPECT_EQ(mask_of({MemoryClass::kL}), elem);
  EXPECT_EQ(mask_of({MemoryClass::kS}), elem);
  EXPECT_EQ(mask_of({MemoryClass::kL, CodecProfile::kAuto, kCodecMaskV1 & ~elem}), zlit);
  EXPECT_EQ(mask_of({MemoryClass::kL, CodecProfile::kLibrsync}), rsync);
  EXPECT_EQ(mask_of({MemoryClass::kL, CodecProfile::kRaw}), raw);
  EXPECT_EQ(mask_of({MemoryClass::kL, CodecProfile::kAuto, raw | rsync}) & ~(raw | rsync), 0u);
}

TEST(EncodePayload, SaysWhenNoAllowedCodecFitsEveryBlock) {
  const Bytes artifact = NoiseBytes(21, 100);
  for (const EncodeOptions& options :
       {EncodeOptions{MemoryClass::kL, CodecProfile::kLibrsync, CodecBit(Codec::kRaw)},
        EncodeOptions{MemoryClass::kL, CodecProfile::kAuto, CodecBit(Codec::kZlit)},
        EncodeOptions{MemoryClass::kL, CodecProfile::kAuto, 0}}) {
    const auto payload = EncodePayload(std::nullopt, artifact, options);
    ASSERT_FALSE(payload);
    EXPECT_EQ(payload.error().code, ErrorCode::kCodecUnsupported);
  }
}

TEST(EncodePayload, RefusesEmptyArtifactsAndBases) {
  const Bytes some = NoiseBytes(22, 100);
  EXPECT_EQ(EncodePayload(std::nullopt, {}, {}).error().code, ErrorCode::kArtifactEmpty);
  EXPECT_EQ(EncodePayload(some, {}, {}).error().code, ErrorCode::kArtifactEmpty);
  EXPECT_EQ(EncodePayload(ByteView{}, some, {}).error().code, ErrorCode::kArtifactEmpty);
}

TEST(EncodeDelta, GivesThePayloadOfEncodePayloadFromOneSignature) {
  const Bytes base = WeightBytes(23, 50'000);
  const auto signature = BaseSignature::Compute(base);
  ASSERT_TRUE(signature);
  for (const MemoryClass memory_class : kClasses) {
    const Bytes artifact = WithNewHead(base, 24 + static_cast<std::uint64_t>(memory_class), 8'000);
    const auto payload = EncodeDelta(*signature, artifact, {memory_class});
    ASSERT_TRUE(payload);
    EXPECT_EQ(payload->bytes, EncodePayload(base, artifact, {memory_class})->bytes);
  }
}

TEST(IsWorthOffering, StopsAtNinetyFivePercent) {
  EXPECT_TRUE(IsWorthOffering(95, 100));
  EXPECT_FALSE(IsWorthOffering(96, 100));
  EXPECT_TRUE(IsWorthOffering(0, 0));
  EXPECT_FALSE(IsWorthOffering(1, 0));
  EXPECT_FALSE(IsWorthOffering(std::uint64_t{4} << 30, std::uint64_t{4} << 30));
}

}  // namespace
}  // namespace sluice
