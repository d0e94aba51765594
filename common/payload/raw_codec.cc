#include "common/payload/codecs.h"

namespace sluice {

namespace {

Status CheckLength(std::uint64_t encoded_length, std::uint64_t out_length) {
  if (encoded_length == out_length) return {};
  return Fail(ErrorCode::kDeltaCorrupt, "a raw block of " + std::to_string(encoded_length) +
                                            " bytes for " + std::to_string(out_length) +
                                            " of output; encode the payload again");
}

}  // namespace

Status DecodeRaw(ByteView encoded, std::span<std::uint8_t> out) {
  SLUICE_TRY(CheckLength(encoded.size(), out.size()));
  std::copy(encoded.begin(), encoded.end(), out.begin());
  return {};
}

Status StreamRaw(const ByteSource& encoded, std::uint32_t out_length, BlockSink& sink) {
  SLUICE_TRY(CheckLength(encoded.size(), out_length));
  Bytes piece(kPieceLengthMax);
  for (std::uint32_t at = 0; at < out_length; at += static_cast<std::uint32_t>(piece.size())) {
    piece.resize(std::min<std::size_t>(kPieceLengthMax, out_length - at));
    SLUICE_TRY(encoded.ReadAt(at, piece));
    SLUICE_TRY(sink.Write(piece));
  }
  return {};
}

}  // namespace sluice
