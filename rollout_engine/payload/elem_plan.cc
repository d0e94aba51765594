#include "rollout_engine/payload/elem_plan.h"

#include <array>
#include <cmath>

#include "common/payload/element_bits.h"
#include "rollout_engine/payload/parallel_for.h"
#include "rollout_engine/payload/rsync_delta.h"
#include "rollout_engine/payload/snap.h"

namespace sluice {
namespace {

constexpr std::uint64_t kSampleElements = 65'536;
// A copy costs up to 9 bytes, and as much again to go on behind it.
constexpr std::uint64_t kCopyLengthMin = 32;

// Fewer new bytes than this cost less among the bytes around them than as an operation.
constexpr std::uint64_t kTypedLengthMin = 32;
constexpr double kEntropyShare = 0.9;

// Once this many times its rank of a tensor's rows are known, more of them do not help.
constexpr std::uint64_t kRowsForRank = 8;

// Bits that literals hardly take less than: sign and mantissa travel as they are; of bytes nine
// tenths of their order-0 entropy, since models that follow the bytes beat it now and then.
double LiteralBitsMin(ElementKind kind, ByteView elements) {
  if (IsFloat(kind)) {
    const std::size_t count = elements.size() / ElementWidth(kind);
    return WithKind(kind, [count](auto constant) {
      return static_cast<double>(count) * (1 + kMantissaBits<constant()>);
    });
  }
  std::array<std::uint32_t, 256> counts{};
  for (const std::uint8_t byte : elements) ++counts[byte];
  double bits = 0;
  for (const std::uint32_t count : counts) {
    if (count > 0) bits += count * std::log2(static_cast<double>(elements.size()) / count);
  }
  return kEntropyShare * bits;
}

}  // namespace

/// Collects operations; neighbours that go on with each other become one.
class ElemPlan::Writer {
 public:
  void Copy(std::uint64_t base_offset, std::uint64_t length) {
    Add({ElemOp::Type::kCopy, ElementKind::kBytes, 0, base_offset}, length);
  }
  void Literal(ElementKind kind, std::uint64_t length) {
    Add({ElemOp::Type::kLiteral, kind, 0}, length);
  }
  void Delta(ElementKind kind, std::uint64_t base_offset, std::uint64_t length) {
    Add({ElemOp::Type::kDelta, kind, 0, base_offset}, length);
  }
  void Steps(ElementKind kind, std::uint64_t base_offset, std::uint64_t length, float step) {
    Add({ElemOp::Type::kQdelta, kind, 0, base_offset, step}, length);
  }
  void Add(ElemOp op, std::uint64_t length) {
    if (length == 0) return;
    op.length = static_cast<std::uint32_t>(length);
    if (!ops_.empty() && GoesOn(ops_.back(), op)) {
      ops_.back().length += op.length;
    } else {
      ops_.push_back(std::move(op));
    }
  }
  ElemOpList Take() { return std::move(ops_); }

 private:
  static bool GoesOn(const ElemOp& last, const ElemOp& op) {
    if (op.type == ElemOp::Type::kLowrank) return false;
    if (last.type != op.type || last.kind != op.kind || last.step != op.step) return false;
    return op.type == ElemOp::Type::kLiteral || last.base_offset + last.length == op.base_offset;
  }

  ElemOpList ops_;
};

/// One stretch of the artifact on its way into operations.
class ElemPlan::Stretch {
 public:
  Stretch(const ElemPlan& plan, Writer& writer, std::uint64_t kept_copy_min, Codec codec)
      : plan_(plan),
        writer_(writer),
        kept_copy_min_(kept_copy_min),
        use_steps_(codec != Codec::kElem),
        use_rows_(codec == Codec::kLowrank) {}

  void AddUntyped(std::uint64_t begin, std::uint64_t end) {
    for (const Extent& part : CutExtents(plan_.extents_, begin, end)) {
      if (part.base_offset && part.length >= kCopyLengthMin) {
        writer_.Copy(*part.base_offset, part.length);
      } else {
        writer_.Literal(ElementKind::kBytes, part.length);
      }
    }
  }

  void AddTensor(const PlannedTensor& tensor, std::uint64_t begin, std::uint64_t end) {
    const std::uint32_t width = ElementWidth(tensor.extent.kind);
    std::uint64_t next = begin;
    for (const Extent& part : CutExtents(plan_.extents_, begin, end)) {
      if (!part.base_offset) continue;
      // Elements that a copy holds in part only are coded whole.
      const std::uint64_t phase = part.out_offset - tensor.extent.offset;
      const std::uint64_t part_end = part.out_offset + part.length;
      const std::uint64_t from =
          part.out_offset == begin ? begin : part.out_offset + (width - phase % width) % width;
      const std::uint64_t to =
          part_end == end ? end : part_end - (part_end - tensor.extent.offset) % width;
      if (to < from + CopyLengthMin(tensor, part)) continue;
      AddElements(tensor, next, from);
      writer_.Copy(*part.base_offset + (from - part.out_offset), to - from);
      next = to;
    }
    AddElements(tensor, next, end);
  }

 private:
  [[nodiscard]] std::uint64_t CopyLengthMin(const PlannedTensor& tensor, const Extent& copy) const {
    const bool is_old =
        tensor.extent.base_offset &&
        *copy.base_offset + tensor.extent.offset == *tensor.extent.base_offset + copy.out_offset;
    return is_old ? kept_copy_min_ : kCopyLengthMin;
  }

  // Elements cut by the stretch go as bytes.
  void AddElements(const PlannedTensor& tensor, std::uint64_t begin, std::uint64_t end) {
    const TensorExtent& extent = tensor.extent;
    const std::uint32_t width = ElementWidth(extent.kind);
    const std::uint64_t from = begin + (width - (begin - extent.offset) % width) % width;
    const std::uint64_t to = end - (end - extent.offset) % width;
    if (from >= to || (!extent.base_offset && to - from < kTypedLengthMin)) {
      return writer_.Literal(ElementKind::kBytes, end - begin);
    }
    writer_.Literal(ElementKind::kBytes, from - begin);
    if (use_rows_ && tensor.rank != 0) {
      AddRows(tensor, from, to);
    } else if (use_steps_ && tensor.step != 0) {
      AddSteps(tensor, from, to);
    } else {
      AddPlain(extent, from, to);
    }
    writer_.Literal(ElementKind::kBytes, end - to);
  }

  // Whole elements, with or without their old ones.
  void AddPlain(const TensorExtent& extent, std::uint64_t begin, std::uint64_t end) {
    if (extent.base_offset) {
      writer_.Delta(extent.kind, *extent.base_offset + (begin - extent.offset), end - begin);
    } else {
      writer_.Literal(extent.kind, end - begin);
    }
  }

  // Near a tensor's front, operations are short: each may name rows that the one before could not.
  void AddRows(const PlannedTensor& tensor, std::uint64_t begin, std::uint64_t end) {
    const TensorExtent& extent = tensor.extent;
    const MatrixPair matrix = plan_.MatrixOf(extent, tensor.old_offset);
    for (std::uint64_t at = begin - extent.offset; at < end - extent.offset;) {
      const std::uint64_t rows_before = at / matrix.row_bytes();
      std::uint64_t op_end = end - extent.offset;
      if (rows_before < kRowsForRank * tensor.rank) {
        const std::uint64_t rows = std::max<std::uint64_t>(tensor.rank, 2 * rows_before);
        op_end = std::min(op_end, rows * matrix.row_bytes());
      }
      auto op = FitLowrank(matrix, at, op_end);
      if (op) {
        op->base_offset = tensor.old_offset + at;
        writer_.Add(*std::move(op), op_end - at);
      } else {
        AddPlain(extent, extent.offset + at, extent.offset + op_end);
      }
      at = op_end;
    }
  }

  // Elements that no number of steps leads to go as differences.
  void AddSteps(const PlannedTensor& tensor, std::uint64_t begin, std::uint64_t end) {
    WithKind(tensor.extent.kind, [&](auto kind) {
      constexpr std::uint32_t kWidth = ElementWidth(kind());
      if constexpr (IsFloat(kind())) {
        for (std::uint64_t at = begin; at < end; at += kWidth) {
          const std::uint64_t old_at = *tensor.extent.base_offset + (at - tensor.extent.offset);
          const auto steps = StepsBetween(kind(), LoadElement<kind()>(&plan_.base_[old_at]),
                                          LoadElement<kind()>(&plan_.artifact_[at]), tensor.step);
          if (steps) {
            writer_.Steps(kind(), old_at, kWidth, tensor.step);
          } else {
            writer_.Delta(kind(), old_at, kWidth);
          }
        }
      }
    });
  }

  const ElemPlan& plan_;
  Writer& writer_;
  std::uint64_t kept_copy_min_;
  bool use_steps_;
  bool use_rows_;
};

ElemPlan::ElemPlan(Input input, unsigned threads)
    : base_(input.base),
      artifact_(input.artifact),
      extents_(std::move(input.extents)),
      tensors_(input.tensors.size()) {
  ParallelFor(threads, tensors_.size(), [&] {
    return [&, encoder = std::make_unique<ElemEncoder>(base_)](std::size_t i) {
      tensors_[i] = Choose(input.tensors[i], *encoder);
    };
  });
}

ElemPlan::PlannedTensor ElemPlan::Choose(const TensorExtent& tensor, ElemEncoder& encoder) const {
  PlannedTensor planned{.extent = tensor};
  if (!tensor.base_offset) return planned;
  planned.old_offset = *tensor.base_offset;
  if (tensor.kind == ElementKind::kBytes) {
    planned.extent.base_offset.reset();
    return planned;
  }
  if (IsFloat(tensor.kind)) {
    const auto step = FindSnapStep(tensor.kind, base_.subspan(*tensor.base_offset, tensor.length),
                                   artifact_.subspan(tensor.offset, tensor.length));
    planned.step = step.value_or(0);
    if (step) return planned;
    if (tensor.row_elements != 0) {
      planned.rank = RankOfChanges(MatrixOf(tensor, planned.old_offset));
    }
  }
  const std::uint64_t elements =
      std::min(kSampleElements, tensor.length / ElementWidth(tensor.kind));
  const ByteView sample = artifact_.subspan(tensor.offset, elements * ElementWidth(tensor.kind));
  const std::uint64_t delta =
      encoder.CodedLength({ElemOp::Type::kDelta, tensor.kind,
                           static_cast<std::uint32_t>(sample.size()), *tensor.base_offset},
                          sample);
  if (8 * static_cast<double>(delta) <= LiteralBitsMin(tensor.kind, sample)) return planned;
  const std::uint64_t literal = encoder.CodedLength(
      {ElemOp::Type::kLiteral, tensor.kind, static_cast<std::uint32_t>(sample.size())}, sample);
  if (literal < delta) planned.extent.base_offset.reset();
  return planned;
}

std::vector<ElemPlan::PlannedTensor>::const_iterator ElemPlan::FirstEndingAfter(
    std::uint64_t at) const {
  return std::partition_point(tensors_.begin(), tensors_.end(), [at](const PlannedTensor& tensor) {
    return tensor.extent.offset + tensor.extent.length <= at;
  });
}

MatrixPair ElemPlan::MatrixOf(const TensorExtent& tensor, std::uint64_t old_offset) const {
  return {tensor.kind, tensor.row_elements, base_.subspan(old_offset, tensor.length),
          artifact_.subspan(tensor.offset, tensor.length)};
}

template <class Predicate>
bool ElemPlan::AnyIn(std::uint64_t begin, std::uint64_t end, const Predicate& holds) const {
  for (auto tensor = FirstEndingAfter(begin);
       tensor != tensors_.end() && tensor->extent.offset < end; ++tensor) {
    if (holds(*tensor)) return true;
  }
  return false;
}

bool ElemPlan::HasSteps(std::uint64_t begin, std::uint64_t end) const {
  return AnyIn(begin, end, [](const PlannedTensor& tensor) { return tensor.step != 0; });
}

bool ElemPlan::HasRows(std::uint64_t begin, std::uint64_t end) const {
  return AnyIn(begin, end, [](const PlannedTensor& tensor) { return tensor.rank != 0; });
}

ElemOpList ElemPlan::Ops(std::uint64_t begin, std::uint64_t end, std::uint64_t kept_copy_min,
                         Codec codec) const {
  Writer writer;
  Stretch stretch(*this, writer, kept_copy_min, codec);
  auto tensor = FirstEndingAfter(begin);
  for (std::uint64_t at = begin; at < end; ++tensor) {
    const bool is_last = tensor == tensors_.end() || tensor->extent.offset >= end;
    const std::uint64_t from = is_last ? end : std::max(at, tensor->extent.offset);
    if (from > at) stretch.AddUntyped(at, from);
    if (is_last) break;
    at = std::min(end, tensor->extent.offset + tensor->extent.length);
    stretch.AddTensor(*tensor, from, at);
  }
  ElemOpList ops = writer.Take();
  if (ops.size() <= kElemOpsMax) return ops;
  if (codec != Codec::kElem) return Ops(begin, end, kept_copy_min, Codec::kElem);
  Writer plain;
  plain.Literal(ElementKind::kBytes, end - begin);
  return plain.Take();
}

}  // namespace sluice
