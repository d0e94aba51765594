#include "common/payload/elem_ops.h"

#include <bit>
#include <cmath>

#include "common/payload/varint.h"

namespace sluice {
namespace {

constexpr std::uint8_t kTypes = 4;
// 8 significant bits: a product with 15 more is exact, and a fused multiply-add gives the same sum.
constexpr std::uint32_t kStepZeroBits = 0xFFFF;

tl::unexpected<Error> Corrupt(const std::string& what) {
  return Fail(ErrorCode::kDeltaCorrupt, "elem block: " + what + "; encode the payload again");
}

std::uint64_t ZigZag(std::int64_t value) {
  return static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
}

std::uint64_t FromZigZag(std::uint64_t value) { return value >> 1 ^ (~(value & 1) + 1); }

Status CheckKind(ElemOp::Type type, ElementKind kind) {
  if (type == ElemOp::Type::kDelta && kind == ElementKind::kBytes) {
    return Corrupt("bytes are no elements to take a difference of");
  }
  if (type == ElemOp::Type::kQdelta && !IsFloat(kind)) return Corrupt("only floats have steps");
  return {};
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
}

Result<ByteView> ElemOpReader::Ahead() {
  const std::uint64_t left = encoded_.size() - position_;
  const std::size_t length = static_cast<std::size_t>(std::min<std::uint64_t>(left, kWindowLength));
  SLUICE_TRY(encoded_.ReadAt(position_, std::span(window_).first(length)));
  return ByteView(window_).first(length);
}

Result<std::uint32_t> ElemOpReader::TakeCount() {
  SLUICE_ASSIGN(const ByteView ahead, Ahead());
  if (ahead.size() < 2) return Corrupt("no operations");
  const auto count = LoadLe<std::uint16_t>(ahead.data());
  if (count == 0) return Corrupt("no operations");
  if (count > kElemOpsMax) {
    return Fail(ErrorCode::kDeltaOps,
                "elem block: " + std::to_string(count) + " operations are more than " +
                    std::to_string(kElemOpsMax) + "; do not trust who made this payload");
  }
  position_ += 2;
  return count;
}

Result<ElemOp> ElemOpReader::Take(std::uint64_t base_size) {
  SLUICE_ASSIGN(ByteView ahead, Ahead());
  const std::size_t length_ahead = ahead.size();
  if (ahead.empty()) return Corrupt("cut off in its operations");
  const std::uint8_t head = ahead.front();
  ahead = ahead.subspan(1);
  if (head >> 4 >= kTypes || (head & 15) >= kElementKinds) return Corrupt("unknown operation");
  ElemOp op{.type = static_cast<ElemOp::Type>(head >> 4),
            .kind = static_cast<ElementKind>(head & 15)};
  SLUICE_TRY(CheckKind(op.type, op.kind));
  SLUICE_ASSIGN(const std::uint64_t length, TakeUvarint(ahead));
  if (length == 0 || length > UINT32_MAX || length % ElementWidth(op.kind) != 0) {
    return Corrupt("an operation of " + std::to_string(length) + " bytes is no row of elements");
  }
  op.length = static_cast<std::uint32_t>(length);
  if (op.type != ElemOp::Type::kLiteral) {
    SLUICE_ASSIGN(const std::uint64_t moved, TakeUvarint(ahead));
    // Wraps around like the encoder's difference; what is left is checked as it stands.
    op.base_offset = expected_base_ + FromZigZag(moved);
    if (op.base_offset > base_size || op.length > base_size - op.base_offset) {
      return Corrupt(std::to_string(op.length) + " bytes at " + std::to_string(op.base_offset) +
                     " end outside the base");
    }
    expected_base_ = op.base_offset + op.length;
  }
  if (op.type == ElemOp::Type::kQdelta) {
    if (ahead.size() < sizeof op.step) return Corrupt("cut off in its operations");
    const auto bits = LoadLe<std::uint32_t>(ahead.data());
    op.step = std::bit_cast<float>(bits);
    if (!std::isfinite(op.step) || op.step <= 0 || (bits & kStepZeroBits) != 0) {
      return Corrupt("a step is no number above 0 of 8 significant bits");
    }
    ahead = ahead.subspan(sizeof op.step);
  }
  position_ += length_ahead - ahead.size();
  return op;
}

Result<ElemOpsSummary> CheckElemOps(ElemOpReader reader, std::uint64_t base_size,
                                    std::uint32_t out_length, bool allows_qdelta) {
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
    if (op.type == ElemOp::Type::kQdelta && !allows_qdelta) {
      return Corrupt("an operation of qdelta blocks");
    }
    summary.has_deltas |= op.type == ElemOp::Type::kDelta || op.type == ElemOp::Type::kQdelta;
    summary.has_literals |= op.type == ElemOp::Type::kLiteral;
  }
  if (left != 0) return Corrupt("output ends " + std::to_string(left) + " bytes early");
  summary.coder_at = reader.position();
  return summary;
}

}  // namespace sluice
