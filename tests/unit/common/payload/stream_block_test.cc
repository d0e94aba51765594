#include <gtest/gtest.h>

#include "tests/support/sample_elements.h"
#include "tests/unit/common/payload/encoded_blocks.h"

namespace sluice {
namespace {

class CollectingSink final : public BlockSink {
 public:
  Status Write(ByteView piece) override {
    EXPECT_LE(piece.size(), kPieceLengthMax);
    Append(bytes_, piece);
    if (bytes_.size() >= full_at_) return Fail(ErrorCode::kStoreIo, "the disk is full");
    return {};
  }
  void FillUpAt(std::size_t size) { full_at_ = size; }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }

 private:
  Bytes bytes_;
  std::size_t full_at_ = SIZE_MAX;
};

/// Reads less than it is told to have: a bad sector.
class TornSource final : public ByteSource {
 public:
  TornSource(ByteView bytes, std::uint64_t readable) : whole_(bytes), readable_(readable) {}
  [[nodiscard]] std::uint64_t size() const override { return whole_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
    if (offset + out.size() > readable_) return Fail(ErrorCode::kStoreIo, "read: bad sector");
    return whole_.ReadAt(offset, out);
  }

 private:
  MemorySource whole_;
  std::uint64_t readable_;
};

struct StreamSample {
  Codec codec;
  Bytes base, encoded, content;
  std::uint64_t block_offset = 0;
};

std::vector<StreamSample> SamplesOfClassS() {
  std::vector<StreamSample> samples;
  const Bytes noise = NoiseBytes(1, 16'384);
  samples.push_back({Codec::kRaw, {}, noise, noise});
  Bytes moved(noise.begin() + 100, noise.begin() + 9'100);
  Append(moved, ByteView(noise).first(7'384));
  samples.push_back(
      {Codec::kRsync, noise,
       Joined({DeltaMagic(), Copy(2, 100, 4, 9'000), Literal(ByteView(noise).first(7'384)), End()}),
       moved});
  for (const ElemSample& sample : ElemSamples()) {
    if (sample.codec == Codec::kLowrank) continue;
    samples.push_back(
        {sample.codec, sample.base, EncodedSample(sample), sample.content, sample.block_offset});
  }
  ElemSample large;
  large.base = ElementBytes(ElementKind::kF32, 2, 4'096);
  large.content = MovedElements(ElementKind::kF32, large.base, 3, 20);
  large.ops = {{ElemOp::Type::kDelta, ElementKind::kF32, 16'384, 0, 0}};
  ElemEncoder encoder(large.base);
  samples.push_back({Codec::kElem, large.base,
                     encoder.Encode(large.ops, large.content, 0, 1 << 20).value(), large.content});
  return samples;
}

Status Stream(const StreamSample& sample, const ByteSource& encoded, CollectingSink& sink) {
  return StreamBlock(sample.codec, kCodecMaskV1, encoded, MemorySource(sample.base),
                     sample.block_offset, static_cast<std::uint32_t>(sample.content.size()), sink);
}

TEST(StreamBlock, GivesInPiecesWhatDecodeBlockGivesAtOnce) {
  for (const StreamSample& sample : SamplesOfClassS()) {
    CollectingSink sink;
    const Status status = Stream(sample, MemorySource(sample.encoded), sink);
    ASSERT_TRUE(status) << CodecName(sample.codec) << ": " << status.error().Line();
    EXPECT_EQ(sink.bytes(), sample.content) << CodecName(sample.codec);
  }
}

TEST(StreamBlock, PassesOnWhatSinkAndSourcesFailWith) {
  for (const StreamSample& sample : SamplesOfClassS()) {
    CollectingSink full;
    full.FillUpAt(1);
    EXPECT_EQ(Stream(sample, MemorySource(sample.encoded), full).error().code, ErrorCode::kStoreIo);
    CollectingSink sink;
    const TornSource torn(sample.encoded, sample.encoded.size() - 1);
    EXPECT_EQ(Stream(sample, torn, sink).error().code, ErrorCode::kStoreIo);
  }
}

TEST(StreamBlock, NeverGivesMoreThanTheBlockHolds) {
  for (const StreamSample& sample : SamplesOfClassS()) {
    CollectingSink sink;
    StreamSample shorter = sample;
    shorter.content.resize(sample.content.size() - 1);
    EXPECT_FALSE(Stream(shorter, MemorySource(sample.encoded), sink));
    EXPECT_LE(sink.bytes().size(), shorter.content.size());
  }
}

TEST(StreamBlock, RefusesWhatClassSDoesNotDecode) {
  const Bytes noise = NoiseBytes(1, 100);
  for (const Codec codec : {Codec::kZlit, Codec::kRsyncZstd, Codec::kLowrank}) {
    CollectingSink sink;
    const StreamSample sample{codec, noise, noise, noise};
    EXPECT_EQ(Stream(sample, MemorySource(noise), sink).error().code, ErrorCode::kCodecUnsupported);
  }
}

}  // namespace
}  // namespace sluice
