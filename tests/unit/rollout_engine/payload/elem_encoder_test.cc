#include "rollout_engine/payload/elem_encoder.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "common/payload/elem_decoder.h"
#include "tests/support/elem_vectors.h"
#include "tests/support/sample_elements.h"

namespace sluice {
namespace {

Bytes Artifact(const ElemSample& sample) {
  Bytes artifact = sample.output;
  Append(artifact, sample.content);
  return artifact;
}

Result<Bytes> Decoded(const ElemSample& sample, ByteView block) {
  Bytes out(sample.content.size());
  SLUICE_TRY(
      DecodeElem(block, sample.codec, MemorySource(sample.base), MemorySource(sample.output), out));
  return out;
}

TEST(ElemEncoder, WritesWhatTheDecoderReads) {
  for (const ElemSample& sample : ElemSamples()) {
    EXPECT_EQ(Decoded(sample, EncodedSample(sample)), sample.content) << sample.name;
  }
}

// Any bits: infinities, NaNs, -0, the farthest differences there are.
TEST(ElemEncoder, RoundTripsAnyBitsOfAnyKind) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    SeededRandom random(seed);
    ElemSample sample;
    sample.block_offset = random.Below(1 << 20);
    sample.output.resize(sample.block_offset);
    sample.base = NoiseBytes(random.Next(), 1'000 + random.Below(1'000));
    const std::uint64_t count = 1 + random.Below(9);
    for (std::uint64_t i = 0; i < count; ++i) {
      ElemOp op{.type = static_cast<ElemOp::Type>(random.Below(3)),
                .kind = kElementKindsAll[random.Below(kElementKindsAll.size())]};
      if (op.type == ElemOp::Type::kDelta && op.kind == ElementKind::kBytes) continue;
      op.length = static_cast<std::uint32_t>(ElementWidth(op.kind) * (1 + random.Below(100)));
      Bytes content = NoiseBytes(random.Next(), op.length);
      if (op.type != ElemOp::Type::kLiteral) {
        op.base_offset = random.Below(sample.base.size() - op.length + 1);
        const auto old = sample.base.begin() + static_cast<std::ptrdiff_t>(op.base_offset);
        if (op.type == ElemOp::Type::kCopy || random.Below(2) == 0) {
          content.assign(old, old + op.length);
        }
      }
      sample.ops.push_back(op);
      Append(sample.content, content);
    }
    RC_PRE(!sample.ops.empty());
    RC_ASSERT(Decoded(sample, EncodedSample(sample)) == sample.content);
  }));
}

TEST(ElemEncoder, GivesUpWhereTheBlockWouldBeTooLong) {
  for (const ElemSample& sample : ElemSamples()) {
    const Bytes block = EncodedSample(sample);
    const Bytes artifact = Artifact(sample);
    ElemEncoder encoder(sample.base, artifact);
    const auto of_at_most = [&](std::size_t length_max) {
      return encoder.Encode(sample.ops, sample.content, sample.block_offset, length_max);
    };
    EXPECT_EQ(of_at_most(block.size()), block) << sample.name;
    EXPECT_EQ(of_at_most(block.size() - 1), std::nullopt) << sample.name;
    EXPECT_EQ(of_at_most(1), std::nullopt) << sample.name;
  }
}

TEST(ElemEncoder, CountsWhatItWouldWrite) {
  for (const ElemSample& sample : ElemSamples()) {
    if (sample.ops.size() > 1 || sample.ops[0].type == ElemOp::Type::kCopy) continue;
    if (sample.codec == Codec::kLowrank) continue;
    Bytes ops;
    std::uint64_t expected = sample.block_offset;
    AppendElemOp(ops, sample.ops[0], expected);
    ElemEncoder encoder(sample.base);
    // The count of operations, these, and the last 4 bytes of the coder.
    EXPECT_EQ(encoder.CodedLength(sample.ops[0], sample.content) + 2 + ops.size() + 4,
              EncodedSample(sample).size())
        << sample.name;
  }
}

TEST(ElemEncoder, SavesTwoThirdsOfWhatMovedLittleAndAllOfWhatStayed) {
  const Bytes base = ElementBytes(ElementKind::kF32, 1, 16'000);
  ElemEncoder encoder(base);
  const auto length_of = [&](const Bytes& content) {
    const ElemOp op{.type = ElemOp::Type::kDelta,
                    .kind = ElementKind::kF32,
                    .length = static_cast<std::uint32_t>(content.size())};
    return encoder.CodedLength(op, content);
  };
  EXPECT_LT(length_of(base), base.size() / 500);
  EXPECT_LT(length_of(MovedElements(ElementKind::kF32, base, 2, 16)), base.size() / 3);
}

// Decoding in pieces, as a small device does, gives what decoding at once gives.
TEST(ElemDecoder, GivesTheSameInPiecesOfAnySize) {
  for (const ElemSample& sample : ElemSamples()) {
    const Bytes block = EncodedSample(sample);
    const Bytes artifact = Artifact(sample);
    const MemorySource encoded(block), base(sample.base), output(artifact);
    for (const std::size_t room : {4u, 5u, 7u, 64u, 1'000u}) {
      ElemDecoder decoder(encoded, base, sample.block_offset, &output);
      const auto out_length = static_cast<std::uint32_t>(sample.content.size());
      ASSERT_TRUE(decoder.Open(out_length, sample.codec));
      Bytes content, piece(room);
      for (;;) {
        const auto length = decoder.Decode(piece);
        ASSERT_TRUE(length) << sample.name << ": " << length.error().Line();
        if (*length == 0) break;
        Append(content, ByteView(piece).first(*length));
      }
      EXPECT_EQ(content, sample.content) << sample.name << " in pieces of " << room;
    }
  }
}

// The format itself; ./dev arm32 reads the same file on another processor.
TEST(ElemVectors, DecodeToTheSameBytesEverywhere) {
  const auto vectors = ReadElemVectors(SLUICE_ELEM_VECTORS);
  EXPECT_EQ(vectors.size(), ElemSamples().size());
  for (const auto& [name, vector] : vectors) {
    const auto decoded = DecodedVector(vector);
    ASSERT_TRUE(decoded) << name << ": " << decoded.error().Line();
    EXPECT_EQ(*decoded, vector.content) << name;
  }
}

TEST(ElemVectors, AreWhatTheEncoderWrites) {
  const auto vectors = ReadElemVectors(SLUICE_ELEM_VECTORS);
  for (const ElemSample& sample : ElemSamples()) {
    const auto vector = vectors.find(sample.name);
    const Bytes block = EncodedSample(sample);
    std::string row = sample.name + " " + std::string(CodecName(sample.codec)) + " " +
                      std::to_string(sample.block_offset) + " " +
                      (sample.base.empty() ? "-" : ToHex(sample.base)) + " " + ToHex(block) + " " +
                      ToHex(sample.content);
    if (sample.codec == Codec::kLowrank) row += " " + ToHex(sample.output);
    EXPECT_NE(vector, vectors.end()) << "add to elem_vectors.txt:\n" << row;
    if (vector == vectors.end()) continue;
    EXPECT_EQ(ToHex(vector->second.block), ToHex(block)) << sample.name;
    EXPECT_EQ(vector->second.content, sample.content) << sample.name;
  }
}

}  // namespace
}  // namespace sluice
