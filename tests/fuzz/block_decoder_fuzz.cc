// Any bytes as one encoded block of FUZZED_CODEC: refused, or an output that depends on these bytes
// alone.
//
// Input: u16 little-endian output length, less one; then the encoded block. The sanitizers watch
// the output's edges.
#include "common/base/check.h"
#include "common/payload/block_decoder.h"

namespace sluice {
namespace {

// Base and earlier output, with runs and repeats for copies and prefixes to hit.
Bytes SourceBytes(unsigned factor) {
  Bytes bytes(8'192);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::uint8_t>(i * factor >> 3 ^ i >> 8);
  }
  return bytes;
}

constexpr std::size_t kGuardLength = 64;

// The libraries behind the decoders are not instrumented, so guards watch the output's edges.
Result<Bytes> Decode(ByteView encoded, std::size_t out_length, std::uint8_t fill) {
  static const Bytes base = SourceBytes(7);
  static const Bytes output = SourceBytes(13);
  const Bytes guard(kGuardLength, static_cast<std::uint8_t>(~fill));
  Bytes memory = guard;
  memory.resize(kGuardLength + out_length, fill);
  Append(memory, guard);
  const std::span<std::uint8_t> out = std::span(memory).subspan(kGuardLength, out_length);
  const Status status = DecodeBlock(Codec::FUZZED_CODEC, MemoryClass::kM, kCodecMaskV1, encoded,
                                    MemorySource(base), MemorySource(output), out);
  SLUICE_CHECK(std::equal(guard.begin(), guard.end(), memory.begin()));
  SLUICE_CHECK(std::equal(guard.rbegin(), guard.rend(), memory.rbegin()));
  if (!status) return Fail(status.error());
  return Bytes(out.begin(), out.end());
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  if (size < 2) return 0;
  const std::size_t out_length = std::size_t{LoadLe<std::uint16_t>(data)} + 1;
  const ByteView encoded(data + 2, size - 2);
  // A byte that the decoder left alone would differ between the two.
  SLUICE_CHECK(Decode(encoded, out_length, 0x00) == Decode(encoded, out_length, 0xFF));
  return 0;
}
