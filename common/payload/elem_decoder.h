// Decodes one ELEM, QDELTA or LOWRANK block, in pieces as small as the caller likes.
#pragma once

#include <memory>

#include "common/payload/elem_models.h"
#include "common/payload/elem_ops.h"
#include "common/payload/lowrank_predictor.h"
#include "common/payload/range_input.h"

namespace sluice {

/// Memory: 10 KiB of models for differences, 22 KiB for literals and 9 KiB for LOWRANK, each only
/// if the block has any, and 5 KiB of input, whatever the block says.
class ElemDecoder {
 public:
  /// `block_offset`: of the block in the output. `output`: the artifact from its first byte to the
  /// last one that Decode returned; only LOWRANK needs it. REQUIRES: all sources outlive the
  /// decoder.
  ElemDecoder(const ByteSource& encoded, const ByteSource& base, std::uint64_t block_offset,
              const ByteSource* output = nullptr);

  /// Checks all operations before anything is decoded. E_DELTA_CORRUPT (also: an operation that
  /// `codec` lacks), E_DELTA_BOMB, E_DELTA_OPS, E_STORE_IO.
  /// REQUIRES: ELEM, QDELTA, or LOWRANK with an output.
  Status Open(std::uint32_t out_length, Codec codec);
  /// Decodes the next bytes into the front of `room` and returns how many: all that is left of the
  /// operation in work, or the whole elements that fit. 0 at the end of the block, where the
  /// encoded block has ended too. E_DELTA_CORRUPT, E_STORE_IO; nothing may follow a failure.
  /// REQUIRES: Open succeeded; `room` has at least 4 bytes or all that are left.
  Result<std::uint32_t> Decode(std::span<std::uint8_t> room);

 private:
  Status NextOp();
  Status DecodeElements(std::span<std::uint8_t> bytes);
  template <ElementKind kKind>
  Status DecodeElementsOf(std::span<std::uint8_t> bytes);

  const ByteSource& encoded_;
  const ByteSource& base_;
  const ByteSource* output_;
  ElemOpReader ops_;
  std::uint32_t ops_left_ = 0;
  ElemOp op_;                    // in work
  std::uint32_t op_left_ = 0;    // bytes of it
  std::uint64_t base_next_ = 0;  // where its old elements go on
  std::uint64_t op_out_ = 0;     // where it begins in the output
  DeltaContext delta_context_;
  int exponent_row_ = 0;
  std::unique_ptr<DeltaModels> delta_models_;      // nothing: the block has no differences
  std::unique_ptr<LiteralModels> literal_models_;  // nothing: the block has no literals
  std::unique_ptr<LowrankPredictor> predictor_;    // nothing: the block has no LOWRANK
  std::unique_ptr<RangeInput> input_;              // nothing: the block has neither
};

}  // namespace sluice
