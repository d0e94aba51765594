#include "common/payload/zlit_codec.h"

#include <gtest/gtest.h>

#include "tests/support/sample_models.h"
#include "tests/unit/common/payload/encoded_blocks.h"

namespace sluice {
namespace {

constexpr std::size_t kBlock = 64 * 1024;

Result<Bytes> Decode(ByteView encoded, ByteView base, ByteView output, std::size_t length,
                     MemoryClass memory_class = MemoryClass::kM) {
  return DecodeGuarded(Codec::kZlit, memory_class, encoded, base, output, length);
}

ErrorCode CodeOf(const Result<Bytes>& result) {
  return result ? ErrorCode::kOk : result.error().code;
}

TEST(ZlitCodec, DecodesAFrameWithoutPrefix) {
  const Bytes content = WeightBytes(1, 1000);
  const auto decoded = Decode(ZlitBlock({}, ZstdFrame(content)), {}, {}, content.size());
  ASSERT_TRUE(decoded) << decoded.error().Line();
  EXPECT_EQ(*decoded, content);
}

TEST(ZlitCodec, RefersToTheBaseAndToEarlierOutput) {
  const Bytes source = NoiseBytes(2, 3 * kBlock);
  const ByteView prefix = ByteView(source).subspan(kBlock, kBlock);
  const Bytes content(prefix.begin(), prefix.end());
  const Bytes frame = ZstdFrame(content, prefix);
  ASSERT_LT(frame.size(), 100u) << "the frame does not use its prefix";

  const Bytes from_base = ZlitBlock({ZlitPrefixKind::kBase, kBlock, kBlock}, frame);
  EXPECT_EQ(Decode(from_base, source, {}, kBlock), content);
  const Bytes from_output = ZlitBlock({ZlitPrefixKind::kOutput, kBlock, kBlock}, frame);
  EXPECT_EQ(Decode(from_output, {}, source, kBlock), content);
}

TEST(ZlitCodec, LimitsThePrefixByClass) {
  const Bytes base = NoiseBytes(3, 300 * 1024);
  const Bytes content = WeightBytes(4, 100);
  const auto decode = [&](std::size_t prefix_length, MemoryClass memory_class) {
    const Bytes frame = ZstdFrame(content, ByteView(base).first(prefix_length));
    return CodeOf(Decode(ZlitBlock({ZlitPrefixKind::kBase, 0, prefix_length}, frame), base, {},
                         content.size(), memory_class));
  };
  EXPECT_EQ(decode(64 * 1024, MemoryClass::kM), ErrorCode::kOk);
  EXPECT_EQ(decode(64 * 1024 + 1, MemoryClass::kM), ErrorCode::kDeltaCorrupt);
  EXPECT_EQ(decode(256 * 1024, MemoryClass::kL), ErrorCode::kOk);
  EXPECT_EQ(decode(256 * 1024 + 1, MemoryClass::kL), ErrorCode::kDeltaCorrupt);
  EXPECT_EQ(decode(1, MemoryClass::kS), ErrorCode::kCodecUnsupported);
}

TEST(ZlitCodec, RefusesAPrefixOutsideItsSource) {
  const Bytes base = NoiseBytes(5, 100);
  const Bytes content = NoiseBytes(6, 50);
  const Bytes frame = ZstdFrame(content);
  const std::vector<ZlitPrefix> bad = {
      {ZlitPrefixKind::kBase, 1, 100}, {ZlitPrefixKind::kBase, 101, 1},
      {ZlitPrefixKind::kOutput, 0, 1}, {ZlitPrefixKind::kBase, UINT64_MAX, 2},
      {ZlitPrefixKind::kBase, 0, 101}, {ZlitPrefixKind::kBase, UINT64_MAX - 1, 2},
  };
  for (const ZlitPrefix& prefix : bad) {
    EXPECT_EQ(CodeOf(Decode(ZlitBlock(prefix, frame), base, {}, content.size())),
              ErrorCode::kDeltaCorrupt);
  }
  EXPECT_TRUE(Decode(ZlitBlock({ZlitPrefixKind::kBase, 0, 100}, frame), base, {}, content.size()));
}

TEST(ZlitCodec, RefusesAHeadThatCouldBeWrittenOtherwise) {
  const Bytes content = NoiseBytes(7, 50);
  const Bytes frame = ZstdFrame(content);
  const std::vector<Bytes> heads = {
      {},                  // nothing
      {0},                 // cut off
      {0, 0},              //
      {3, 0, 1},           // unknown kind
      {0, 1, 0},           // an offset into nothing
      {0, 0, 1},           // a length of nothing
      {1, 0, 0},           // base, but no bytes of it
      {1, 0x80, 0x00, 1},  // number not in shortest form
  };
  for (const Bytes& head : heads) {
    EXPECT_EQ(CodeOf(Decode(Joined({head, frame}), Bytes(10), {}, content.size())),
              ErrorCode::kDeltaCorrupt)
        << ToHex(head);
  }
  EXPECT_EQ(CodeOf(Decode({}, {}, {}, 1)), ErrorCode::kDeltaCorrupt);
}

TEST(ZlitCodec, RefusesFramesOfAnotherLength) {
  const Bytes content(1000, 7);
  const Bytes block = ZlitBlock({}, ZstdFrame(content));
  EXPECT_EQ(CodeOf(Decode(block, {}, {}, 999)), ErrorCode::kDeltaBomb);
  EXPECT_EQ(CodeOf(Decode(block, {}, {}, 1001)), ErrorCode::kDeltaCorrupt);
  // 4 MiB out of a few hundred bytes: refused by its header, before a byte is decoded.
  const Bytes bomb = ZlitBlock({}, ZstdFrame(Bytes(4 << 20, 0)));
  ASSERT_LT(bomb.size(), 1'024u);
  EXPECT_EQ(CodeOf(Decode(bomb, {}, {}, kBlock)), ErrorCode::kDeltaBomb);
}

TEST(ZlitCodec, RefusesFramesWhoseHeaderUnderstatesTheirBlocks) {
  // RFC 8878: magic, descriptor 0x20 (single segment, one length byte), length, then RLE blocks of
  // 100 bytes.
  const Bytes magic = {0x28, 0xB5, 0x2F, 0xFD};
  const auto rle_block = [](bool is_last) {
    const std::uint32_t header = (is_last ? 1u : 0u) | 1u << 1 | 100u << 3;
    return Bytes{static_cast<std::uint8_t>(header), static_cast<std::uint8_t>(header >> 8), 0,
                 0x55};
  };
  const auto frame = [&](std::uint8_t declared) {
    return ZlitBlock({}, Joined({magic, {0x20, declared}, rle_block(false), rle_block(true)}));
  };
  EXPECT_EQ(Decode(frame(200), {}, {}, 200), Bytes(200, 0x55));
  for (const std::uint8_t declared : std::initializer_list<std::uint8_t>{50, 150, 199}) {
    const ErrorCode code = CodeOf(Decode(frame(declared), {}, {}, declared));
    EXPECT_TRUE(code == ErrorCode::kDeltaBomb || code == ErrorCode::kDeltaCorrupt)
        << CodeName(code);
  }
  EXPECT_EQ(CodeOf(Decode(frame(201), {}, {}, 201)), ErrorCode::kDeltaCorrupt);
}

TEST(ZlitCodec, RefusesAWindowOfItsOwn) {
  const Bytes content = WeightBytes(8, 1000);
  // Without a length in its header a frame must name a window instead.
  EXPECT_EQ(CodeOf(Decode(ZlitBlock({}, ZstdFrame(content, {}, false)), {}, {}, content.size())),
            ErrorCode::kDeltaCorrupt);
  // 256 bytes as one RLE block, the length given in two bytes; first with a window of 2 GiB, then
  // without.
  const Bytes magic = {0x28, 0xB5, 0x2F, 0xFD};
  const Bytes length_and_block = {0x00, 0x00, 0x03, 0x08, 0x00, 0x55};
  const Bytes with_window = ZlitBlock({}, Joined({magic, {0x40, 0xA8}, length_and_block}));
  const Bytes without = ZlitBlock({}, Joined({magic, {0x60}, length_and_block}));
  EXPECT_EQ(CodeOf(Decode(with_window, {}, {}, 256)), ErrorCode::kDeltaCorrupt);
  EXPECT_EQ(Decode(without, {}, {}, 256), Bytes(256, 0x55));
}

TEST(ZlitCodec, RefusesTwoFramesSkippableFramesAndBytesAfterTheFrame) {
  const Bytes content(100, 9);
  const Bytes frame = ZstdFrame(content);
  const Bytes skippable = {0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4};
  for (const Bytes& bad : {Joined({frame, frame}), Joined({frame, {0}}), Joined({skippable, frame}),
                           skippable, Joined({frame, skippable}), Bytes{}}) {
    EXPECT_EQ(CodeOf(Decode(ZlitBlock({}, bad), {}, {}, content.size())), ErrorCode::kDeltaCorrupt);
    EXPECT_EQ(CodeOf(Decode(ZlitBlock({}, bad), {}, {}, 2 * content.size())),
              ErrorCode::kDeltaCorrupt);
  }
}

TEST(ZlitCodec, RefusesAFrameCutOffAnywhere) {
  const Bytes content = WeightBytes(10, 200);
  const Bytes block = ZlitBlock({}, ZstdFrame(content));
  for (std::size_t size = 0; size < block.size(); ++size) {
    EXPECT_EQ(CodeOf(Decode(ByteView(block).first(size), {}, {}, content.size())),
              ErrorCode::kDeltaCorrupt);
  }
}

}  // namespace
}  // namespace sluice
