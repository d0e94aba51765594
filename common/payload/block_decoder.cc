#include "common/payload/block_decoder.h"

#include "common/base/check.h"
#include "common/payload/codecs.h"

namespace sluice {

std::uint32_t ZlitPrefixMax(MemoryClass memory_class) noexcept {
  switch (memory_class) {
    case MemoryClass::kS:
      return 0;
    case MemoryClass::kM:
      return 64 * 1024;
    case MemoryClass::kL:
      return 256 * 1024;
  }
  return 0;
}

namespace {

Status CheckAllowed(Codec codec, MemoryClass memory_class, std::uint32_t allowed_mask) {
  if ((CodecBit(codec) & allowed_mask & CodecMaskOf(memory_class)) != 0) return {};
  return Fail(ErrorCode::kCodecUnsupported,
              "codec " + std::string(CodecName(codec)) +
                  " is not among those this device decodes; offer another payload");
}

}  // namespace

Status DecodeBlock(Codec codec, MemoryClass memory_class, std::uint32_t allowed_mask,
                   ByteView encoded, const ByteSource& base, const ByteSource& output,
                   std::span<std::uint8_t> out) {
  SLUICE_CHECK(!out.empty() && out.size() <= BlockSizeOf(memory_class));
  SLUICE_TRY(CheckAllowed(codec, memory_class, allowed_mask));
  switch (codec) {
    case Codec::kRaw:
      return DecodeRaw(encoded, out);
    case Codec::kZlit:
      return DecodeZlit(encoded, ZlitPrefixMax(memory_class), base, output, out);
    case Codec::kRsync:
      return DecodeRsync(encoded, base, out);
    case Codec::kRsyncZstd:
      return DecodeRsyncZstd(encoded, base, out);
    case Codec::kElem:
    case Codec::kQdelta:
    case Codec::kLowrank:
      return DecodeElem(encoded, codec, base, output, out);
  }
  // A new codec goes into kCodecMaskV1 and into the switch together.
  SLUICE_CHECK(false);
  return {};
}

Status StreamBlock(Codec codec, std::uint32_t allowed_mask, const ByteSource& encoded,
                   const ByteSource& base, std::uint64_t block_offset, std::uint32_t out_length,
                   BlockSink& sink) {
  SLUICE_CHECK(out_length > 0);
  SLUICE_TRY(CheckAllowed(codec, MemoryClass::kS, allowed_mask));
  switch (codec) {
    case Codec::kRaw:
      return StreamRaw(encoded, out_length, sink);
    case Codec::kRsync:
      return StreamRsync(encoded, base, out_length, sink);
    case Codec::kElem:
    case Codec::kQdelta:
      return StreamElem(encoded, codec, base, block_offset, out_length, sink);
    case Codec::kZlit:
    case Codec::kRsyncZstd:
    case Codec::kLowrank:
      break;
  }
  // A new codec of class S goes into CodecMaskOf and into the switch together.
  SLUICE_CHECK(false);
  return {};
}

}  // namespace sluice
