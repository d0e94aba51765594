#include "tests/unit/common/payload/encoded_blocks.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr std::size_t kGuardLength = 4096;
constexpr std::uint8_t kGuardByte = 0xA5;

bool IsIntact(ByteView guard) {
  return std::all_of(guard.begin(), guard.end(), [](std::uint8_t b) { return b == kGuardByte; });
}

}  // namespace

Result<Bytes> DecodeGuarded(Codec codec, MemoryClass memory_class, ByteView encoded, ByteView base,
                            ByteView output, std::size_t length) {
  Bytes memory(length + 2 * kGuardLength, kGuardByte);
  const std::span<std::uint8_t> out = std::span(memory).subspan(kGuardLength, length);
  const Status status = DecodeBlock(codec, memory_class, kCodecMaskV1, encoded, MemorySource(base),
                                    MemorySource(output), out);
  EXPECT_TRUE(IsIntact(ByteView(memory).first(kGuardLength))) << "wrote before the block";
  EXPECT_TRUE(IsIntact(ByteView(memory).last(kGuardLength))) << "wrote beyond the block";
  if (!status) return Fail(status.error());
  return Bytes(out.begin(), out.end());
}

}  // namespace sluice
