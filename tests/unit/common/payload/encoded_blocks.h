// Encoded blocks by hand, good and bad: librsync commands in any width, zstd frames with any
// prefix.
#pragma once

#include <zstd.h>

#include <bit>

#include "common/base/check.h"
#include "common/payload/block_decoder.h"
#include "common/payload/rsync_commands.h"
#include "common/payload/zlit_codec.h"

namespace sluice {

inline Bytes Joined(std::initializer_list<Bytes> parts) {
  Bytes all;
  for (const Bytes& part : parts) Append(all, part);
  return all;
}

inline Bytes BigEndian(std::uint64_t value, unsigned width) {
  Bytes bytes(width);
  for (unsigned i = 0; i < width; ++i) {
    bytes[i] = static_cast<std::uint8_t>(value >> (8 * (width - 1 - i)));
  }
  return bytes;
}

inline Bytes DeltaMagic() { return BigEndian(kRsyncDeltaMagic, 4); }
inline Bytes End() { return {kRsyncEnd}; }

/// A literal whose length field has `width` bytes (1, 2, 4, 8) and says `length`, whatever follows.
inline Bytes LiteralHead(unsigned width, std::uint64_t length) {
  const auto index = static_cast<std::uint8_t>(std::countr_zero(width));
  return Joined({{static_cast<std::uint8_t>(kRsyncLiteral1 + index)}, BigEndian(length, width)});
}
inline Bytes Literal(ByteView bytes) {
  return Joined({LiteralHead(8, bytes.size()), Bytes(bytes.begin(), bytes.end())});
}
inline Bytes Copy(unsigned offset_width, std::uint64_t offset, unsigned length_width,
                  std::uint64_t length) {
  const auto code =
      kRsyncCopy11 + 4 * std::countr_zero(offset_width) + std::countr_zero(length_width);
  return Joined({{static_cast<std::uint8_t>(code)},
                 BigEndian(offset, offset_width),
                 BigEndian(length, length_width)});
}

/// One zstd frame. `pledged` false leaves the content length out, which also brings a window
/// descriptor in.
inline Bytes ZstdFrame(ByteView content, ByteView prefix = {}, bool pledged = true) {
  ZSTD_CCtx* const context = ZSTD_createCCtx();
  SLUICE_CHECK(context != nullptr);
  ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 19);
  ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, pledged ? 1 : 0);
  ZSTD_CCtx_refPrefix(context, prefix.data(), prefix.size());
  Bytes frame(ZSTD_compressBound(content.size()));
  const std::size_t size =
      ZSTD_compress2(context, frame.data(), frame.size(), content.data(), content.size());
  ZSTD_freeCCtx(context);
  SLUICE_CHECK(ZSTD_isError(size) == 0);
  frame.resize(size);
  return frame;
}

inline Bytes ZlitBlock(const ZlitPrefix& prefix, const Bytes& frame) {
  Bytes block;
  AppendZlitPrefix(block, prefix);
  Append(block, frame);
  return block;
}

/// Decodes into `length` bytes that lie between guards; the test fails if a guard changes.
Result<Bytes> DecodeGuarded(Codec codec, MemoryClass memory_class, ByteView encoded, ByteView base,
                            ByteView output, std::size_t length);

}  // namespace sluice
