// Builds payloads: a full one, or a delta from a base, the smallest codec per block that the class
// may decode.
#pragma once

#include <optional>

#include "common/payload/container.h"
#include "rollout_engine/payload/base_signature.h"

namespace sluice {

/// Goes up when the same options give another payload: whoever keeps payloads keeps it with them.
inline constexpr unsigned kEncoderVersion = 4;  // 2: ELEM and QDELTA; 3: LOWRANK; 4: shorter codes

enum class CodecProfile : std::uint8_t {
  kAuto = 0,      // smallest of what the class and the device's mask allow
  kLibrsync = 1,  // codec 2 alone, literals included: any device with stock librsync
  kRaw = 2,
};

struct EncodeOptions {
  MemoryClass memory_class = MemoryClass::kL;
  CodecProfile profile = CodecProfile::kAuto;
  std::uint32_t codec_mask = kCodecMaskV1;  // what the device decodes
};

struct EncodedPayload {
  PayloadHead head;
  Bytes bytes;         // head, then blocks
  Digest object;       // SHA-256 of bytes
  Digest head_digest;  // SHA-256 of the head
};

/// Of the artifact alone when `base` is empty, else a delta. The tensors of both files are looked
/// for (tensor_map.h). Uses up to kEncoderThreadsMax threads; the result does not depend on how
/// many. Each block has been decoded with the device's decoder under the class's limits and
/// compared with `artifact`; a mismatch is E_INTERNAL and nothing is offered. E_ARTIFACT_EMPTY and
/// E_ARTIFACT_TOO_BIG (either artifact), E_CODEC_UNSUPPORTED (profile and mask leave neither RAW
/// nor RSYNC).
Result<EncodedPayload> EncodePayload(std::optional<ByteView> base, ByteView artifact,
                                     const EncodeOptions& options);

/// The same for a base whose signature is at hand: several artifacts, classes or profiles for one
/// base.
Result<EncodedPayload> EncodeDelta(const BaseSignature& base, ByteView artifact,
                                   const EncodeOptions& options);

/// Whether a delta saves enough to be offered beside the full payload: it has at most 95 % of its
/// bytes.
bool IsWorthOffering(std::uint64_t delta_bytes, std::uint64_t full_bytes) noexcept;

}  // namespace sluice
