// The decoders behind DecodeBlock and StreamBlock; each writes all of the output or fails as
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

/// Operations (elem_ops.h), then range-coded elements. `codec` is ELEM, QDELTA or LOWRANK: each has
/// the operations of the one before and one more.
Status DecodeElem(ByteView encoded, Codec codec, const ByteSource& base, const ByteSource& output,
                  std::span<std::uint8_t> out);

/// The codecs of class S, with pieces of kPieceLengthMax bytes in memory.
Status StreamRaw(const ByteSource& encoded, std::uint32_t out_length, BlockSink& sink);
Status StreamRsync(const ByteSource& encoded, const ByteSource& base, std::uint32_t out_length,
                   BlockSink& sink);
Status StreamElem(const ByteSource& encoded, Codec codec, const ByteSource& base,
                  std::uint64_t block_offset, std::uint32_t out_length, BlockSink& sink);

}  // namespace sluice
