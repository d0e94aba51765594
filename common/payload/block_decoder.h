// Decodes one encoded block of a payload into its output bytes, within the limits of a device
// class.
#pragma once

#include "common/payload/container.h"

namespace sluice {

/// Random access to bytes that are not in memory: the base artifact, or the output so far. Reads
/// are bounds-checked by the caller of ReadAt, here by the decoders: a range outside [0, size)
/// never reaches it.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  /// Fills `out` from `offset`; E_STORE_IO.
  virtual Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const = 0;
};

class MemorySource final : public ByteSource {
 public:
  explicit MemorySource(ByteView bytes) : bytes_(bytes) {}
  [[nodiscard]] std::uint64_t size() const override { return bytes_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override;

 private:
  ByteView bytes_;
};

/// Bytes of base or earlier output that a ZLIT block may use as its prefix: 64 KiB in M, 256 KiB in
/// L, none in S.
std::uint32_t ZlitPrefixMax(MemoryClass memory_class) noexcept;
/// Commands of one librsync delta, its END not counted. librsync itself has no such limit.
inline constexpr std::uint32_t kRsyncCommandsMax = 4'096;

/// Takes the output of a block in order, piece by piece.
class BlockSink {
 public:
  virtual ~BlockSink() = default;
  /// E_STORE_IO, and what else a device checks there.
  virtual Status Write(ByteView piece) = 0;
};

/// Pieces of a block that StreamBlock holds.
inline constexpr std::size_t kPieceLengthMax = 4'096;

/// Writes exactly out.size() bytes (= head.OutLength(index)) or fails: E_DELTA_CORRUPT (bad stream,
/// short or long), E_DELTA_BOMB (output beyond out), E_DELTA_OPS (over kRsyncCommandsMax),
/// E_CODEC_UNSUPPORTED (not in `allowed_mask` or not for `memory_class`), E_STORE_IO (a source
/// failed). `encoded` was hashed by the caller before. `base` is empty for a full payload; `output`
/// holds the blocks before this one and nothing else (ZLIT's prefix, LOWRANK's rows). Keeps no
/// state between blocks; on failure the contents of `out` are unspecified. REQUIRES: 0 < out.size()
/// <= BlockSizeOf(memory_class).
Status DecodeBlock(Codec codec, MemoryClass memory_class, std::uint32_t allowed_mask,
                   ByteView encoded, const ByteSource& base, const ByteSource& output,
                   std::span<std::uint8_t> out);

/// The same for the codecs of class S where neither the encoded block nor its output fits into
/// memory: `encoded` lies in a scratch area and is read in pieces, the output leaves in pieces of
/// at most kPieceLengthMax bytes. Takes at most 48 KiB of heap, whatever the artifact's size. What
/// was written before a failure is worth nothing, as is a block whose hash differs later. Fails as
/// DecodeBlock does, and with what `sink` returns.
/// `block_offset`: of the block in the output. REQUIRES: 0 < out_length.
Status StreamBlock(Codec codec, std::uint32_t allowed_mask, const ByteSource& encoded,
                   const ByteSource& base, std::uint64_t block_offset, std::uint32_t out_length,
                   BlockSink& sink);

}  // namespace sluice
