#include "device_sdk/slots/crc32c.h"

#include <gtest/gtest.h>

#include "device_sdk/slots/sector.h"

namespace sluice::device {
namespace {

TEST(Crc32c, GivesTheCheckValueOfTheCatalogue) {
  EXPECT_EQ(Crc32c(AsBytes("123456789")), 0xE3069283U);
  EXPECT_EQ(Crc32c({}), 0U);
}

TEST(Sector, IsWholeOnlyAsItWasSealed) {
  std::array<std::uint8_t, kSectorBytes> sector{};
  sector[0] = 7;
  EXPECT_FALSE(SectorIsWhole(sector));
  SealSector(sector);
  EXPECT_TRUE(SectorIsWhole(sector));
  EXPECT_FALSE(SectorIsWhole(ByteView(sector).first(kSectorBytes - 1)));
  for (std::size_t bit = 0; bit < kSectorBytes * 8; ++bit) {
    auto flipped = sector;
    flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ (1U << (bit % 8)));
    ASSERT_FALSE(SectorIsWhole(flipped)) << "bit " << bit;
  }
}

TEST(Sector, OfZerosIsNotWhole) { EXPECT_FALSE(SectorIsWhole(Bytes(kSectorBytes))); }

}  // namespace
}  // namespace sluice::device
