#include "rollout_engine/payload/base_signature.h"

#include <gtest/gtest.h>

#include "common/crypto/digest.h"
#include "tests/support/sample_models.h"

namespace sluice {
namespace {

// What the extents say, done.
Bytes Rebuilt(const ExtentList& extents, ByteView base, ByteView artifact) {
  Bytes rebuilt;
  for (const Extent& extent : extents) {
    EXPECT_EQ(extent.out_offset, rebuilt.size()) << "gap or overlap";
    const ByteView source = extent.base_offset ? base : artifact;
    Append(rebuilt, source.subspan(extent.base_offset.value_or(extent.out_offset), extent.length));
  }
  return rebuilt;
}

std::uint64_t LiteralBytes(const ExtentList& extents) {
  std::uint64_t bytes = 0;
  for (const Extent& extent : extents) bytes += extent.base_offset ? 0 : extent.length;
  return bytes;
}

TEST(BaseSignature, FindsNothingButOneCopyInTheBaseItself) {
  const Bytes base = NoiseBytes(1, 300'000);
  const auto signature = BaseSignature::Compute(base);
  ASSERT_TRUE(signature) << signature.error().Line();
  EXPECT_EQ(signature->base_sha256(), Sha256(base));
  EXPECT_EQ(signature->Match(base), (ExtentList{{0, 300'000, 0}}));
}

TEST(BaseSignature, FindsBytesThatMovedBesideOnesThatAreNew) {
  const Bytes base = NoiseBytes(2, 200'000);
  Bytes artifact = NoiseBytes(3, 777);
  Append(artifact, ByteView(base).subspan(100'001, 90'000));
  Append(artifact, NoiseBytes(4, 333));
  Append(artifact, ByteView(base).subspan(5, 50'000));

  const auto extents = BaseSignature::Compute(base)->Match(artifact);
  ASSERT_TRUE(extents) << extents.error().Line();
  EXPECT_EQ(Rebuilt(*extents, base, artifact), artifact);
  // Matches start and end at the base's 256-byte blocks, so up to 255 bytes at each of four ends
  // stay literal.
  EXPECT_LE(LiteralBytes(*extents), 777u + 333 + 4 * 255);
}

TEST(BaseSignature, ServesOneArtifactAfterTheOther) {
  const Bytes base = WeightBytes(5, 50'000);
  const auto signature = BaseSignature::Compute(base);
  ASSERT_TRUE(signature);
  for (std::uint64_t seed = 0; seed < 3; ++seed) {
    const Bytes artifact = WithNewHead(base, seed, 20'000);
    const auto extents = signature->Match(artifact);
    ASSERT_TRUE(extents);
    EXPECT_EQ(Rebuilt(*extents, base, artifact), artifact);
    EXPECT_LT(LiteralBytes(*extents), 20'000u + 256);
    EXPECT_EQ(signature->Match(artifact), extents);
  }
}

TEST(BaseSignature, CoversArtifactsOfAnySize) {
  const Bytes all = NoiseBytes(6, 200'000);
  for (const std::size_t base_size : {1U, 255U, 256U, 257U, 65'536U, 65'537U}) {
    const ByteView base = ByteView(all).first(base_size);
    const auto signature = BaseSignature::Compute(base);
    ASSERT_TRUE(signature);
    for (const std::size_t size : {1U, 255U, 256U, 257U, 65'535U, 65'536U, 131'073U}) {
      const ByteView artifact = ByteView(all).first(size);
      const auto extents = signature->Match(artifact);
      ASSERT_TRUE(extents) << base_size << " " << size;
      EXPECT_EQ(Rebuilt(*extents, base, artifact), Bytes(artifact.begin(), artifact.end()));
    }
  }
}

}  // namespace
}  // namespace sluice
