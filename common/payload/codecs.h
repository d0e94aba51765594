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

/// Operations (elem_ops.h), then range-coded elements. `allows_qdelta`: a QDELTA block, which is an
/// ELEM block with one more operation. `block_offset`: of the block in the output.
Status DecodeElem(ByteView encoded, bool allows_qdelta, const ByteSource& base,
                  std::uint64_t block_offset, std::span<std::uint8_t> out);

/// The codecs of class S, with pieces of kPieceLengthMax bytes in memory.
Status StreamRaw(const ByteSource& encoded, std::uint32_t out_length, BlockSink& sink);
Status StreamRsync(const ByteSource& encoded, const ByteSource& base, std::uint32_t out_length,
                   BlockSink& sink);
Status StreamElem(const ByteSource& encoded, bool allows_qdelta, const ByteSource& base,
                  std::uint64_t block_offset, std::uint32_t out_length, BlockSink& sink);

}  // namespace sluice
