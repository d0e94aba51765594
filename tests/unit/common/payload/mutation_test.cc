// Ten thousand damaged blocks of each codec: each is refused, or yields exactly one block; none
// writes beside it.
#include <gtest/gtest.h>

#include "tests/support/sample_elements.h"
#include "tests/unit/common/payload/encoded_blocks.h"

namespace sluice {
namespace {

constexpr int kMutations = 10'000;
constexpr std::size_t kOutLength = 2'000;

struct Sample {
  Bytes base, output, content;
};

Sample MakeSample() {
  Sample sample;
  sample.base = WeightBytes(1, 1'000);
  sample.output = WeightBytes(2, 600);
  sample.content.assign(sample.base.begin() + 1'000, sample.base.begin() + 2'000);
  Append(sample.content, ByteView(sample.output).first(700));
  Append(sample.content, NoiseBytes(3, 300));
  return sample;
}

Bytes SampleDelta(const Sample& sample) {
  return Joined({DeltaMagic(),
                 Copy(2, 1'000, 2, 1'000),
                 Literal(ByteView(sample.content).subspan(1'000, 500)),
                 LiteralHead(2, 436),
                 Bytes(sample.content.begin() + 1'500, sample.content.end() - 64),
                 {64},
                 Bytes(sample.content.end() - 64, sample.content.end()),
                 End()});
}

// One to four of: a bit flipped, a byte replaced, bytes removed, bytes repeated, the end cut off.
Bytes Mutated(const Bytes& good, Random& random) {
  Bytes bytes = good;
  for (std::uint64_t left = 1 + random.Below(4); left > 0 && !bytes.empty(); --left) {
    // Heads and commands are at the front: half of the damage goes there.
    const std::size_t reach =
        random.Below(2) == 0 ? std::min<std::size_t>(bytes.size(), 24) : bytes.size();
    const std::size_t at = random.Below(reach);
    const auto here = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    const auto length =
        static_cast<std::ptrdiff_t>(1 + random.Below(std::min<std::size_t>(8, bytes.size() - at)));
    switch (random.Below(5)) {
      case 0:
        bytes[at] = static_cast<std::uint8_t>(bytes[at] ^ (1u << random.Below(8)));
        break;
      case 1:
        bytes[at] = static_cast<std::uint8_t>(random.Next());
        break;
      case 2:
        bytes.erase(here, here + length);
        break;
      case 3: {
        const Bytes again(here, here + length);
        bytes.insert(here, again.begin(), again.end());
        break;
      }
      default:
        bytes.resize(at);
        break;
    }
  }
  return bytes;
}

void ExpectGuardedUnderMutation(Codec codec, const Bytes& good, const Sample& sample,
                                std::uint64_t seed) {
  ASSERT_EQ(DecodeGuarded(codec, MemoryClass::kM, good, sample.base, sample.output, kOutLength),
            sample.content);
  SeededRandom random(seed);
  int refused = 0;
  for (int i = 0; i < kMutations; ++i) {
    const Bytes bytes = Mutated(good, random);
    const auto decoded =
        DecodeGuarded(codec, MemoryClass::kM, bytes, sample.base, sample.output, kOutLength);
    ASSERT_FALSE(::testing::Test::HasFailure())
        << CodecName(codec) << " mutation " << i << ": " << ToHex(bytes);
    if (decoded) continue;
    ++refused;
    const ErrorCode code = decoded.error().code;
    ASSERT_TRUE(code == ErrorCode::kDeltaCorrupt || code == ErrorCode::kDeltaBomb ||
                code == ErrorCode::kDeltaOps)
        << decoded.error().Line();
  }
  EXPECT_GT(refused, kMutations / 10) << "the mutations hardly damage anything";
}

TEST(MutatedBlocks, OfRawNeverWriteBesideTheBlock) {
  const Sample sample = MakeSample();
  ExpectGuardedUnderMutation(Codec::kRaw, sample.content, sample, 11);
}

TEST(MutatedBlocks, OfZlitNeverWriteBesideTheBlock) {
  const Sample sample = MakeSample();
  const ZlitPrefix from_base{ZlitPrefixKind::kBase, 500, 3'000};
  const Bytes base_frame = ZstdFrame(sample.content, ByteView(sample.base).subspan(500, 3'000));
  ExpectGuardedUnderMutation(Codec::kZlit, ZlitBlock(from_base, base_frame), sample, 12);
  const ZlitPrefix from_output{ZlitPrefixKind::kOutput, 0, 2'400};
  const Bytes output_frame = ZstdFrame(sample.content, sample.output);
  ExpectGuardedUnderMutation(Codec::kZlit, ZlitBlock(from_output, output_frame), sample, 13);
}

TEST(MutatedBlocks, OfRsyncNeverWriteBesideTheBlock) {
  const Sample sample = MakeSample();
  ExpectGuardedUnderMutation(Codec::kRsync, SampleDelta(sample), sample, 14);
}

TEST(MutatedBlocks, OfRsyncZstdNeverWriteBesideTheBlock) {
  const Sample sample = MakeSample();
  ExpectGuardedUnderMutation(Codec::kRsyncZstd, ZstdFrame(SampleDelta(sample)), sample, 15);
  // Damage that the frame hides from itself: the delta inside is mutated, then compressed.
  SeededRandom random(16);
  for (int i = 0; i < 1'000; ++i) {
    const Bytes delta = Mutated(SampleDelta(sample), random);
    if (delta.empty()) continue;
    (void)DecodeGuarded(Codec::kRsyncZstd, MemoryClass::kM, ZstdFrame(delta), sample.base,
                        sample.output, kOutLength);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "delta " << i << ": " << ToHex(delta);
  }
}

// Every operation on every kind, a share of the mutations each.
void ExpectElemGuardedUnderMutation(Codec codec, std::uint64_t seed) {
  SeededRandom random(seed);
  std::vector<ElemSample> samples = ElemSamples();
  std::erase_if(samples, [codec](const ElemSample& sample) { return sample.codec > codec; });
  int refused = 0;
  for (int i = 0; i < kMutations; ++i) {
    const ElemSample& sample = samples[static_cast<std::size_t>(i) % samples.size()];
    const Bytes bytes = Mutated(EncodedSample(sample), random);
    const auto decoded = DecodeGuarded(codec, MemoryClass::kM, bytes, sample.base, sample.output,
                                       sample.content.size());
    ASSERT_FALSE(::testing::Test::HasFailure())
        << sample.name << " mutation " << i << ": " << ToHex(bytes);
    if (decoded) continue;
    ++refused;
    const ErrorCode code = decoded.error().code;
    ASSERT_TRUE(code == ErrorCode::kDeltaCorrupt || code == ErrorCode::kDeltaBomb ||
                code == ErrorCode::kDeltaOps)
        << decoded.error().Line();
  }
  EXPECT_GT(refused, kMutations / 10) << "the mutations hardly damage anything";
}

TEST(MutatedBlocks, OfElemNeverWriteBesideTheBlock) {
  ExpectElemGuardedUnderMutation(Codec::kElem, 17);
}

TEST(MutatedBlocks, OfQdeltaNeverWriteBesideTheBlock) {
  ExpectElemGuardedUnderMutation(Codec::kQdelta, 18);
}

TEST(MutatedBlocks, OfLowrankNeverWriteBesideTheBlock) {
  ExpectElemGuardedUnderMutation(Codec::kLowrank, 19);
}

}  // namespace
}  // namespace sluice
