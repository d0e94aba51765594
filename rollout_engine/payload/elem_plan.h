// Which operations the ELEM, QDELTA and LOWRANK blocks of one artifact consist of.
#pragma once

#include "common/base/bytes.h"
#include "rollout_engine/payload/elem_encoder.h"
#include "rollout_engine/payload/extent.h"
#include "rollout_engine/payload/lowrank_fit.h"
#include "rollout_engine/payload/tensor_extent.h"

namespace sluice {

/// Immutable, and so safe to share between threads.
class ElemPlan {
 public:
  struct Input {
    ByteView base;  // empty for a full payload
    ByteView artifact;
    ExtentList extents;        // of the artifact against the base
    TensorExtentList tensors;  // in the artifact; their old elements in the base
  };

  /// Codes the first 65,536 elements of each tensor with and without its old elements, to see which
  /// is shorter, and looks whether it was snapped or its changes have low rank; on up to `threads`
  /// threads.
  /// REQUIRES: base and artifact outlive the plan.
  ElemPlan(Input input, unsigned threads);

  /// Operations that cover [begin, end) of the artifact, kElemOpsMax at most. Copies shorter than
  /// `kept_copy_min` that lie where the old elements do are left to the differences. `codec`: ELEM;
  /// QDELTA: steps where the tensor was snapped; LOWRANK: rows too where they explain its changes.
  [[nodiscard]] ElemOpList Ops(std::uint64_t begin, std::uint64_t end, std::uint64_t kept_copy_min,
                               Codec codec) const;
  /// Whether any tensor in [begin, end) was snapped.
  [[nodiscard]] bool HasSteps(std::uint64_t begin, std::uint64_t end) const;
  /// Whether the changes of any tensor in [begin, end) have low rank.
  [[nodiscard]] bool HasRows(std::uint64_t begin, std::uint64_t end) const;

 private:
  struct PlannedTensor {
    TensorExtent extent;           // without a base offset where old elements do not help
    float step = 0;                // 0: not snapped
    std::uint32_t rank = 0;        // of its changes; 0: not low
    std::uint64_t old_offset = 0;  // of its old elements, whether they help or not
  };
  class Writer;
  class Stretch;

  [[nodiscard]] PlannedTensor Choose(const TensorExtent& tensor, ElemEncoder& encoder) const;
  [[nodiscard]] std::vector<PlannedTensor>::const_iterator FirstEndingAfter(std::uint64_t at) const;
  template <class Predicate>
  [[nodiscard]] bool AnyIn(std::uint64_t begin, std::uint64_t end, const Predicate& holds) const;
  [[nodiscard]] MatrixPair MatrixOf(const TensorExtent& tensor, std::uint64_t old_offset) const;

  ByteView base_, artifact_;
  ExtentList extents_;
  std::vector<PlannedTensor> tensors_;
};

}  // namespace sluice
