#include "common/payload/block_decoder.h"

#include "common/base/check.h"
#include "common/payload/codecs.h"

namespace sluice {

Status MemorySource::ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const {
  SLUICE_CHECK(offset <= bytes_.size() && out.size() <= bytes_.size() - offset);
  std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  return {};
}

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

Status DecodeBlock(Codec codec, MemoryClass memory_class, std::uint32_t allowed_mask,
                   ByteView encoded, const ByteSource& base, const ByteSource& output,
                   std::span<std::uint8_t> out) {
  SLUICE_CHECK(!out.empty() && out.size() <= BlockSizeOf(memory_class));
  if ((CodecBit(codec) & allowed_mask & CodecMaskOf(memory_class)) == 0) {
    return Fail(ErrorCode::kCodecUnsupported,
                "codec " + std::string(CodecName(codec)) +
                    " is not among those this device decodes; offer another payload");
  }
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
      break;
  }
  // A new codec goes into kCodecMaskV1 and into the switch together.
  SLUICE_CHECK(false);
  return {};
}

}  // namespace sluice
