#include "rollout_engine/payload/rsync_delta.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "common/payload/block_decoder.h"
#include "common/payload/rsync_commands.h"
#include "tests/support/sample_models.h"

namespace sluice {
namespace {

TEST(CutExtents, CutsAtBothEndsAndMovesTheBaseOffsetAlong) {
  const ExtentList extents = {{0, 100, std::nullopt}, {100, 100, 5'000}, {200, 50, std::nullopt}};
  EXPECT_EQ(CutExtents(extents, 0, 250), extents);
  EXPECT_EQ(CutExtents(extents, 90, 130), (ExtentList{{90, 10, std::nullopt}, {100, 30, 5'000}}));
  EXPECT_EQ(CutExtents(extents, 130, 160), (ExtentList{{130, 30, 5'030}}));
  EXPECT_EQ(CutExtents(extents, 199, 201), (ExtentList{{199, 1, 5'099}, {200, 1, std::nullopt}}));
  EXPECT_EQ(CutExtents(extents, 200, 250), (ExtentList{{200, 50, std::nullopt}}));
}

// 4 bytes of magic, the commands, 1 byte of end.
std::size_t CommandBytes(const ExtentList& extents, ByteView artifact) {
  return BuildRsyncDelta(extents, artifact).size() - 5;
}

TEST(BuildRsyncDelta, UsesTheShortestCommandForEachNumber) {
  const Bytes artifact(70'000);
  const auto literal = [&](std::uint64_t length) {
    return CommandBytes({{0, length, std::nullopt}}, artifact) - length;
  };
  EXPECT_EQ(literal(1), 1u);
  EXPECT_EQ(literal(64), 1u);
  EXPECT_EQ(literal(65), 2u);
  EXPECT_EQ(literal(255), 2u);
  EXPECT_EQ(literal(256), 3u);
  EXPECT_EQ(literal(65'535), 3u);
  EXPECT_EQ(literal(65'536), 5u);
  const auto copy = [&](std::uint64_t offset, std::uint64_t length) {
    return CommandBytes({{0, length, offset}}, artifact);
  };
  EXPECT_EQ(copy(0, 255), 3u);
  EXPECT_EQ(copy(256, 255), 4u);
  EXPECT_EQ(copy(65'536, 256), 7u);
  EXPECT_EQ(copy(std::uint64_t{1} << 32, 65'536), 13u);
}

TEST(BuildRsyncDelta, WritesCopiesThatCostMoreThanTheirBytesAsLiterals) {
  const Bytes artifact = NoiseBytes(1, 30);
  const ExtentList extents = {{0, 10, std::nullopt}, {10, 15, 1'000'000}, {25, 5, std::nullopt}};
  EXPECT_EQ(CommandBytes(extents, artifact), 1 + 30u) << "one literal of all bytes";
}

// A base, and extents that take pieces from anywhere in it.
struct Mixture {
  Bytes base, artifact;
  ExtentList extents;
};

Mixture MakeMixture(std::uint64_t seed) {
  SeededRandom random(seed);
  Mixture mixture;
  mixture.base = NoiseBytes(random.Next(), 1 + random.Below(70'000));
  while (mixture.artifact.size() < 60'000) {
    const std::uint64_t length = 1 + random.Below(random.Below(2) == 0 ? 40 : 3'000);
    Extent extent{mixture.artifact.size(), length, std::nullopt};
    if (random.Below(2) == 0 && length < mixture.base.size()) {
      extent.base_offset = random.Below(mixture.base.size() - length);
      Append(mixture.artifact, ByteView(mixture.base).subspan(*extent.base_offset, length));
    } else {
      Append(mixture.artifact, NoiseBytes(random.Next(), length));
    }
    mixture.extents.push_back(extent);
  }
  return mixture;
}

TEST(BuildRsyncDelta, OfEveryBlockDecodesAndNeverOutgrowsIt) {
  EXPECT_TRUE(rc::check([](std::uint64_t seed) {
    const Mixture mixture = MakeMixture(seed);
    for (std::uint64_t begin = 0; begin < mixture.artifact.size(); begin += 16'384) {
      const std::uint64_t end = std::min<std::uint64_t>(begin + 16'384, mixture.artifact.size());
      const Bytes delta =
          BuildRsyncDelta(CutExtents(mixture.extents, begin, end), mixture.artifact);
      RC_ASSERT(delta.size() <= end - begin + 10);
      Bytes out(end - begin);
      const Status status = DecodeBlock(Codec::kRsync, MemoryClass::kS, kCodecMaskV1, delta,
                                        MemorySource(mixture.base), MemorySource({}), out);
      RC_ASSERT(status.has_value());
      RC_ASSERT(std::equal(out.begin(), out.end(),
                           mixture.artifact.begin() + static_cast<std::ptrdiff_t>(begin)));
    }
  }));
}

}  // namespace
}  // namespace sluice
