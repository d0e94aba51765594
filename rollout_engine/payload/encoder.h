// Builds payloads: a full one, or a delta from a base, the smallest codec per block that the class may decode.
#pragma once

#include <optional>

#include "common/payload/container.h"

namespace sluice {

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

/// `base` empty = full payload. Deterministic. The result has been decoded with the device's decoder under the class's
/// limits and its SHA-256 compared with that of `artifact`; a mismatch is E_INTERNAL and nothing is offered.
Result<EncodedPayload> EncodePayload(std::optional<ByteView> base, ByteView artifact, const EncodeOptions& options);

}  // namespace sluice
