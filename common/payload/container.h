// The payload container: head (fixed part and block table), then encoded blocks; docs/protocol.md,
// "Payloads".
//
// Head = 104 + 40 n bytes, little-endian, exact:
//     0 "SLPD"            4 u16 version = 1    6 u8 kind (0 full, 1 delta)
//     7 u8 class (0 S, 1 M, 2 L)               8 u32 block_size     12 u32 n, the number of rows
//    16 u64 out_size     24 out_sha256[32]
//    56 u64 base_size    64 base_sha256[32] (both 0 when full)
//    96 u32 codec_mask  100 u32 0
//   104 n rows of { u32 in_len, u8 codec, u8 0, u16 0, in_sha256[32] }
#pragma once

#include <vector>

#include "common/base/bytes.h"
#include "common/contract/hello.h"

namespace sluice {

enum class Codec : std::uint8_t {
  kRaw = 0,
  kZlit = 1,
  kRsync = 2,
  kRsyncZstd = 3,
  kElem = 4,
  kQdelta = 5,
  kLowrank = 6,
};
inline constexpr std::uint32_t kCodecMaskV1 = 0b111'1111;  // what this build decodes
std::string_view CodecName(Codec codec) noexcept;
constexpr std::uint32_t CodecBit(Codec codec) { return 1u << static_cast<unsigned>(codec); }

/// What a device of the class decodes: all of kCodecMaskV1 in M and L; in S, which has no room for
/// zstd and cannot read earlier output at random, not ZLIT, RSYNC+ZSTD and LOWRANK.
std::uint32_t CodecMaskOf(MemoryClass memory_class) noexcept;
/// 16,384 in S, 65,536 in M and L.
std::uint32_t BlockSizeOf(MemoryClass memory_class) noexcept;

/// An encoded block is at most this much longer than its output, whatever the codec.
inline constexpr std::uint32_t kBlockOverheadMax = 16;

enum class PayloadKind : std::uint8_t { kFull = 0, kDelta = 1 };

struct BlockRow {
  std::uint32_t in_len = 0;  // encoded bytes, 1 .. OutLength + kBlockOverheadMax
  Codec codec = Codec::kRaw;
  Digest in_sha256;  // of the encoded bytes
  friend bool operator==(const BlockRow&, const BlockRow&) = default;
};

struct PayloadHead {
  static constexpr std::size_t kFixedSize = 104;
  static constexpr std::size_t kRowSize = 40;

  PayloadKind kind = PayloadKind::kFull;
  MemoryClass memory_class = MemoryClass::kL;
  std::uint32_t block_size = 0;  // 65,536 in classes M and L, 16,384 in S
  std::uint64_t out_size = 0;
  Digest out_sha256;
  std::uint64_t base_size = 0;
  Digest base_sha256;
  std::uint32_t codec_mask = 0;  // of the codecs that the rows use
  std::vector<BlockRow> rows;

  [[nodiscard]] std::size_t HeadSize() const { return kFixedSize + kRowSize * rows.size(); }
  /// Offset of block `index` in the payload, the head included.
  [[nodiscard]] std::uint64_t BlockOffset(std::size_t index) const;
  [[nodiscard]] std::uint64_t PayloadSize() const { return BlockOffset(rows.size()); }
  /// block_size, the last one the rest.
  [[nodiscard]] std::uint32_t OutLength(std::size_t index) const;
  friend bool operator==(const PayloadHead&, const PayloadHead&) = default;
};

/// REQUIRES: a head that ParseHead would accept. BuildHead(*ParseHead(bytes)) == bytes.
Bytes BuildHead(const PayloadHead& head);
/// Refuses unknown versions, kinds and codecs, non-zero reserved fields, wrong counts, a size that
/// is not exact: E_PAYLOAD_HEAD with what is wrong. E_CODEC_UNSUPPORTED for a codec that is known
/// but not built, or not for the payload's class. An artifact has at least one byte, so a head has
/// at least one row.
Result<PayloadHead> ParseHead(ByteView bytes);
/// E_CODEC_UNSUPPORTED unless a device of `memory_class` that decodes `codec_mask` can build the
/// artifact: a larger class means larger blocks and prefixes than the device has memory for.
Status CheckDecodable(const PayloadHead& head, MemoryClass memory_class, std::uint32_t codec_mask);
/// E_PAYLOAD_HEAD unless a payload of so many bytes is whole and no longer.
Status CheckPayloadSize(const PayloadHead& head, std::uint64_t payload_size);
/// The head's size as told by the first kFixedSize bytes of a payload, so that the head can be cut
/// off a whole payload. E_PAYLOAD_HEAD if these are no head or the row count is beyond what the
/// largest artifact needs.
Result<std::size_t> HeadSizeOf(ByteView payload);

}  // namespace sluice
