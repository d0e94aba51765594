#include "rollout_engine/payload/encoder.h"

#include "common/contract/limits.h"
#include "common/crypto/digest.h"
#include "rollout_engine/payload/apply.h"
#include "rollout_engine/payload/block_encoder.h"

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

// Encodes every block, filling the head's rows and mask; returns the blocks back to back.
Result<Bytes> EncodeBlocks(BlockEncoder& encoder, PayloadHead& head) {
  Bytes blocks;
  for (std::uint64_t offset = 0; offset < head.out_size; offset += head.block_size) {
    const std::uint32_t length = head.OutLength(head.rows.size());
    SLUICE_ASSIGN(const EncodedBlock block, encoder.Encode(offset, length));
    head.rows.push_back(
        {static_cast<std::uint32_t>(block.bytes.size()), block.codec, Sha256(block.bytes)});
    head.codec_mask |= CodecBit(block.codec);
    Append(blocks, block.bytes);
  }
  return blocks;
}

// What is offered to a fleet must decode on it: the device's own decoder is the judge.
Status Prove(const EncodedPayload& payload, std::optional<ByteView> base,
             const EncodeOptions& options) {
  const auto applied = ApplyPayload(base, payload.bytes, options.memory_class, options.codec_mask);
  if (applied) return {};
  return Fail(ErrorCode::kInternal,
              "the encoded payload does not decode: " + applied.error().Line());
}

Result<EncodedPayload> Encode(const BaseSignature* base, ByteView artifact,
                              const EncodeOptions& options) {
  SLUICE_ASSIGN(const std::uint32_t codec_mask, AllowedCodecs(options));
  SLUICE_TRY(CheckSize(artifact, "the artifact"));
  ExtentList extents = {{0, artifact.size(), std::nullopt}};
  if (base != nullptr) {
    SLUICE_ASSIGN(extents, base->Match(artifact));
  }

  EncodedPayload payload;
  payload.head.kind = base == nullptr ? PayloadKind::kFull : PayloadKind::kDelta;
  payload.head.memory_class = options.memory_class;
  payload.head.block_size = BlockSizeOf(options.memory_class);
  payload.head.out_size = artifact.size();
  payload.head.out_sha256 = Sha256(artifact);
  std::optional<ByteView> base_bytes;
  if (base != nullptr) {
    base_bytes = base->base();
    payload.head.base_size = base_bytes->size();
    payload.head.base_sha256 = base->base_sha256();
  }
  BlockEncoder encoder({base_bytes.value_or(ByteView{}), artifact, std::move(extents),
                        options.memory_class, codec_mask});
  SLUICE_ASSIGN(const Bytes blocks, EncodeBlocks(encoder, payload.head));

  payload.bytes = BuildHead(payload.head);
  payload.head_digest = Sha256(payload.bytes);
  Append(payload.bytes, blocks);
  payload.object = Sha256(payload.bytes);
  SLUICE_TRY(Prove(payload, base_bytes, options));
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
