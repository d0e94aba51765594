#include "common/payload/block_decoder.h"

#include <gtest/gtest.h>

#include "rollout_engine/payload/elem_encoder.h"
#include "tests/support/sample_models.h"
#include "tests/unit/common/payload/encoded_blocks.h"

namespace sluice {
namespace {

struct BlockSample {
  Codec codec;
  Bytes encoded;
};

const Bytes& Content() {
  static const Bytes content = NoiseBytes(1, 500);
  return content;
}

Bytes ElemLiteral(const Bytes& content) {
  ElemEncoder encoder({});
  const ElemOp op{.type = ElemOp::Type::kLiteral,
                  .length = static_cast<std::uint32_t>(content.size())};
  return encoder.Encode({op}, content, 0, 2 * content.size()).value();
}

std::vector<BlockSample> OneBlockOfEachCodec() {
  const Bytes delta = Joined({DeltaMagic(), Literal(Content()), End()});
  return {{Codec::kRaw, Content()},
          {Codec::kZlit, ZlitBlock({}, ZstdFrame(Content()))},
          {Codec::kRsync, delta},
          {Codec::kRsyncZstd, ZstdFrame(delta)},
          {Codec::kElem, ElemLiteral(Content())},
          {Codec::kQdelta, ElemLiteral(Content())},
          {Codec::kLowrank, ElemLiteral(Content())}};
}

ErrorCode DecodeWith(const BlockSample& sample, MemoryClass memory_class, std::uint32_t mask) {
  Bytes out(Content().size());
  const Status status = DecodeBlock(sample.codec, memory_class, mask, sample.encoded,
                                    MemorySource({}), MemorySource({}), out);
  if (status) {
    EXPECT_EQ(out, Content());
  }
  return status ? ErrorCode::kOk : status.error().code;
}

TEST(DecodeBlock, DecodesWithoutZstdAndEarlierRowsInClassSAndEverythingInMAndL) {
  constexpr std::uint32_t kNotInS =
      CodecBit(Codec::kZlit) | CodecBit(Codec::kRsyncZstd) | CodecBit(Codec::kLowrank);
  for (const BlockSample& sample : OneBlockOfEachCodec()) {
    const bool is_in_s = (CodecBit(sample.codec) & kNotInS) == 0;
    EXPECT_EQ(DecodeWith(sample, MemoryClass::kS, kCodecMaskV1),
              is_in_s ? ErrorCode::kOk : ErrorCode::kCodecUnsupported);
    EXPECT_EQ(DecodeWith(sample, MemoryClass::kM, kCodecMaskV1), ErrorCode::kOk);
    EXPECT_EQ(DecodeWith(sample, MemoryClass::kL, kCodecMaskV1), ErrorCode::kOk);
  }
}

TEST(DecodeBlock, RefusesACodecThatTheDeviceDidNotOffer) {
  for (const BlockSample& sample : OneBlockOfEachCodec()) {
    EXPECT_EQ(DecodeWith(sample, MemoryClass::kL, CodecBit(sample.codec)), ErrorCode::kOk);
    EXPECT_EQ(DecodeWith(sample, MemoryClass::kL, ~CodecBit(sample.codec)),
              ErrorCode::kCodecUnsupported);
  }
}

TEST(DecodeBlock, TakesARawBlockOfExactlyTheOutputsLengthOnly) {
  EXPECT_EQ(DecodeGuarded(Codec::kRaw, MemoryClass::kS, Content(), {}, {}, 500), Content());
  for (const std::size_t length : {499U, 501U}) {
    const auto decoded = DecodeGuarded(Codec::kRaw, MemoryClass::kS, Content(), {}, {}, length);
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().code, ErrorCode::kDeltaCorrupt);
  }
}

TEST(DecodeBlockDeathTest, StopsWhenTheOutputIsNoBlockOfTheClass) {
  Bytes out(BlockSizeOf(MemoryClass::kS) + 1);
  EXPECT_DEATH((void)DecodeBlock(Codec::kRaw, MemoryClass::kS, kCodecMaskV1, out, MemorySource({}),
                                 MemorySource({}), out),
               "E_INTERNAL");
}

}  // namespace
}  // namespace sluice
