#include "common/payload/container.h"

#include "common/base/check.h"
#include "common/contract/limits.h"

namespace sluice {
namespace {

constexpr std::array<std::uint8_t, 4> kMagic = {'S', 'L', 'P', 'D'};
constexpr std::uint16_t kVersion = 1;
constexpr std::uint32_t kKnownCodecs = 7;
constexpr std::uint64_t kRowsMax = limits::kArtifactBytesMax / limits::kSmallBlockSize;

// Offsets of the fixed part.
constexpr std::size_t kVersionAt = 4;
constexpr std::size_t kKindAt = 6;
constexpr std::size_t kClassAt = 7;
constexpr std::size_t kBlockSizeAt = 8;
constexpr std::size_t kRowCountAt = 12;
constexpr std::size_t kOutSizeAt = 16;
constexpr std::size_t kOutDigestAt = 24;
constexpr std::size_t kBaseSizeAt = 56;
constexpr std::size_t kBaseDigestAt = 64;
constexpr std::size_t kCodecMaskAt = 96;
constexpr std::size_t kReservedAt = 100;
// Offsets within a row.
constexpr std::size_t kRowCodecAt = 4;
constexpr std::size_t kRowReserved8At = 5;
constexpr std::size_t kRowReserved16At = 6;
constexpr std::size_t kRowDigestAt = 8;

tl::unexpected<Error> BadHead(std::string what) {
  return Fail(ErrorCode::kPayloadHead, std::move(what) + "; encode the payload again");
}

Digest LoadDigest(const std::uint8_t* from) {
  Digest digest;
  std::copy_n(from, Digest::kSize, digest.bytes.begin());
  return digest;
}

void StoreDigest(std::uint8_t* to, const Digest& digest) {
  std::copy(digest.bytes.begin(), digest.bytes.end(), to);
}

std::uint64_t RowsFor(std::uint64_t out_size, std::uint32_t block_size) {
  return (out_size + block_size - 1) / block_size;
}

Status CheckMagic(ByteView bytes) {
  if (bytes.size() < PayloadHead::kFixedSize) {
    return BadHead("a head has at least 104 bytes, this one has " + std::to_string(bytes.size()));
  }
  if (!std::equal(kMagic.begin(), kMagic.end(), bytes.begin())) {
    return BadHead("a payload starts with SLPD, this one with " + ToHex(bytes.first(4)));
  }
  const auto version = LoadLe<std::uint16_t>(bytes.data() + kVersionAt);
  if (version != kVersion) {
    return BadHead("version " + std::to_string(version) + " is unknown, this build reads 1");
  }
  return {};
}

// Everything before the table; rows are left empty.
Result<PayloadHead> ParseFixedPart(ByteView bytes) {
  SLUICE_TRY(CheckMagic(bytes));
  const std::uint8_t* const at = bytes.data();
  if (at[kKindAt] > 1) return BadHead("kind " + std::to_string(at[kKindAt]) + " is unknown");
  if (at[kClassAt] > 2) return BadHead("class " + std::to_string(at[kClassAt]) + " is unknown");
  if (LoadLe<std::uint32_t>(at + kReservedAt) != 0) return BadHead("the reserved field is not 0");

  PayloadHead head;
  head.kind = static_cast<PayloadKind>(at[kKindAt]);
  head.memory_class = static_cast<MemoryClass>(at[kClassAt]);
  head.block_size = LoadLe<std::uint32_t>(at + kBlockSizeAt);
  head.out_size = LoadLe<std::uint64_t>(at + kOutSizeAt);
  head.out_sha256 = LoadDigest(at + kOutDigestAt);
  head.base_size = LoadLe<std::uint64_t>(at + kBaseSizeAt);
  head.base_sha256 = LoadDigest(at + kBaseDigestAt);
  head.codec_mask = LoadLe<std::uint32_t>(at + kCodecMaskAt);

  if (head.block_size != BlockSizeOf(head.memory_class)) {
    return BadHead("block size " + std::to_string(head.block_size) + " is not that of the class");
  }
  if (head.out_size == 0 || head.out_size > limits::kArtifactBytesMax) {
    return BadHead("output of " + std::to_string(head.out_size) +
                   " bytes is outside 1 byte to 4 GiB");
  }
  const bool has_base = head.base_size != 0 && !head.base_sha256.IsZero();
  const bool has_no_base = head.base_size == 0 && head.base_sha256.IsZero();
  if (head.kind == PayloadKind::kDelta ? !has_base : !has_no_base) {
    return BadHead("a delta names the size and digest of its base, a full payload neither");
  }
  if (head.base_size > limits::kArtifactBytesMax) {
    return BadHead("base of " + std::to_string(head.base_size) + " bytes is over 4 GiB");
  }
  return head;
}

Result<BlockRow> ParseRow(const std::uint8_t* at, MemoryClass memory_class,
                          std::uint32_t out_length) {
  const std::uint8_t codec = at[kRowCodecAt];
  if (codec >= kKnownCodecs) return BadHead("codec " + std::to_string(codec) + " is unknown");
  if (at[kRowReserved8At] != 0 || LoadLe<std::uint16_t>(at + kRowReserved16At) != 0) {
    return BadHead("a reserved field is not 0");
  }
  const BlockRow row{LoadLe<std::uint32_t>(at), static_cast<Codec>(codec),
                     LoadDigest(at + kRowDigestAt)};
  if ((CodecBit(row.codec) & CodecMaskOf(memory_class)) == 0) {
    return Fail(ErrorCode::kCodecUnsupported,
                "this build does not decode " + std::string(CodecName(row.codec)) +
                    " in the payload's class; offer one of the codecs in the hello");
  }
  if (row.in_len == 0 || row.in_len > out_length + kBlockOverheadMax) {
    return BadHead(std::to_string(row.in_len) + " encoded bytes for " + std::to_string(out_length) +
                   " of output are outside 1 to output + 16");
  }
  return row;
}

}  // namespace

std::string_view CodecName(Codec codec) noexcept {
  switch (codec) {
    case Codec::kRaw:
      return "raw";
    case Codec::kZlit:
      return "zlit";
    case Codec::kRsync:
      return "rsync";
    case Codec::kRsyncZstd:
      return "rsync_zstd";
    case Codec::kElem:
      return "elem";
    case Codec::kQdelta:
      return "qdelta";
    case Codec::kLowrank:
      return "lowrank";
  }
  return "unknown";
}

std::uint32_t CodecMaskOf(MemoryClass memory_class) noexcept {
  constexpr std::uint32_t kTooMuchForS =
      CodecBit(Codec::kZlit) | CodecBit(Codec::kRsyncZstd) | CodecBit(Codec::kLowrank);
  return memory_class == MemoryClass::kS ? kCodecMaskV1 & ~kTooMuchForS : kCodecMaskV1;
}

std::uint32_t BlockSizeOf(MemoryClass memory_class) noexcept {
  return memory_class == MemoryClass::kS ? limits::kSmallBlockSize : limits::kManifestBlockSize;
}

std::uint64_t PayloadHead::BlockOffset(std::size_t index) const {
  SLUICE_CHECK(index <= rows.size());
  std::uint64_t offset = HeadSize();
  for (std::size_t i = 0; i < index; ++i) offset += rows[i].in_len;
  return offset;
}

std::uint32_t PayloadHead::OutLength(std::size_t index) const {
  const std::uint64_t begin = std::uint64_t{index} * block_size;
  SLUICE_CHECK(begin < out_size);
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(block_size, out_size - begin));
}

Bytes BuildHead(const PayloadHead& head) {
  Bytes bytes(head.HeadSize());
  std::uint8_t* const at = bytes.data();
  std::copy(kMagic.begin(), kMagic.end(), at);
  StoreLe(at + kVersionAt, kVersion);
  at[kKindAt] = static_cast<std::uint8_t>(head.kind);
  at[kClassAt] = static_cast<std::uint8_t>(head.memory_class);
  StoreLe(at + kBlockSizeAt, head.block_size);
  StoreLe(at + kRowCountAt, static_cast<std::uint32_t>(head.rows.size()));
  StoreLe(at + kOutSizeAt, head.out_size);
  StoreDigest(at + kOutDigestAt, head.out_sha256);
  StoreLe(at + kBaseSizeAt, head.base_size);
  StoreDigest(at + kBaseDigestAt, head.base_sha256);
  StoreLe(at + kCodecMaskAt, head.codec_mask);
  for (std::size_t i = 0; i < head.rows.size(); ++i) {
    std::uint8_t* const row = at + PayloadHead::kFixedSize + i * PayloadHead::kRowSize;
    StoreLe(row, head.rows[i].in_len);
    row[kRowCodecAt] = static_cast<std::uint8_t>(head.rows[i].codec);
    StoreDigest(row + kRowDigestAt, head.rows[i].in_sha256);
  }
  return bytes;
}

Result<PayloadHead> ParseHead(ByteView bytes) {
  SLUICE_ASSIGN(PayloadHead head, ParseFixedPart(bytes));
  const std::uint64_t rows = RowsFor(head.out_size, head.block_size);
  if (LoadLe<std::uint32_t>(bytes.data() + kRowCountAt) != rows) {
    return BadHead("the row count is not that of the output size, " + std::to_string(rows));
  }
  // Checked before the table is allocated: a short message cannot ask for a long one.
  if (bytes.size() != PayloadHead::kFixedSize + PayloadHead::kRowSize * rows) {
    return BadHead("a head of " + std::to_string(rows) + " rows has another size than " +
                   std::to_string(bytes.size()) + " bytes");
  }
  std::uint32_t used_mask = 0;
  head.rows.reserve(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    auto row = ParseRow(bytes.data() + PayloadHead::kFixedSize + i * PayloadHead::kRowSize,
                        head.memory_class, head.OutLength(i));
    if (!row) return Fail(row.error().With("row " + std::to_string(i)));
    used_mask |= CodecBit(row->codec);
    head.rows.push_back(*row);
  }
  if (head.codec_mask != used_mask) return BadHead("the codec mask is not that of the rows");
  return head;
}

Status CheckDecodable(const PayloadHead& head, MemoryClass memory_class, std::uint32_t codec_mask) {
  if (head.memory_class > memory_class) {
    return Fail(ErrorCode::kCodecUnsupported,
                "the payload is for a device class with more memory; offer one for this class");
  }
  if ((head.codec_mask & ~(codec_mask & CodecMaskOf(memory_class))) != 0) {
    return Fail(ErrorCode::kCodecUnsupported,
                "the payload needs codecs that this device lacks; offer one of those in its hello");
  }
  return {};
}

Status CheckPayloadSize(const PayloadHead& head, std::uint64_t payload_size) {
  if (payload_size == head.PayloadSize()) return {};
  return Fail(ErrorCode::kPayloadHead, "a payload of " + std::to_string(payload_size) +
                                           " bytes, its head says " +
                                           std::to_string(head.PayloadSize()) + "; fetch it again");
}

Result<std::size_t> HeadSizeOf(ByteView payload) {
  SLUICE_TRY(CheckMagic(payload));
  const auto rows = LoadLe<std::uint32_t>(payload.data() + kRowCountAt);
  if (rows > kRowsMax)
    return BadHead(std::to_string(rows) + " rows are more than the largest artifact has");
  return PayloadHead::kFixedSize + PayloadHead::kRowSize * std::size_t{rows};
}

}  // namespace sluice
