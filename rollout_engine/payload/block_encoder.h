// Encodes the blocks of one artifact, each with the smallest codec of those allowed.
#pragma once

#include <memory>

#include "common/payload/block_decoder.h"
#include "rollout_engine/payload/elem_plan.h"
#include "rollout_engine/payload/extent.h"

namespace sluice {

struct EncodedBlock {
  Codec codec = Codec::kRaw;
  Bytes bytes;
};

/// What a block may be built from, and with.
struct BlockEncoderInput {
  ByteView base;  // empty for a full payload
  ByteView artifact;
  const ExtentList& extents;  // of the artifact against the base
  const ElemPlan& plan;
  MemoryClass memory_class = MemoryClass::kL;
  std::uint32_t codec_mask = 0;
};

/// Not thread-safe: one zstd context serves all blocks. Several encoders may share their input.
class BlockEncoder {
 public:
  /// REQUIRES: what is behind `input` outlives the encoder; its mask holds RAW or RSYNC, which fit
  /// any block.
  explicit BlockEncoder(const BlockEncoderInput& input);
  ~BlockEncoder();
  BlockEncoder(const BlockEncoder&) = delete;
  BlockEncoder& operator=(const BlockEncoder&) = delete;

  /// Encodes [offset, offset + length) of the artifact. Of equal sizes the one that is cheaper to
  /// decode wins.
  Result<EncodedBlock> Encode(std::uint64_t offset, std::uint32_t length);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
