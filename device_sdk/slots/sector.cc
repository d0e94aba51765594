#include "device_sdk/slots/sector.h"

#include "device_sdk/slots/crc32c.h"

namespace sluice::device {

void SealSector(std::span<std::uint8_t, kSectorBytes> sector) {
  StoreLe(sector.data() + kSectorPayloadBytes, Crc32c(sector.first(kSectorPayloadBytes)));
}

bool SectorIsWhole(ByteView sector) {
  return sector.size() == kSectorBytes &&
         LoadLe<std::uint32_t>(sector.data() + kSectorPayloadBytes) ==
             Crc32c(sector.first(kSectorPayloadBytes));
}

}  // namespace sluice::device
