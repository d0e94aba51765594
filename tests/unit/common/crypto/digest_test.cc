#include "common/crypto/digest.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "common/contract/limits.h"
#include "tests/support/temporary_directory.h"

namespace sluice {
namespace {

TEST(Sha256, MatchesThePublishedVectors) {  // FIPS 180-4
  EXPECT_EQ(Sha256({}).Hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(Sha256(AsBytes("abc")).Hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Sha256(Bytes(1'000'000, 'a')).Hex(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256Stream, DoesNotCareHowTheBytesAreCut) {
  const Bytes bytes(1'000, 0x5a);
  for (const std::size_t cut : {0u, 1u, 63u, 64u, 65u, 999u, 1'000u}) {
    Sha256Stream stream;
    stream.Update(ByteView(bytes).first(cut));
    stream.Update(ByteView(bytes).subspan(cut));
    EXPECT_EQ(stream.Finish(), Sha256(bytes)) << cut;
  }
}

TEST(Sha256Stream, StartsAnewAfterFinish) {
  Sha256Stream stream;
  stream.Update(AsBytes("first"));
  stream.Finish();
  stream.Update(AsBytes("abc"));
  EXPECT_EQ(stream.Finish(), Sha256(AsBytes("abc")));
}

TEST(Sha256OfFile, ReadsFromTheStartAndLeavesThePosition) {
  const test_support::TemporaryDirectory directory;
  const std::string content(200'000, 'm');
  const int fd = open(directory.Write("model", content).c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  ASSERT_EQ(lseek(fd, 77, SEEK_SET), 77);
  const Result<FileDigest> digest = Sha256OfFile(fd);
  ASSERT_TRUE(digest.has_value());
  EXPECT_EQ(digest->size_bytes, content.size());
  EXPECT_EQ(digest->sha256, Sha256(AsBytes(content)));
  EXPECT_EQ(lseek(fd, 0, SEEK_CUR), 77);
  close(fd);
  EXPECT_EQ(Sha256OfFile(fd).error().code, ErrorCode::kIo);
}

TEST(BlockHashList, HashesEach64KiBAndTheRest) {
  EXPECT_TRUE(BlockHashList({}).empty());
  const Bytes artifact(2 * limits::kManifestBlockSize + 1, 0x11);
  Bytes expected;
  Append(expected, Sha256(Bytes(limits::kManifestBlockSize, 0x11)).View());
  Append(expected, Sha256(Bytes(limits::kManifestBlockSize, 0x11)).View());
  Append(expected, Sha256(Bytes(1, 0x11)).View());
  EXPECT_EQ(BlockHashList(artifact), expected);
  EXPECT_EQ(BlockHashList(ByteView(artifact).first(limits::kManifestBlockSize)).size(),
            Digest::kSize);
}

TEST(Partition, IsTheLowSixBitsOfTheFirstByte) {
  // SHA-256("abc") starts with ba, SHA-256("") with e3.
  EXPECT_EQ(PartitionOf("abc"), 0xba & 63);
  EXPECT_EQ(PartitionOf(""), 0xe3 & 63);
}

TEST(CohortUnit, MatchesTheReferenceValues) {
  struct Row {
    std::string_view salt, device;
    double unit;
  };
  for (const Row& row : {Row{"detector-v3.2-r1", "cam-0017", 0.02034534890036699},
                         Row{"detector-v3.2-r1", "cam-0018", 0.9148375429059337},
                         Row{"r", "dev-1", 0.25324879117465293}, Row{"", "", 0.4304816492364817}}) {
    EXPECT_DOUBLE_EQ(CohortUnit(row.salt, row.device), row.unit) << row.device;
  }
}

TEST(CohortUnit, SeparatesSaltFromDevice) {
  EXPECT_NE(CohortUnit("ab", "c"), CohortUnit("a", "bc"));
  EXPECT_NE(CohortUnit("r1", "dev-1"), CohortUnit("r2", "dev-1"));
}

TEST(CohortUnit, SpreadsDevicesEvenly) {
  std::array<int, 10> tenths{};
  for (int i = 0; i < 10'000; ++i) {
    const double unit = CohortUnit("rollout", "dev-" + std::to_string(i));
    ASSERT_GE(unit, 0.0);
    ASSERT_LT(unit, 1.0);
    ++tenths.at(static_cast<std::size_t>(unit * 10));
  }
  for (const int count : tenths) EXPECT_NEAR(count, 1'000, 150);
}

}  // namespace
}  // namespace sluice
