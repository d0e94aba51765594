// Applies a whole payload in memory, as a device of a class does block by block: the encoder's
// proof, and the CLI's.
#pragma once

#include <optional>

#include "common/payload/block_decoder.h"

namespace sluice {

/// Returns the artifact. E_PAYLOAD_HEAD (also: size not that of the head), E_CODEC_UNSUPPORTED,
/// E_DELTA_BASE (`base` is not the one named), E_BLOCK_HASH, what DecodeBlock returns,
/// E_ARTIFACT_HASH.
Result<Bytes> ApplyPayload(std::optional<ByteView> base, ByteView payload, MemoryClass memory_class,
                           std::uint32_t codec_mask);

}  // namespace sluice
