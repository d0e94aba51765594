// The decoders behind DecodeBlock, one per codec; each writes all of `out` or fails as
// block_decoder.h says.
#pragma once

#include "common/payload/block_decoder.h"

namespace sluice {

/// The output bytes themselves.
Status DecodeRaw(ByteView encoded, std::span<std::uint8_t> out);

/// u8 prefix kind (ZlitPrefix), uvarint offset, uvarint length, then one zstd frame that may refer
/// to these bytes.
Status DecodeZlit(ByteView encoded, std::uint32_t prefix_max, const ByteSource& base,
                  const ByteSource& output, std::span<std::uint8_t> out);

/// One stock librsync delta whose basis is the whole base.
Status DecodeRsync(ByteView encoded, const ByteSource& base, std::span<std::uint8_t> out);

/// The same in one zstd frame.
Status DecodeRsyncZstd(ByteView encoded, const ByteSource& base, std::span<std::uint8_t> out);

}  // namespace sluice
