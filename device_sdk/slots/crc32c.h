// CRC-32C (Castagnoli, reflected, initial and final value inverted): finds torn and rotten bytes.
#pragma once

#include "common/base/bytes.h"

namespace sluice::device {

std::uint32_t Crc32c(ByteView bytes);

}  // namespace sluice::device
