#include "common/payload/elem_ops.h"

#include <bit>
#include <cmath>

#include "common/payload/varint.h"

namespace sluice {
namespace {

constexpr std::uint8_t kTypes = 5;
// 8 significant bits: a product with 15 more is exact, and a fused multiply-add gives the same sum.
constexpr std::uint32_t kStepZeroBits = 0xFFFF;

tl::unexpected<Error> CorruptOps(const std::string& what) {
  return Fail(ErrorCode::kDeltaCorrupt, "elem block: " + what + "; encode the payload again");
}

std::uint64_t ZigZag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}

std::uint64_t FromZigZag(std::uint64_t value) { return value >> 1 ^ (~(value & 1) + 1); }

Status CheckKind(ElemOp::Type type, ElementKind kind) {
  if (type == ElemOp::Type::kDelta && kind == ElementKind::kBytes) {
    return CorruptOps("bytes are no elements to take a difference of");
  }
  if (type == ElemOp::Type::kQdelta && !IsFloat(kind)) return CorruptOps("only floats have steps");
  if (type == ElemOp::Type::kLowrank && !IsFloat(kind)) return CorruptOps("only floats have rows");
  return {};
}

ElemOp::Type LastTypeOf(Codec codec) {
  if (codec == Codec::kElem) return ElemOp::Type::kLiteral;
  return codec == Codec::kQdelta ? ElemOp::Type::kQdelta : ElemOp::Type::kLowrank;
}

}  // namespace

void AppendElemOp(Bytes& to, const ElemOp& op, std::uint64_t& expected_base) {
  const auto type = static_cast<unsigned>(op.type);
  to.push_back(static_cast<std::uint8_t>(type << 4 | static_cast<unsigned>(op.kind)));
  AppendUvarint(to, op.length);
  if (op.type == ElemOp::Type::kLiteral) return;
  AppendUvarint(to, ZigZag(static_cast<std::int64_t>(op.base_offset - expected_base)));
  expected_base = op.base_offset + op.length;
  if (op.type == ElemOp::Type::kQdelta) AppendLe(to, std::bit_cast<std::uint32_t>(op.step));
  if (op.type != ElemOp::Type::kLowrank) return;
  AppendUvarint(to, op.rows.row_elements);
  AppendUvarint(to, op.rows.column);
  to.push_back(op.rows.count);
  to.push_back(op.rows.fraction_bits);
  for (std::uint32_t k = 0; k < op.rows.count; ++k) AppendUvarint(to, op.rows.back[k]);
  Append(to, op.coefficients);
}

Result<ByteView> ElemOpReader::Ahead() {
  const std::uint64_t left = encoded_.size() - position_;
  const std::size_t length = static_cast<std::size_t>(std::min<std::uint64_t>(left, kWindowLength));
  SLUICE_TRY(encoded_.ReadAt(position_, std::span(window_).first(length)));
  return ByteView(window_).first(length);
}

Result<std::uint32_t> ElemOpReader::TakeCount() {
  SLUICE_ASSIGN(const ByteView ahead, Ahead());
  if (ahead.size() < 2) return CorruptOps("no operations");
  const auto count = LoadLe<std::uint16_t>(ahead.data());
  if (count == 0) return CorruptOps("no operations");
  if (count > kElemOpsMax) {
    return Fail(ErrorCode::kDeltaOps,
                "elem block: " + std::to_string(count) + " operations are more than " +
                    std::to_string(kElemOpsMax) + "; do not trust who made this payload");
  }
  position_ += 2;
  return count;
}

Status ElemOpReader::TakeRows(ElemOp& op) {
  LowrankRows& rows = op.rows;
  SLUICE_ASSIGN(ByteView ahead, Ahead());
  const std::size_t length_ahead = ahead.size();
  SLUICE_ASSIGN(const std::uint64_t row_elements, TakeUvarint(ahead));
  SLUICE_ASSIGN(const std::uint64_t column, TakeUvarint(ahead));
  if (ahead.size() < 2) return CorruptOps("cut off in its operations");
  if (row_elements > UINT32_MAX || column >= row_elements) return CorruptOps("no column of a row");
  rows.row_elements = static_cast<std::uint32_t>(row_elements);
  rows.column = static_cast<std::uint32_t>(column);
  rows.count = ahead[0];
  rows.fraction_bits = ahead[1];
  position_ += length_ahead - ahead.size() + 2;
  if (rows.count == 0 || rows.count > kLowrankRowsMax ||
      rows.fraction_bits > kLowrankFractionBitsMax) {
    return CorruptOps("names no rows, too many, or coefficients of no known form");
  }
  const std::uint32_t width = ElementWidth(op.kind);
  const std::uint64_t row_before = std::min(out_next_, op.base_offset);
  if (row_before < column * width) return CorruptOps("a row begins before its file");
  const std::uint64_t back_max = (row_before - column * width) / (row_elements * width);
  for (std::uint32_t k = 0; k < rows.count; ++k) {
    SLUICE_ASSIGN(ahead, Ahead());
    const std::size_t before = ahead.size();
    SLUICE_ASSIGN(const std::uint64_t back, TakeUvarint(ahead));
    if (back == 0 || back > back_max || back > UINT32_MAX) {
      return CorruptOps("row " + std::to_string(back) + " before it lies outside");
    }
    rows.back[k] = static_cast<std::uint32_t>(back);
    position_ += before - ahead.size();
  }
  op.coefficients_at = position_;
  const std::uint64_t coefficient_bytes = rows.CoefficientBytes(op.length / width);
  if (coefficient_bytes > encoded_.size() - position_) return CorruptOps("cut off in coefficients");
  position_ += coefficient_bytes;
  return {};
}

Result<ElemOp> ElemOpReader::Take(std::uint64_t base_size) {
  SLUICE_ASSIGN(ByteView ahead, Ahead());
  const std::size_t length_ahead = ahead.size();
  if (ahead.empty()) return CorruptOps("cut off in its operations");
  const std::uint8_t head = ahead.front();
  ahead = ahead.subspan(1);
  if (head >> 4 >= kTypes || (head & 15) >= kElementKinds) return CorruptOps("unknown operation");
  ElemOp op{.type = static_cast<ElemOp::Type>(head >> 4),
            .kind = static_cast<ElementKind>(head & 15)};
  SLUICE_TRY(CheckKind(op.type, op.kind));
  SLUICE_ASSIGN(const std::uint64_t length, TakeUvarint(ahead));
  if (length == 0 || length > UINT32_MAX || length % ElementWidth(op.kind) != 0) {
    return CorruptOps("an operation of " + std::to_string(length) + " bytes is no row of elements");
  }
  op.length = static_cast<std::uint32_t>(length);
  if (op.type != ElemOp::Type::kLiteral) {
    SLUICE_ASSIGN(const std::uint64_t moved, TakeUvarint(ahead));
    // Wraps around like the encoder's difference; what is left is checked as it stands.
    op.base_offset = expected_base_ + FromZigZag(moved);
    if (op.base_offset > base_size || op.length > base_size - op.base_offset) {
      return CorruptOps(std::to_string(op.length) + " bytes at " + std::to_string(op.base_offset) +
                        " end outside the base");
    }
    expected_base_ = op.base_offset + op.length;
  }
  if (op.type == ElemOp::Type::kQdelta) {
    if (ahead.size() < sizeof op.step) return CorruptOps("cut off in its operations");
    const auto bits = LoadLe<std::uint32_t>(ahead.data());
    op.step = std::bit_cast<float>(bits);
    if (!std::isfinite(op.step) || op.step <= 0 || (bits & kStepZeroBits) != 0) {
      return CorruptOps("a step is no number above 0 of 8 significant bits");
    }
    ahead = ahead.subspan(sizeof op.step);
  }
  position_ += length_ahead - ahead.size();
  if (op.type == ElemOp::Type::kLowrank) SLUICE_TRY(TakeRows(op));
  out_next_ += op.length;
  return op;
}

Result<ElemOpsSummary> CheckElemOps(ElemOpReader reader, std::uint64_t base_size,
                                    std::uint32_t out_length, Codec codec) {
  ElemOpsSummary summary;
  SLUICE_ASSIGN(summary.count, reader.TakeCount());
  std::uint32_t left = out_length;
  for (std::uint32_t i = 0; i < summary.count; ++i) {
    SLUICE_ASSIGN(const ElemOp op, reader.Take(base_size));
    if (op.length > left) {
      return Fail(
          ErrorCode::kDeltaBomb,
          "elem block: more output than the block holds; do not trust who made this payload");
    }
    left -= op.length;
    if (op.type > LastTypeOf(codec)) {
      return CorruptOps("an operation that " + std::string(CodecName(codec)) + " blocks lack");
    }
    summary.has_literals |= op.type == ElemOp::Type::kLiteral;
    summary.has_lowrank |= op.type == ElemOp::Type::kLowrank;
    summary.has_deltas |= op.type != ElemOp::Type::kCopy && op.type != ElemOp::Type::kLiteral;
  }
  if (left != 0) return CorruptOps("output ends " + std::to_string(left) + " bytes early");
  summary.coder_at = reader.position();
  return summary;
}

}  // namespace sluice
