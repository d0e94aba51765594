// What a device of class S needs to decode a block, counted at the allocator: for every codec, and
// the same at any size of artifact.
#include <gtest/gtest.h>
#include <malloc.h>

#include <atomic>

#include "common/crypto/digest.h"
#include "rollout_engine/payload/encoder.h"
#include "tests/support/sample_elements.h"

namespace {
std::atomic<std::size_t> held_bytes = 0;
std::atomic<std::size_t> peak_bytes = 0;

void* Count(void* memory) {
  if (memory == nullptr) return memory;
  const std::size_t held = held_bytes += malloc_usable_size(memory);
  if (held > peak_bytes) peak_bytes = held;
  return memory;
}
void Uncount(void* memory) {
  if (memory != nullptr) held_bytes -= malloc_usable_size(memory);
}
}  // namespace

// In place of the C library's, so that librsync's are counted too.
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* memory, std::size_t size);
void __libc_free(void* memory);

void* malloc(std::size_t size) { return Count(__libc_malloc(size)); }
void* calloc(std::size_t count, std::size_t size) { return Count(__libc_calloc(count, size)); }
void* realloc(void* memory, std::size_t size) {
  Uncount(memory);
  return Count(__libc_realloc(memory, size));
}
void free(void* memory) {
  Uncount(memory);
  __libc_free(memory);
}
}

namespace sluice {
namespace {

constexpr std::size_t kHeapBytesMax = 48 * 1024;
constexpr std::size_t kMiB = 1 << 20;

/// Hashes what arrives, as a device does on its way to the slot.
class HashingSink final : public BlockSink {
 public:
  Status Write(ByteView piece) override {
    hash_.Update(piece);
    return {};
  }
  Digest Finish() { return hash_.Finish(); }

 private:
  Sha256Stream hash_;
};

std::size_t HeapOf(Codec codec, ByteView encoded, const Bytes& base, std::uint64_t offset,
                   std::uint32_t length, ByteView content) {
  const Digest expected = Sha256(content);
  const MemorySource encoded_source(encoded);
  const MemorySource base_source(base);
  const std::size_t before = held_bytes;
  peak_bytes = before;
  HashingSink sink;
  const Status status =
      StreamBlock(codec, kCodecMaskV1, encoded_source, base_source, offset, length, sink);
  const std::size_t heap = peak_bytes - before;
  EXPECT_TRUE(status) << CodecName(codec);
  EXPECT_EQ(sink.Finish(), expected) << CodecName(codec);
  return heap;
}

constexpr std::size_t kChangedBytes = 512 * 1024;
constexpr std::size_t kBlocksLooked = 48;

// The largest heap that any of the first and last blocks takes: all that changed are among them.
std::size_t HeapOfPayload(const EncodedPayload& payload, const Bytes& base, const Bytes& artifact) {
  std::size_t heap = 0;
  const std::size_t count = payload.head.rows.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (i == kBlocksLooked && count > 2 * kBlocksLooked) i = count - kBlocksLooked;
    const BlockRow& row = payload.head.rows[i];
    const std::uint64_t offset = std::uint64_t{i} * payload.head.block_size;
    const std::uint32_t length = payload.head.OutLength(i);
    const ByteView encoded =
        ByteView(payload.bytes).subspan(payload.head.BlockOffset(i), row.in_len);
    heap = std::max(heap, HeapOf(row.codec, encoded, base, offset, length,
                                 ByteView(artifact).subspan(offset, length)));
  }
  return heap;
}

// Its front moved and its end new, the rest as it was: differences, copies and literals.
Bytes UpdatedModel(const Bytes& base) {
  Bytes artifact = MovedElements(
      ElementKind::kF32,
      Bytes(base.begin(), base.begin() + static_cast<std::ptrdiff_t>(kChangedBytes)), 2, 12);
  Append(artifact, ByteView(base).subspan(kChangedBytes));
  return WithNewHead(std::move(artifact), 3, kChangedBytes / 4);
}

class ClassS : public testing::TestWithParam<std::size_t> {};

TEST_P(ClassS, DecodesEveryCodecIn48KiBOfHeapAtAnySize) {
  const Bytes base = WeightBytes(1, GetParam() / 4);
  const Bytes artifact = UpdatedModel(base);
  std::uint32_t seen = 0;
  for (const CodecProfile profile :
       {CodecProfile::kAuto, CodecProfile::kLibrsync, CodecProfile::kRaw}) {
    const auto payload = EncodePayload(base, artifact, {MemoryClass::kS, profile});
    ASSERT_TRUE(payload) << payload.error().Line();
    const std::size_t heap = HeapOfPayload(*payload, base, artifact);
    EXPECT_LE(heap, kHeapBytesMax);
    seen |= payload->head.codec_mask;
  }
  EXPECT_EQ(seen & (CodecBit(Codec::kElem) | CodecBit(Codec::kRsync) | CodecBit(Codec::kRaw)),
            CodecBit(Codec::kElem) | CodecBit(Codec::kRsync) | CodecBit(Codec::kRaw));
}

INSTANTIATE_TEST_SUITE_P(At, ClassS, testing::Values(kMiB, 16 * kMiB, 64 * kMiB),
                         [](const auto& size) {
                           return std::to_string(size.param / kMiB) + "MiB";
                         });

// All of an operation list's kinds at once: both sets of models.
TEST(ClassSBlock, TakesNoMoreForAnyMixOfOperations) {
  for (const ElemSample& sample : ElemSamples()) {
    if (sample.codec == Codec::kLowrank) continue;  // not for class S
    const Bytes block = EncodedSample(sample);
    EXPECT_LE(HeapOf(sample.codec, block, sample.base, sample.block_offset,
                     static_cast<std::uint32_t>(sample.content.size()), sample.content),
              kHeapBytesMax)
        << sample.name;
  }
}

}  // namespace
}  // namespace sluice
