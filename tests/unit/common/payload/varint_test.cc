#include "common/payload/varint.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

namespace sluice {
namespace {

Bytes Encoded(std::uint64_t value) {
  Bytes bytes;
  AppendUvarint(bytes, value);
  return bytes;
}

TEST(Uvarint, HasTheLeb128BytesOfKnownNumbers) {
  EXPECT_EQ(Encoded(0), Bytes({0x00}));
  EXPECT_EQ(Encoded(127), Bytes({0x7F}));
  EXPECT_EQ(Encoded(128), Bytes({0x80, 0x01}));
  EXPECT_EQ(Encoded(65'536), Bytes({0x80, 0x80, 0x04}));
  EXPECT_EQ(Encoded(UINT64_MAX).size(), 10u);
}

TEST(Uvarint, ComesBackAsItWentInAndLeavesWhatFollows) {
  EXPECT_TRUE(rc::check(
      [](std::uint64_t value, std::uint8_t shift, const std::vector<std::uint8_t>& after) {
        value >>= shift % 64;  // short numbers as often as long ones
        Bytes bytes = Encoded(value);
        Append(bytes, after);
        ByteView rest(bytes);
        const auto taken = TakeUvarint(rest);
        RC_ASSERT(taken.has_value());
        RC_ASSERT(*taken == value);
        RC_ASSERT(Bytes(rest.begin(), rest.end()) == after);
      }));
}

TEST(Uvarint, AcceptsNothingThatItWouldNotWrite) {
  EXPECT_TRUE(rc::check([](const std::vector<std::uint8_t>& bytes) {
    ByteView rest(bytes);
    const auto taken = TakeUvarint(rest);
    if (!taken) {
      RC_ASSERT(rest.size() == bytes.size());
      return;
    }
    const Bytes used(bytes.begin(), bytes.end() - static_cast<std::ptrdiff_t>(rest.size()));
    RC_ASSERT(Encoded(*taken) == used);
  }));
}

TEST(Uvarint, RefusesCutOffLongAndOverflowingForms) {
  const std::vector<Bytes> bad = {
      {},
      {0x80},
      {0x80, 0x00},                                                        // 0 in two bytes
      {0xFF, 0x00},                                                        // 127 in two bytes
      {0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02},        // bit 64
      {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},  // 11 bytes
  };
  for (const Bytes& bytes : bad) {
    ByteView rest(bytes);
    const auto taken = TakeUvarint(rest);
    ASSERT_FALSE(taken) << ToHex(bytes);
    EXPECT_EQ(taken.error().code, ErrorCode::kDeltaCorrupt);
  }
}

}  // namespace
}  // namespace sluice
