#include "common/payload/elem_decoder.h"

#include <cfloat>

#include "common/base/check.h"
#include "common/payload/codecs.h"
#include "common/payload/element_bits.h"
#include "common/payload/float_formats.h"

// QDELTA's sums are rounded once each: no x87, no contraction (the build sets -ffp-contract=off).
static_assert(FLT_EVAL_METHOD == 0, "build for arithmetic in f32: SSE2, NEON or VFP");

namespace sluice {
namespace {

tl::unexpected<Error> CorruptElement(const char* what) {
  return Fail(ErrorCode::kDeltaCorrupt,
              std::string("elem block: ") + what + "; encode the payload again");
}

/// A difference: `sign` applies to a magnitude with this many bits; 0 bits: none.
struct Difference {
  unsigned bit_length = 0;
  std::uint32_t magnitude = 0;
  bool is_negative = false;
};

// False for more bits than kBitLengthLimit: no encoder wrote that.
template <int kBitLengthLimit>
[[gnu::always_inline]] inline bool TakeDifference(RangeDecoder& decoder, DeltaModels& models,
                                                  int context, int run, Difference& difference) {
  if (decoder.Bit(models.is_changed[context][run]) == 0) return true;
  constexpr int kBits = LengthBits(kBitLengthLimit);
  const unsigned bits = decoder.Tree<kBits>(models.LengthTree<kBits>(context)) + 1;
  if (bits > kBitLengthLimit) return false;
  difference.bit_length = bits;
  std::uint32_t magnitude = 1;
  int left = static_cast<int>(bits) - 1;
  const auto take = [&](Probability* by_bits_before, unsigned mask) {
    if (left == 0) return;
    --left;
    magnitude = 2 * magnitude + decoder.Bit(by_bits_before[magnitude & mask]);
  };
  take(&models.second_bit[bits], 0);
  take(models.third_bit[bits], 1);
  if (left > 0) {
    // One group of raw bits takes no longer with the sign than without.
    const std::uint32_t raw = decoder.Raw(left + 1);
    magnitude = magnitude << left | raw >> 1;
    difference.is_negative = (raw & 1) != 0;
  } else {
    difference.is_negative = decoder.Bit(models.sign[bits]) != 0;
  }
  difference.magnitude = magnitude;
  return true;
}

// 9 adaptive bits, then raw bytes; each of the former takes at most 2 bytes.
template <ElementKind kKind>
constexpr std::size_t kDeltaBytesMax = 18 + ElementWidth(kKind);

template <ElementKind kKind>
constexpr std::size_t LiteralBytesMax() {
  if (!IsFloat(kKind)) return 16 * ElementWidth(kKind);
  return 2 * kExponentBits<kKind> + 1 + (kMantissaBits<kKind> + 7) / 8;
}

/// Runs `decode` for `count` elements on copies of the coder's state, which stay in registers; more
/// input is fetched in between. `decode` returns whether the element was one.
template <class DecodeOne>
Status ForElements(RangeInput& input, std::size_t count, std::size_t element_bytes,
                   const DecodeOne& decode) {
  for (std::size_t i = 0; i < count;) {
    if (input.ElementsAhead(element_bytes) == 0) SLUICE_TRY(input.Refill());
    const std::size_t end = i + std::min(count - i, input.ElementsAhead(element_bytes));
    RangeDecoder decoder = input.decoder();
    for (; i < end; ++i) {
      if (!decode(decoder, i))
        return CorruptElement("a difference of more bits than its elements have");
    }
    input.decoder() = decoder;
  }
  return {};
}

template <ElementKind kKind>
Status DecodeDeltas(RangeInput& input, DeltaModels& models, DeltaContext& shared_context,
                    std::span<std::uint8_t> bytes) {
  static_assert(kDeltaBytesMax<kKind> <= RangeInput::kElementBytesMax);
  constexpr std::uint32_t kWidth = ElementWidth(kKind);
  DeltaContext context = shared_context;
  const auto decode = [&](RangeDecoder& decoder, std::size_t index) {
    std::uint8_t* const at = bytes.data() + index * kWidth;
    const std::uint32_t old_bits = LoadElement<kKind>(at);
    const int exponent = ExponentOf<kKind>(old_bits);
    Difference difference;
    if (!TakeDifference<8 * static_cast<int>(kWidth)>(decoder, models, context.Index(exponent),
                                                      context.run(), difference)) {
      return false;
    }
    if (difference.bit_length == 0) {
      context.Same<kKind>(exponent);
      return true;
    }
    context.Changed(exponent, static_cast<int>(difference.bit_length));
    const std::uint32_t step =
        difference.is_negative ? ~difference.magnitude + 1 : difference.magnitude;
    StoreElement<kKind>(at, FromOrdered<kKind>(Ordered<kKind>(old_bits) + step));
    return true;
  };
  SLUICE_TRY(ForElements(input, bytes.size() / kWidth, kDeltaBytesMax<kKind>, decode));
  shared_context = context;
  return {};
}

template <ElementKind kKind>
Status DecodeLiterals(RangeInput& input, LiteralModels& models, int& exponent_row,
                      std::span<std::uint8_t> bytes) {
  static_assert(LiteralBytesMax<kKind>() <= RangeInput::kElementBytesMax);
  constexpr std::uint32_t kWidth = ElementWidth(kKind);
  const auto decode = [&](RangeDecoder& decoder, std::size_t index) {
    std::uint8_t* const at = bytes.data() + index * kWidth;
    if constexpr (IsFloat(kKind)) {
      const std::uint32_t exponent =
          decoder.Tree<kExponentBits<kKind>>(models.exponent[exponent_row]);
      exponent_row = ExponentRow<kKind>(static_cast<int>(exponent));
      const std::uint32_t sign = decoder.Raw(1);
      const std::uint32_t mantissa = decoder.Raw(kMantissaBits<kKind>);
      StoreElement<kKind>(at,
                          sign << (8 * kWidth - 1) | exponent << kMantissaBits<kKind> | mantissa);
    } else {
      for (std::uint32_t i = 0; i < kWidth; ++i) {
        at[i] = static_cast<std::uint8_t>(decoder.Tree<8>(models.byte[i]));
      }
    }
    return true;
  };
  return ForElements(input, bytes.size() / kWidth, LiteralBytesMax<kKind>(), decode);
}

template <ElementKind kKind>
Status DecodeSteps(RangeInput& input, DeltaModels& models, DeltaContext& shared_context, float step,
                   std::span<std::uint8_t> bytes) {
  constexpr std::uint32_t kWidth = ElementWidth(kKind);
  DeltaContext context = shared_context;
  const auto decode = [&](RangeDecoder& decoder, std::size_t index) {
    Difference difference;
    if (!TakeDifference<kQdeltaBits>(decoder, models, context.Index(0), context.run(),
                                     difference)) {
      return false;
    }
    if (difference.bit_length == 0) {
      context.Same<ElementKind::kI32>(0);
      return true;
    }
    context.Changed(0, static_cast<int>(difference.bit_length));
    std::uint8_t* const at = bytes.data() + index * kWidth;
    const auto magnitude = static_cast<std::int32_t>(difference.magnitude);
    const std::int32_t steps = difference.is_negative ? -magnitude : magnitude;
    StoreElement<kKind>(at, StepElement(kKind, LoadElement<kKind>(at), steps, step));
    return true;
  };
  SLUICE_TRY(ForElements(input, bytes.size() / kWidth, kDeltaBytesMax<kKind>, decode));
  shared_context = context;
  return {};
}

}  // namespace

ElemDecoder::ElemDecoder(const ByteSource& encoded, const ByteSource& base,
                         std::uint64_t block_offset, const ByteSource* output)
    : encoded_(encoded),
      base_(base),
      output_(output),
      ops_(encoded, block_offset),
      op_out_(block_offset) {}

Status ElemDecoder::Open(std::uint32_t out_length, Codec codec) {
  SLUICE_CHECK(codec != Codec::kLowrank || output_ != nullptr);
  SLUICE_ASSIGN(const ElemOpsSummary summary, CheckElemOps(ops_, base_.size(), out_length, codec));
  SLUICE_ASSIGN(ops_left_, ops_.TakeCount());
  if (!summary.has_deltas && !summary.has_literals) {
    if (summary.coder_at != encoded_.size()) return CorruptElement("bytes after the last copy");
    return {};
  }
  if (summary.has_deltas) {
    delta_models_ = std::make_unique_for_overwrite<DeltaModels>();
    delta_models_->Reset();
  }
  if (summary.has_literals) {
    literal_models_ = std::make_unique_for_overwrite<LiteralModels>();
    literal_models_->Reset();
  }
  if (summary.has_lowrank) predictor_ = std::make_unique<LowrankPredictor>(base_, *output_);
  input_ = std::make_unique<RangeInput>(encoded_, summary.coder_at);
  return input_->Open();
}

Status ElemDecoder::NextOp() {
  op_out_ += op_.length;
  SLUICE_ASSIGN(op_, ops_.Take(base_.size()));
  --ops_left_;
  op_left_ = op_.length;
  base_next_ = op_.base_offset;
  delta_context_ = {};
  exponent_row_ = 0;
  return {};
}

Result<std::uint32_t> ElemDecoder::Decode(std::span<std::uint8_t> room) {
  if (op_left_ == 0) {
    if (ops_left_ == 0) {
      if (input_ != nullptr) SLUICE_TRY(input_->Finish());
      return 0;
    }
    SLUICE_TRY(NextOp());
  }
  const std::uint32_t width = ElementWidth(op_.kind);
  const std::uint32_t length =
      static_cast<std::uint32_t>(std::min<std::size_t>(op_left_, room.size() / width * width));
  SLUICE_CHECK(length > 0);
  const std::span<std::uint8_t> bytes = room.first(length);
  // New elements replace the old ones in place.
  if (op_.type != ElemOp::Type::kLiteral) SLUICE_TRY(base_.ReadAt(base_next_, bytes));
  if (op_.type != ElemOp::Type::kCopy) SLUICE_TRY(DecodeElements(bytes));
  base_next_ += length;
  op_left_ -= length;
  return length;
}

template <ElementKind kKind>
Status ElemDecoder::DecodeElementsOf(std::span<std::uint8_t> bytes) {
  if (op_.type == ElemOp::Type::kLiteral) {
    return DecodeLiterals<kKind>(*input_, *literal_models_, exponent_row_, bytes);
  }
  if constexpr (IsFloat(kKind)) {
    if (op_.type == ElemOp::Type::kQdelta) {
      return DecodeSteps<kKind>(*input_, *delta_models_, delta_context_, op_.step, bytes);
    }
  }
  return DecodeDeltas<kKind>(*input_, *delta_models_, delta_context_, bytes);
}

Status ElemDecoder::DecodeElements(std::span<std::uint8_t> bytes) {
  if (op_.type == ElemOp::Type::kLowrank) {
    const std::uint32_t first = (op_.length - op_left_) / ElementWidth(op_.kind);
    SLUICE_TRY(predictor_->Predict(op_, {encoded_, op_.coefficients_at, op_out_}, first, bytes));
  }
  return WithKind(op_.kind, [&](auto kind) { return DecodeElementsOf<kind()>(bytes); });
}

namespace {

/// The blocks before, and of this one what is decoded.
class OutputSoFar final : public ByteSource {
 public:
  OutputSoFar(const ByteSource& before, ByteView block) : before_(before), block_(block) {}
  [[nodiscard]] std::uint64_t size() const override { return before_.size() + block_.size(); }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
    const std::uint64_t block_at = before_.size();
    const std::size_t from_before =
        offset >= block_at
            ? 0
            : static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), block_at - offset));
    if (from_before > 0) SLUICE_TRY(before_.ReadAt(offset, out.first(from_before)));
    if (from_before == out.size()) return {};
    return MemorySource(block_).ReadAt(offset + from_before - block_at, out.subspan(from_before));
  }

 private:
  const ByteSource& before_;
  ByteView block_;
};

}  // namespace

Status DecodeElem(ByteView encoded, Codec codec, const ByteSource& base, const ByteSource& output,
                  std::span<std::uint8_t> out) {
  const MemorySource source(encoded);
  const OutputSoFar output_so_far(output, out);
  ElemDecoder decoder(source, base, output.size(), &output_so_far);
  SLUICE_TRY(decoder.Open(static_cast<std::uint32_t>(out.size()), codec));
  for (;;) {
    SLUICE_ASSIGN(const std::uint32_t length, decoder.Decode(out));
    if (length == 0) return {};
    out = out.subspan(length);
  }
}

Status StreamElem(const ByteSource& encoded, Codec codec, const ByteSource& base,
                  std::uint64_t block_offset, std::uint32_t out_length, BlockSink& sink) {
  ElemDecoder decoder(encoded, base, block_offset);
  SLUICE_TRY(decoder.Open(out_length, codec));
  Bytes piece(kPieceLengthMax);
  for (;;) {
    SLUICE_ASSIGN(const std::uint32_t length, decoder.Decode(piece));
    if (length == 0) return {};
    SLUICE_TRY(sink.Write(ByteView(piece).first(length)));
  }
}

}  // namespace sluice
