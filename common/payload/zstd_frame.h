// One zstd frame, decoded in one call into a buffer of known size: no window buffer, no streaming
// state.
#pragma once

#include "common/base/bytes.h"

namespace sluice {

/// The content length that the frame declares. E_DELTA_CORRUPT unless `frame` is exactly one zstd
/// frame of the single-segment form: its window is its content, so a window never costs a device
/// more than the block does.
Result<std::uint64_t> ZstdContentLength(ByteView frame);

/// Decodes `frame` with `prefix` as the bytes before it (may be empty). E_DELTA_BOMB if it holds
/// more than out.size(), E_DELTA_CORRUPT if less, or for any other fault. Takes about 100 KB while
/// it runs.
Status DecodeZstdFrame(ByteView frame, ByteView prefix, std::span<std::uint8_t> out);

}  // namespace sluice
