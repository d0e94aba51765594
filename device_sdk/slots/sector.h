// A 512-byte sector that ends in a CRC-32C: the unit that a disk writes whole or not at all.
#pragma once

#include "common/base/bytes.h"

namespace sluice::device {

inline constexpr std::size_t kSectorBytes = 512;
inline constexpr std::size_t kSectorPayloadBytes = kSectorBytes - 4;

/// Sets the CRC of the sector's payload.
void SealSector(std::span<std::uint8_t, kSectorBytes> sector);
/// True iff `sector` has 512 bytes and its CRC is right. All zero is not whole: the CRC of zeros
/// is not zero.
bool SectorIsWhole(ByteView sector);

}  // namespace sluice::device
