#include "rollout_engine/payload/elem_encoder.h"

#include <bit>

#include "common/base/check.h"
#include "common/payload/element_bits.h"
#include "common/payload/float_formats.h"
#include "common/payload/lowrank_predictor.h"
#include "rollout_engine/payload/range_encoder.h"
#include "rollout_engine/payload/snap.h"

namespace sluice {
namespace {

// Room for one element, whatever its kind: 32 adaptive bits of 2 bytes each.
constexpr std::size_t kElementBytesMax = 64;

/// Signed whatever the library: libstdc++ and the standard do not agree on std::bit_width's type.
constexpr int BitWidth(std::uint32_t value) { return static_cast<int>(std::bit_width(value)); }

template <int kBitLengthLimit>
[[gnu::always_inline]] inline void PutDifference(RangeEncoder& coder, DeltaModels& models,
                                                 int context, int run, std::uint32_t magnitude,
                                                 bool is_negative) {
  coder.Bit(models.is_changed[context][run], magnitude != 0 ? 1 : 0);
  if (magnitude == 0) return;
  const int bits = BitWidth(magnitude);
  constexpr int kBits = LengthBits(kBitLengthLimit);
  coder.Tree(models.LengthTree<kBits>(context), kBits, static_cast<unsigned>(bits - 1));
  int left = bits - 1;
  const auto put = [&](Probability* by_bits_before, unsigned mask) {
    if (left == 0) return;
    Probability& probability = by_bits_before[magnitude >> left & mask];
    --left;
    coder.Bit(probability, magnitude >> left & 1);
  };
  put(&models.second_bit[bits], 0);
  put(models.third_bit[bits], 1);
  if (left > 0) {
    coder.Raw(left + 1, magnitude << 1 | (is_negative ? 1 : 0));
  } else {
    coder.Bit(models.sign[bits], is_negative ? 1 : 0);
  }
}

/// Codes elements while there is room for one more. A call for each would keep the coder's state
/// out of the registers.
template <class PutOne>
[[gnu::flatten]] bool ForElements(RangeEncoder& shared, const std::uint8_t* room_end,
                                  std::size_t count, const PutOne& put) {
  RangeEncoder coder = shared;
  for (std::size_t i = 0; i < count; ++i) {
    if (static_cast<std::size_t>(room_end - coder.next) < kElementBytesMax) return false;
    put(coder, i);
  }
  shared = coder;
  return true;
}

}  // namespace

struct ElemEncoder::Impl {
  Impl(ByteView base_bytes, ByteView artifact)
      : base(base_bytes),
        base_source(base_bytes),
        artifact_source(artifact),
        predictor(base_source, artifact_source) {}

  ByteView base;
  MemorySource base_source, artifact_source;
  LowrankPredictor predictor;
  Bytes expected;  // elements, of one operation
  DeltaModels delta_models;
  LiteralModels literal_models;
  RangeEncoder coder;
  Bytes room;

  template <ElementKind kKind>
  bool PutDeltas(ByteView old_bytes, ByteView new_bytes);
  template <ElementKind kKind>
  bool PutLiterals(ByteView bytes);
  template <ElementKind kKind>
  bool PutSteps(float step, ByteView old_bytes, ByteView new_bytes);
  template <ElementKind kKind>
  bool PutElementsOf(const ElemOp& op, std::uint64_t out_offset, ByteView content);
  bool PutElements(const ElemOp& op, std::uint64_t out_offset, ByteView content);
  /// What a LOWRANK's elements are expected to be, by the decoder's own arithmetic.
  ByteView Expected(const ElemOp& op, std::uint64_t out_offset, ByteView old_bytes);

  [[nodiscard]] const std::uint8_t* room_end() const { return room.data() + room.size(); }
  void ResetModels() {
    delta_models.Reset();
    literal_models.Reset();
  }
};

template <ElementKind kKind>
bool ElemEncoder::Impl::PutDeltas(ByteView old_bytes, ByteView new_bytes) {
  constexpr std::uint32_t kWidth = ElementWidth(kKind);
  DeltaContext context;
  return ForElements(
      coder, room_end(), new_bytes.size() / kWidth, [&](RangeEncoder& to, std::size_t index) {
        const std::uint32_t old_bits = LoadElement<kKind>(old_bytes.data() + index * kWidth);
        const OrderedDifference<kKind> difference(
            old_bits, LoadElement<kKind>(new_bytes.data() + index * kWidth));
        const int exponent = ExponentOf<kKind>(old_bits);
        PutDifference<8 * static_cast<int>(kWidth)>(to, delta_models, context.Index(exponent),
                                                    context.run(), difference.magnitude,
                                                    difference.is_negative);
        if (difference.magnitude == 0) {
          context.Same<kKind>(exponent);
        } else {
          context.Changed(exponent, BitWidth(difference.magnitude));
        }
      });
}

template <ElementKind kKind>
bool ElemEncoder::Impl::PutLiterals(ByteView bytes) {
  constexpr std::uint32_t kWidth = ElementWidth(kKind);
  int exponent_row = 0;
  return ForElements(coder, room_end(), bytes.size() / kWidth,
                     [&](RangeEncoder& to, std::size_t index) {
                       const std::uint8_t* const at = bytes.data() + index * kWidth;
                       if constexpr (IsFloat(kKind)) {
                         const std::uint32_t bits = LoadElement<kKind>(at);
                         const int exponent = ExponentOf<kKind>(bits);
                         to.Tree(literal_models.exponent[exponent_row], kExponentBits<kKind>,
                                 static_cast<unsigned>(exponent));
                         exponent_row = ExponentRow<kKind>(exponent);
                         to.Raw(1, bits >> (8 * kWidth - 1));
                         to.Raw(kMantissaBits<kKind>, bits);
                       } else {
                         for (std::uint32_t i = 0; i < kWidth; ++i)
                           to.Tree(literal_models.byte[i], 8, at[i]);
                       }
                     });
}

template <ElementKind kKind>
bool ElemEncoder::Impl::PutSteps(float step, ByteView old_bytes, ByteView new_bytes) {
  constexpr std::uint32_t kWidth = ElementWidth(kKind);
  DeltaContext context;
  return ForElements(
      coder, room_end(), new_bytes.size() / kWidth, [&](RangeEncoder& to, std::size_t index) {
        const auto steps =
            StepsBetween(kKind, LoadElement<kKind>(old_bytes.data() + index * kWidth),
                         LoadElement<kKind>(new_bytes.data() + index * kWidth), step);
        SLUICE_CHECK(steps.has_value());
        const auto magnitude = static_cast<std::uint32_t>(*steps < 0 ? -*steps : *steps);
        PutDifference<kQdeltaBits>(to, delta_models, context.Index(0), context.run(), magnitude,
                                   *steps < 0);
        if (magnitude == 0) {
          context.Same<ElementKind::kI32>(0);
        } else {
          context.Changed(0, BitWidth(magnitude));
        }
      });
}

ByteView ElemEncoder::Impl::Expected(const ElemOp& op, std::uint64_t out_offset,
                                     ByteView old_bytes) {
  expected.assign(old_bytes.begin(), old_bytes.end());
  const MemorySource coefficients(op.coefficients);
  const Status predicted = predictor.Predict(op, {coefficients, 0, out_offset}, 0, expected);
  SLUICE_CHECK(predicted.has_value());  // nothing but memory is read
  return expected;
}

template <ElementKind kKind>
bool ElemEncoder::Impl::PutElementsOf(const ElemOp& op, std::uint64_t out_offset,
                                      ByteView content) {
  if (op.type == ElemOp::Type::kLiteral) return PutLiterals<kKind>(content);
  const ByteView old_bytes = base.subspan(op.base_offset, content.size());
  if constexpr (IsFloat(kKind)) {
    if (op.type == ElemOp::Type::kQdelta) return PutSteps<kKind>(op.step, old_bytes, content);
    if (op.type == ElemOp::Type::kLowrank) {
      return PutDeltas<kKind>(Expected(op, out_offset, old_bytes), content);
    }
  }
  return PutDeltas<kKind>(old_bytes, content);
}

bool ElemEncoder::Impl::PutElements(const ElemOp& op, std::uint64_t out_offset, ByteView content) {
  return WithKind(op.kind,
                  [&](auto kind) { return PutElementsOf<kind()>(op, out_offset, content); });
}

ElemEncoder::ElemEncoder(ByteView base, ByteView artifact)
    : impl_(std::make_unique<Impl>(base, artifact)) {}
ElemEncoder::~ElemEncoder() = default;

std::optional<Bytes> ElemEncoder::Encode(const ElemOpList& ops, ByteView content,
                                         std::uint64_t block_offset, std::size_t length_max) {
  SLUICE_CHECK(!ops.empty() && ops.size() <= kElemOpsMax);
  Bytes block;
  AppendLe(block, static_cast<std::uint16_t>(ops.size()));
  std::uint64_t expected_base = block_offset;
  bool has_elements = false;
  for (const ElemOp& op : ops) {
    AppendElemOp(block, op, expected_base);
    has_elements |= op.type != ElemOp::Type::kCopy;
  }
  if (has_elements) {
    impl_->ResetModels();
    impl_->room.resize(length_max + kElementBytesMax);
    impl_->coder.Begin(impl_->room.data());
    std::size_t at = 0;
    for (const ElemOp& op : ops) {
      if (op.type != ElemOp::Type::kCopy &&
          !impl_->PutElements(op, block_offset + at, content.subspan(at, op.length))) {
        return std::nullopt;
      }
      at += op.length;
    }
    impl_->coder.Finish();
    Append(block, ByteView(impl_->room.data(), impl_->coder.next));
  }
  if (block.size() > length_max) return std::nullopt;
  return block;
}

std::uint64_t ElemEncoder::CodedLength(const ElemOp& op, ByteView content) {
  SLUICE_CHECK(op.type != ElemOp::Type::kCopy && op.type != ElemOp::Type::kLowrank);
  impl_->ResetModels();
  // Where this is too little, no other operation does worse.
  impl_->room.resize(2 * content.size() + 2 * kElementBytesMax);
  impl_->coder.Begin(impl_->room.data());
  if (!impl_->PutElements(op, 0, content)) return impl_->room.size();
  return static_cast<std::uint64_t>(impl_->coder.next - impl_->room.data());
}

}  // namespace sluice
