#include "common/payload/zstd_frame.h"

#include <zstd.h>
#include <zstd_errors.h>

#include <memory>

namespace sluice {
namespace {

// RFC 8878, 3.1.1.1.1: the byte after the magic describes the frame header; this bit says that
// there is no window descriptor.
constexpr std::size_t kDescriptorAt = 4;
constexpr std::uint8_t kSingleSegment = 0x20;

struct FreeDecoder {
  void operator()(ZSTD_DCtx* decoder) const { ZSTD_freeDCtx(decoder); }
};

tl::unexpected<Error> CorruptFrame(const std::string& what) {
  return Fail(ErrorCode::kDeltaCorrupt, "zstd: " + what + "; encode the payload again");
}

tl::unexpected<Error> Bomb() {
  return Fail(ErrorCode::kDeltaBomb,
              "zstd: the frame holds more than its block; do not trust who made this payload");
}

}  // namespace

Result<std::uint64_t> ZstdContentLength(ByteView frame) {
  const std::size_t frame_length = ZSTD_findFrameCompressedSize(frame.data(), frame.size());
  if (ZSTD_isError(frame_length) != 0) return CorruptFrame(ZSTD_getErrorName(frame_length));
  if (frame_length != frame.size()) return CorruptFrame("bytes after the frame");
  // Skippable frames have no such descriptor, but they declare no content either.
  const unsigned long long length = ZSTD_getFrameContentSize(frame.data(), frame.size());
  if (length == ZSTD_CONTENTSIZE_UNKNOWN || length == ZSTD_CONTENTSIZE_ERROR || length == 0) {
    return CorruptFrame("the frame declares no content length");
  }
  if ((frame[kDescriptorAt] & kSingleSegment) == 0)
    return CorruptFrame("the frame's window is not its content");
  return length;
}

Status DecodeZstdFrame(ByteView frame, ByteView prefix, std::span<std::uint8_t> out) {
  SLUICE_ASSIGN(const std::uint64_t length, ZstdContentLength(frame));
  if (length > out.size()) return Bomb();
  if (length < out.size()) return CorruptFrame("the frame holds less than its block");

  const std::unique_ptr<ZSTD_DCtx, FreeDecoder> decoder(ZSTD_createDCtx());
  if (decoder == nullptr)
    return Fail(ErrorCode::kInternal, "no memory for the zstd decoder; free some and retry");
  const std::size_t referred = ZSTD_DCtx_refPrefix(decoder.get(), prefix.data(), prefix.size());
  if (ZSTD_isError(referred) != 0) {
    return Fail(ErrorCode::kInternal,
                "zstd refused the prefix: " + std::string(ZSTD_getErrorName(referred)));
  }
  const std::size_t written =
      ZSTD_decompressDCtx(decoder.get(), out.data(), out.size(), frame.data(), frame.size());
  if (ZSTD_isError(written) != 0) {
    // The frame's blocks may hold more than its header declares.
    if (ZSTD_getErrorCode(written) == ZSTD_error_dstSize_tooSmall) return Bomb();
    return CorruptFrame(ZSTD_getErrorName(written));
  }
  if (written != out.size()) return CorruptFrame("the frame holds less than it declares");
  return {};
}

}  // namespace sluice
