// Unsigned LEB128 numbers in their shortest form: 7 bits a byte, low bits first.
#pragma once

#include "common/base/bytes.h"

namespace sluice {

void AppendUvarint(Bytes& to, std::uint64_t value);

/// Takes one number off the front of `from`. E_DELTA_CORRUPT if it is cut off, over 64 bits or not
/// in shortest form; `from` is then unchanged.
Result<std::uint64_t> TakeUvarint(ByteView& from);

}  // namespace sluice
