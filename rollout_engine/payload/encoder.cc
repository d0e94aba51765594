#include "rollout_engine/payload/encoder.h"

#include <thread>

#include "common/contract/limits.h"
#include "common/crypto/digest.h"
#include "rollout_engine/payload/block_encoder.h"
#include "rollout_engine/payload/parallel_for.h"
#include "rollout_engine/payload/tensor_map.h"

namespace sluice {
namespace {

constexpr std::uint64_t kDeltaPercentMax = 95;

std::uint32_t ProfileMask(CodecProfile profile) {
  switch (profile) {
    case CodecProfile::kAuto:
      return kCodecMaskV1;
    case CodecProfile::kLibrsync:
      return CodecBit(Codec::kRsync);
    case CodecProfile::kRaw:
      return CodecBit(Codec::kRaw);
  }
  return 0;
}

Result<std::uint32_t> AllowedCodecs(const EncodeOptions& options) {
  const std::uint32_t mask =
      options.codec_mask & CodecMaskOf(options.memory_class) & ProfileMask(options.profile);
  if ((mask & (CodecBit(Codec::kRaw) | CodecBit(Codec::kRsync))) == 0) {
    return Fail(ErrorCode::kCodecUnsupported,
                "the device decodes neither raw nor rsync blocks under this profile; choose "
                "another profile");
  }
  return mask;
}

Status CheckSize(ByteView artifact, std::string_view role) {
  if (artifact.empty()) {
    return Fail(ErrorCode::kArtifactEmpty, std::string(role) + " has 0 bytes; give a model file");
  }
  if (artifact.size() > limits::kArtifactBytesMax) {
    return Fail(ErrorCode::kArtifactTooBig,
                std::string(role) + " has " + std::to_string(artifact.size()) +
                    " bytes; the limit is " + std::to_string(limits::kArtifactBytesMax));
  }
  return {};
}

unsigned EncoderThreads() {
  return std::clamp(std::thread::hardware_concurrency(), 1u, kEncoderThreadsMax);
}

// What is offered to a fleet must decode on it: the device's own decoder is the judge.
Status Prove(const EncodedBlock& block, std::uint64_t offset, ByteView content,
             const BlockEncoderInput& input) {
  Bytes decoded(content.size());
  const Status status =
      DecodeBlock(block.codec, input.memory_class, input.codec_mask, block.bytes,
                  MemorySource(input.base), MemorySource(input.artifact.first(offset)), decoded);
  if (status && std::equal(decoded.begin(), decoded.end(), content.begin())) return {};
  return Fail(ErrorCode::kInternal,
              "the encoded payload does not decode: " +
                  (status ? std::string("other bytes") : status.error().Line()));
}

Result<EncodedBlock> EncodeProven(BlockEncoder& encoder, const BlockEncoderInput& input,
                                  std::uint64_t offset, std::uint32_t length) {
  SLUICE_ASSIGN(EncodedBlock block, encoder.Encode(offset, length));
  SLUICE_TRY(Prove(block, offset, input.artifact.subspan(offset, length), input));
  return block;
}

// Encodes every block, filling the head's rows and mask; returns the blocks back to back.
Result<Bytes> EncodeBlocks(const BlockEncoderInput& input, unsigned threads, PayloadHead& head) {
  const std::uint64_t count = (head.out_size + head.block_size - 1) / head.block_size;
  std::vector<Result<EncodedBlock>> encoded(count);
  ParallelFor(threads, count, [&] {
    return [&, encoder = std::make_unique<BlockEncoder>(input)](std::size_t i) {
      encoded[i] = EncodeProven(*encoder, input, i * head.block_size, head.OutLength(i));
    };
  });
  Bytes blocks;
  for (const auto& block : encoded) {
    if (!block) return Fail(block.error());
    head.rows.push_back(
        {static_cast<std::uint32_t>(block->bytes.size()), block->codec, Sha256(block->bytes)});
    head.codec_mask |= CodecBit(block->codec);
    Append(blocks, block->bytes);
  }
  return blocks;
}

Result<EncodedPayload> Encode(const BaseSignature* base, ByteView artifact,
                              const EncodeOptions& options) {
  SLUICE_ASSIGN(const std::uint32_t codec_mask, AllowedCodecs(options));
  SLUICE_TRY(CheckSize(artifact, "the artifact"));
  std::optional<ByteView> base_bytes;
  ExtentList extents = {{0, artifact.size(), std::nullopt}};
  if (base != nullptr) {
    base_bytes = base->base();
    SLUICE_ASSIGN(extents, base->Match(artifact));
  }
  const unsigned threads = EncoderThreads();
  constexpr std::uint32_t kWithElements =
      CodecBit(Codec::kElem) | CodecBit(Codec::kQdelta) | CodecBit(Codec::kLowrank);
  TensorExtentList tensors;
  if ((codec_mask & kWithElements) != 0) tensors = MapTensors(base_bytes, artifact);
  const ElemPlan plan({base_bytes.value_or(ByteView{}), artifact, extents, std::move(tensors)},
                      threads);

  EncodedPayload payload;
  payload.head.kind = base == nullptr ? PayloadKind::kFull : PayloadKind::kDelta;
  payload.head.memory_class = options.memory_class;
  payload.head.block_size = BlockSizeOf(options.memory_class);
  payload.head.out_size = artifact.size();
  payload.head.out_sha256 = Sha256(artifact);
  if (base != nullptr) {
    payload.head.base_size = base_bytes->size();
    payload.head.base_sha256 = base->base_sha256();
  }
  SLUICE_ASSIGN(const Bytes blocks, EncodeBlocks({base_bytes.value_or(ByteView{}), artifact,
                                                  extents, plan, options.memory_class, codec_mask},
                                                 threads, payload.head));

  payload.bytes = BuildHead(payload.head);
  payload.head_digest = Sha256(payload.bytes);
  Append(payload.bytes, blocks);
  payload.object = Sha256(payload.bytes);
  return payload;
}

}  // namespace

Result<EncodedPayload> EncodePayload(std::optional<ByteView> base, ByteView artifact,
                                     const EncodeOptions& options) {
  if (!base) return Encode(nullptr, artifact, options);
  SLUICE_TRY(CheckSize(*base, "the base"));
  SLUICE_ASSIGN(const BaseSignature signature, BaseSignature::Compute(*base));
  return EncodeDelta(signature, artifact, options);
}

Result<EncodedPayload> EncodeDelta(const BaseSignature& base, ByteView artifact,
                                   const EncodeOptions& options) {
  return Encode(&base, artifact, options);
}

bool IsWorthOffering(std::uint64_t delta_bytes, std::uint64_t full_bytes) noexcept {
  // Both are at most a few percent above 4 GiB, so the products fit.
  return delta_bytes * 100 <= full_bytes * kDeltaPercentMax;
}

}  // namespace sluice
