// Writes ELEM, QDELTA and LOWRANK blocks from operations that somebody else chose.
#pragma once

#include <memory>
#include <optional>

#include "common/base/bytes.h"
#include "common/payload/elem_ops.h"

namespace sluice {

using ElemOpList = std::vector<ElemOp>;

/// Not thread-safe: one set of models serves all blocks.
class ElemEncoder {
 public:
  /// `artifact`: only LOWRANK needs it. REQUIRES: both outlive the encoder.
  explicit ElemEncoder(ByteView base, ByteView artifact = {});
  ~ElemEncoder();
  ElemEncoder(const ElemEncoder&) = delete;
  ElemEncoder& operator=(const ElemEncoder&) = delete;

  /// The block that decodes to `content`, or nothing if it has more than `length_max` bytes.
  /// REQUIRES: 1 to kElemOpsMax operations that cover `content` one after the other and lie in the
  /// base; each QDELTA reproduces its content (StepsBetween); the artifact holds `content` at
  /// `block_offset`, and before it the rows that a LOWRANK names.
  std::optional<Bytes> Encode(const ElemOpList& ops, ByteView content, std::uint64_t block_offset,
                              std::size_t length_max);

  /// Bytes that the range coder makes of `op` alone, from fresh models. Any length.
  /// REQUIRES: neither COPY nor LOWRANK.
  std::uint64_t CodedLength(const ElemOp& op, ByteView content);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
