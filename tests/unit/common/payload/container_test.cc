#include "common/payload/container.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "common/contract/limits.h"
#include "tests/support/sample_models.h"

namespace sluice {
namespace {

Digest SomeDigest(std::uint64_t seed) { return *DigestFromBytes(NoiseBytes(seed, Digest::kSize)); }

// A delta of three blocks in class M, the last one of 5 bytes.
PayloadHead SampleHead() {
  PayloadHead head;
  head.kind = PayloadKind::kDelta;
  head.memory_class = MemoryClass::kM;
  head.block_size = 65'536;
  head.out_size = 2 * 65'536 + 5;
  head.out_sha256 = SomeDigest(1);
  head.base_size = 1'000'000;
  head.base_sha256 = SomeDigest(2);
  head.rows = {{70, Codec::kRsync, SomeDigest(3)},
               {65'536 + 16, Codec::kZlit, SomeDigest(4)},
               {5, Codec::kRaw, SomeDigest(5)}};
  head.codec_mask = CodecBit(Codec::kRsync) | CodecBit(Codec::kZlit) | CodecBit(Codec::kRaw);
  return head;
}

PayloadHead SampleFullHead() {
  PayloadHead head = SampleHead();
  head.kind = PayloadKind::kFull;
  head.base_size = 0;
  head.base_sha256 = {};
  return head;
}

ErrorCode CodeOf(const Bytes& bytes) {
  const auto head = ParseHead(bytes);
  return head ? ErrorCode::kOk : head.error().code;
}

template <class Change>
Bytes Changed(Change change) {
  PayloadHead head = SampleHead();
  change(head);
  return BuildHead(head);
}

TEST(PayloadHead, HasTheDocumentedBytes) {
  const PayloadHead head = SampleHead();
  const Bytes bytes = BuildHead(head);
  ASSERT_EQ(bytes.size(), 104u + 3 * 40u);
  const std::string hex = ToHex(bytes);
  EXPECT_EQ(hex.substr(0, 48),
            "534c5044"
            "0100"
            "01"
            "01"
            "00000100"
            "03000000"
            "0500020000000000");
  EXPECT_EQ(hex.substr(48, 64), head.out_sha256.Hex());
  EXPECT_EQ(hex.substr(112, 16), "40420f0000000000");
  EXPECT_EQ(hex.substr(128, 64), head.base_sha256.Hex());
  EXPECT_EQ(hex.substr(192, 16),
            "07000000"
            "00000000");
  EXPECT_EQ(hex.substr(208, 16),
            "46000000"
            "02"
            "00"
            "0000");
  EXPECT_EQ(hex.substr(224, 64), head.rows[0].in_sha256.Hex());
}

TEST(PayloadHead, ComesBackAsItWentIn) {
  for (const PayloadHead& head : {SampleHead(), SampleFullHead()}) {
    const auto parsed = ParseHead(BuildHead(head));
    ASSERT_TRUE(parsed) << parsed.error().Line();
    EXPECT_EQ(*parsed, head);
  }
}

TEST(PayloadHead, TellsWhereBlocksLieAndWhatTheyYield) {
  const PayloadHead head = SampleHead();
  EXPECT_EQ(head.HeadSize(), 224u);
  EXPECT_EQ(head.BlockOffset(0), 224u);
  EXPECT_EQ(head.BlockOffset(2), 224u + 70 + 65'552);
  EXPECT_EQ(head.PayloadSize(), 224u + 70 + 65'552 + 5);
  EXPECT_EQ(head.OutLength(1), 65'536u);
  EXPECT_EQ(head.OutLength(2), 5u);
}

TEST(PayloadHead, RoundTripsForEveryShape) {
  EXPECT_TRUE(rc::check([](std::uint32_t size_seed, bool is_delta, std::uint8_t class_seed,
                           std::uint64_t seed) {
    SeededRandom random(seed);
    PayloadHead head;
    head.memory_class = static_cast<MemoryClass>(class_seed % 3);
    head.block_size = BlockSizeOf(head.memory_class);
    head.out_size = 1 + size_seed % 500'000;
    head.out_sha256 = SomeDigest(seed);
    if (is_delta) {
      head.kind = PayloadKind::kDelta;
      head.base_size = 1 + random.Below(limits::kArtifactBytesMax);
      head.base_sha256 = SomeDigest(seed + 1);
    }
    for (std::uint64_t at = 0; at < head.out_size; at += head.block_size) {
      const Codec codec = random.Below(2) == 0 ? Codec::kRaw : Codec::kRsync;
      const auto in_len = 1 + random.Below(head.OutLength(head.rows.size()) + kBlockOverheadMax);
      head.rows.push_back({static_cast<std::uint32_t>(in_len), codec, SomeDigest(random.Next())});
      head.codec_mask |= CodecBit(codec);
    }
    const Bytes bytes = BuildHead(head);
    const auto parsed = ParseHead(bytes);
    RC_ASSERT(parsed.has_value());
    RC_ASSERT(*parsed == head);
    RC_ASSERT(HeadSizeOf(bytes) == bytes.size());
  }));
}

TEST(PayloadHead, IsRefusedAtEveryOtherSize) {
  const Bytes bytes = BuildHead(SampleHead());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(CodeOf(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size))),
              ErrorCode::kPayloadHead);
  }
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(CodeOf(longer), ErrorCode::kPayloadHead);
}

// The head's digest covers what a parser cannot judge: digests, and lengths within their range.
TEST(PayloadHead, IsRefusedOrMeansExactlyItsBytesAfterAnyBitFlip) {
  for (const PayloadHead& head : {SampleHead(), SampleFullHead()}) {
    const Bytes good = BuildHead(head);
    for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
      Bytes bytes = good;
      bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] ^ (1u << bit % 8));
      const auto parsed = ParseHead(bytes);
      if (parsed) {
        ASSERT_EQ(BuildHead(*parsed), bytes) << "bit " << bit;
        ASSERT_NE(*parsed, head) << "bit " << bit;
        continue;
      }
      const ErrorCode code = parsed.error().code;
      ASSERT_TRUE(code == ErrorCode::kPayloadHead || code == ErrorCode::kCodecUnsupported)
          << "bit " << bit;
    }
  }
}

TEST(PayloadHead, RefusesEveryFixedFieldOutOfItsRange) {
  const auto refuses = [](auto change) {
    return CodeOf(Changed(change)) == ErrorCode::kPayloadHead;
  };
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.kind = static_cast<PayloadKind>(2); }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.memory_class = static_cast<MemoryClass>(3); }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.block_size = 16'384; }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.block_size = 0; }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.out_size = 0; }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.out_size = UINT64_MAX; }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.out_size += 65'536; }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.base_size = 0; }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.base_size = limits::kArtifactBytesMax + 1; }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.base_sha256 = {}; }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.kind = PayloadKind::kFull; }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.codec_mask |= CodecBit(Codec::kRsyncZstd); }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.codec_mask &= ~CodecBit(Codec::kRaw); }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.rows[2].in_len = 0; }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.rows[2].in_len = 5 + 16 + 1; }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.rows[1].in_len = UINT32_MAX; }));
  EXPECT_TRUE(refuses([](PayloadHead& head) { head.rows[1].codec = static_cast<Codec>(7); }));
}

TEST(PayloadHead, CallsCodecsThatTheClassLacksUnsupported) {
  PayloadHead small = SampleHead();
  small.memory_class = MemoryClass::kS;
  small.block_size = 16'384;
  small.out_size = 3 * 16'384;
  small.rows[1].in_len = 100;
  EXPECT_EQ(CodeOf(BuildHead(small)), ErrorCode::kCodecUnsupported);
}

TEST(PayloadHead, IsDecodableByAnEqualOrLargerClassWithItsCodecs) {
  const PayloadHead head = SampleHead();
  EXPECT_TRUE(CheckDecodable(head, MemoryClass::kM, kCodecMaskV1));
  EXPECT_TRUE(CheckDecodable(head, MemoryClass::kL, head.codec_mask));
  EXPECT_FALSE(CheckDecodable(head, MemoryClass::kS, kCodecMaskV1));
  const Status lacking =
      CheckDecodable(head, MemoryClass::kL, head.codec_mask & ~CodecBit(Codec::kZlit));
  ASSERT_FALSE(lacking);
  EXPECT_EQ(lacking.error().code, ErrorCode::kCodecUnsupported);
}

TEST(HeadSizeOf, IsToldByTheFirstBytesOfAPayload) {
  Bytes payload = BuildHead(SampleHead());
  EXPECT_EQ(HeadSizeOf(ByteView(payload).first(104)), 224u);
  EXPECT_FALSE(HeadSizeOf(ByteView(payload).first(103)));
  StoreLe(payload.data() + 12, UINT32_MAX);
  const auto size = HeadSizeOf(payload);
  ASSERT_FALSE(size);
  EXPECT_EQ(size.error().code, ErrorCode::kPayloadHead);
}

}  // namespace
}  // namespace sluice
