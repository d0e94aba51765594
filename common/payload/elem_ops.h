// The operations at the front of an ELEM, QDELTA or LOWRANK block: which bytes are copied, which
// are coded against old elements, which without.
//
// u16 n (1 .. 1024), then n of: u8 operation << 4 | kind, uvarint length in bytes, and unless
// LITERAL svarint (base offset - expected). Expected: the end of the base range before, at first
// the block's own offset in the output. QDELTA goes on with f32 step; LOWRANK with uvarint
// row_elements, uvarint column, u8 count, u8 fraction_bits, uvarint back[count], and for each row
// that it touches coefficient[count] (lowrank_rows.h). Then the range coder's bytes.
#pragma once

#include <optional>

#include "common/payload/block_decoder.h"
#include "common/payload/element_kind.h"
#include "common/payload/lowrank_rows.h"

namespace sluice {

/// Operations of one block.
inline constexpr std::uint32_t kElemOpsMax = 1'024;

struct ElemOp {
  enum class Type : std::uint8_t { kCopy = 0, kDelta = 1, kLiteral = 2, kQdelta = 3, kLowrank = 4 };
  Type type = Type::kCopy;
  ElementKind kind = ElementKind::kBytes;
  std::uint32_t length = 0;           // bytes, a multiple of the kind's width
  std::uint64_t base_offset = 0;      // 0 in a LITERAL
  float step = 0;                     // QDELTA only: finite, above 0, 8 significant bits
  LowrankRows rows{};                 // LOWRANK only
  Bytes coefficients{};               // of LOWRANK, as they travel, when written
  std::uint64_t coefficients_at = 0;  // of LOWRANK, in the encoded block, when read
  friend bool operator==(const ElemOp&, const ElemOp&) = default;
};

/// Writes operations as they are read; the count is the caller's.
void AppendElemOp(Bytes& to, const ElemOp& op, std::uint64_t& expected_base);

/// What a list of operations holds, once checked.
struct ElemOpsSummary {
  std::uint32_t count = 0;
  std::uint64_t coder_at = 0;  // where the range coder's bytes begin
  bool has_deltas = false;     // any whose elements are coded as differences
  bool has_lowrank = false;
  bool has_literals = false;
};

/// Reads operations one by one through a small window, so that a list costs no memory.
/// REQUIRES: `encoded` outlives the reader.
class ElemOpReader {
 public:
  /// `block_offset`: of the block in the output.
  ElemOpReader(const ByteSource& encoded, std::uint64_t block_offset)
      : encoded_(encoded), expected_base_(block_offset), out_next_(block_offset) {}

  /// E_DELTA_CORRUPT, E_DELTA_OPS (more than kElemOpsMax).
  Result<std::uint32_t> TakeCount();
  /// E_DELTA_CORRUPT: cut off, an unknown operation or kind, a length of 0 or of no whole elements,
  /// a base range outside `base_size`, a step that is none, a row that does not lie before the
  /// operation in the output and in the base.
  Result<ElemOp> Take(std::uint64_t base_size);
  /// Of the byte after what was taken.
  [[nodiscard]] std::uint64_t position() const { return position_; }

 private:
  // More than the longest operation.
  static constexpr std::size_t kWindowLength = 32;
  /// The next bytes, fewer than kWindowLength only at the block's end.
  Result<ByteView> Ahead();
  Status TakeRows(ElemOp& op);

  const ByteSource& encoded_;
  std::uint64_t expected_base_;
  std::uint64_t out_next_;  // where the next operation begins in the output
  std::uint64_t position_ = 0;
  std::array<std::uint8_t, kWindowLength> window_{};
};

/// Reads the whole list once: each operation as Take says, their lengths add up to `out_length`
/// (E_DELTA_BOMB beyond, E_DELTA_CORRUPT short of it), none that `codec` lacks: ELEM has the first
/// three, QDELTA one more, LOWRANK all.
Result<ElemOpsSummary> CheckElemOps(ElemOpReader reader, std::uint64_t base_size,
                                    std::uint32_t out_length, Codec codec);

}  // namespace sluice
