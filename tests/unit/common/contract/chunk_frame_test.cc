#include "common/contract/chunk_frame.h"

#include <gtest/gtest.h>

#include "common/contract/codec.h"
#include "common/contract/limits.h"
#include "tests/support/contract_samples.h"

namespace sluice {
namespace {

Bytes DataOf(std::uint32_t size_bytes) {
  Bytes data(size_bytes);
  for (std::uint32_t i = 0; i < size_bytes; ++i) data[i] = static_cast<std::uint8_t>(i * 7 + 1);
  return data;
}

/// What a server does: the frame first, then the data into its gap.
Bytes Framed(const Chunk& chunk, const Bytes& data) {
  const ChunkFrame frame(chunk, static_cast<std::uint32_t>(data.size()));
  Bytes buffer(frame.size_bytes(), 0xAA);
  frame.WriteAround(buffer);
  std::copy(data.begin(), data.end(),
            buffer.begin() + static_cast<std::ptrdiff_t>(frame.data_offset()));
  return buffer;
}

TEST(ChunkFrame, EqualsTheEncodedChunkForEveryAlignmentAndEveryAbsentField) {
  for (const std::uint32_t size_bytes :
       {1u,      2u,      3u,      4u,      5u,      6u,      7u,      8u,
        9u,      15u,     16u,     17u,     1'023u,  1'024u,  4'096u,  16'319u,
        16'320u, 16'321u, 16'322u, 16'323u, 65'277u, 65'278u, 65'279u, limits::kChunkBytesMax}) {
    for (int present = 0; present < 8; ++present) {
      // A field that is zero is left out, which moves all others.
      Chunk chunk{.object_id = (present & 1) != 0 ? 0x0102030405060708U : 0,
                  .object_size = limits::kPayloadBytesMax,
                  .offset = (present & 2) != 0 ? 16'320U : 0,
                  .request_id = (present & 4) != 0 ? 77U : 0,
                  .status = ChunkStatus::kOk,
                  .data = {}};
      const Bytes data = DataOf(size_bytes);
      const Bytes framed = Framed(chunk, data);
      chunk.data = data;
      ASSERT_EQ(framed, Encode(chunk)) << size_bytes << " bytes, fields " << present;
    }
  }
}

TEST(ChunkFrame, IsDecodedAsTheChunkItFrames) {
  Chunk chunk = test_support::SampleChunk();
  const Bytes data = chunk.data;
  chunk.data.clear();
  EXPECT_EQ(Decode<Chunk>(Framed(chunk, data)).value(), test_support::SampleChunk());
}

TEST(ChunkFrame, FitsTheLargestChunkIntoOnePayload) {
  Chunk chunk = test_support::SampleChunk();
  chunk.data.clear();
  EXPECT_LE(ChunkFrame(chunk, limits::kChunkBytesMax).size_bytes(), limits::kMqttPayloadMax);
}

TEST(ChunkFrameDeathTest, RefusesDataOfNoOrTooManyBytes) {
  Chunk chunk = test_support::SampleChunk();
  chunk.data.clear();
  EXPECT_DEATH(ChunkFrame(chunk, 0), "data_bytes > 0");
  EXPECT_DEATH(ChunkFrame(chunk, limits::kChunkBytesMax + 1), "data_bytes <= ");
}

}  // namespace
}  // namespace sluice
