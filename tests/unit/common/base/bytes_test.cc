#include "common/base/bytes.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr std::string_view kHex =
    "00ff102030405060708090a0b0c0d0e0f0112233445566778899aabbccddeeff";

TEST(Hex, RoundTripsEveryByteValue) {
  Bytes all;
  for (int i = 0; i < 256; ++i) all.push_back(static_cast<std::uint8_t>(i));
  const std::string hex = ToHex(all);
  EXPECT_EQ(hex.size(), 512u);
  EXPECT_EQ(hex.substr(0, 8), "00010203");
  EXPECT_EQ(hex.substr(508), "feff");
  EXPECT_EQ(FromHex(hex), all);
}

TEST(Hex, ReadsBothCasesAndNothingElse) {
  EXPECT_EQ(FromHex("aBcD"), (Bytes{0xab, 0xcd}));
  EXPECT_EQ(FromHex(""), Bytes{});
  for (const std::string_view bad : {"a", "abc", "0g", "0x", " 0", "a b0"}) {
    const Result<Bytes> bytes = FromHex(bad);
    ASSERT_FALSE(bytes.has_value()) << bad;
    EXPECT_EQ(bytes.error().code, ErrorCode::kBadId) << bad;
  }
}

TEST(DigestText, IsExactly64Digits) {
  const Result<Digest> digest = DigestFromHex(kHex);
  ASSERT_TRUE(digest.has_value());
  EXPECT_EQ(digest->Hex(), kHex);
  EXPECT_EQ(digest->Short(), "00ff10203040");
  EXPECT_EQ(DigestFromHex(kHex.substr(2)).error().code, ErrorCode::kBadId);
  EXPECT_EQ(DigestFromHex(std::string(kHex) + "00").error().code, ErrorCode::kBadId);
  EXPECT_EQ(DigestFromHex(std::string(62, '0') + "0g").error().code, ErrorCode::kBadId);
}

TEST(DigestBytes, NeedsExactly32) {
  EXPECT_EQ(DigestFromBytes(Bytes(31)).error().code, ErrorCode::kFbRange);
  EXPECT_EQ(DigestFromBytes(Bytes(33)).error().code, ErrorCode::kFbRange);
  EXPECT_TRUE(DigestFromBytes(Bytes(32)).value().IsZero());
}

TEST(DigestPrefix, IsTheFirstEightBytesLittleEndian) {
  const Digest digest = DigestFromHex(kHex).value();
  EXPECT_EQ(digest.Prefix64(), 0x605040302010ff00u);
  EXPECT_FALSE(digest.IsZero());
}

TEST(LittleEndian, StoresTheLowByteFirstInEveryWidth) {
  Bytes bytes;
  AppendLe(bytes, std::uint8_t{0x01});
  AppendLe(bytes, std::uint16_t{0x0302});
  AppendLe(bytes, std::uint32_t{0x07060504});
  AppendLe(bytes, std::uint64_t{0x0f0e0d0c0b0a0908});
  EXPECT_EQ(ToHex(bytes), "0102030405060708090a0b0c0d0e0f");
  EXPECT_EQ(LoadLe<std::uint8_t>(bytes.data()), 0x01);
  EXPECT_EQ(LoadLe<std::uint16_t>(bytes.data() + 1), 0x0302);
  EXPECT_EQ(LoadLe<std::uint32_t>(bytes.data() + 3), 0x07060504u);
  EXPECT_EQ(LoadLe<std::uint64_t>(bytes.data() + 7), 0x0f0e0d0c0b0a0908u);
}

TEST(TextViews, ShareTheBytes) {
  const std::string text("a\0b", 3);
  EXPECT_EQ(AsBytes(text).size(), 3u);
  EXPECT_EQ(AsText(AsBytes(text)), text);
}

}  // namespace
}  // namespace sluice
