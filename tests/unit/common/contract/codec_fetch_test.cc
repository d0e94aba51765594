#include "common/contract/limits.h"
#include "tests/support/contract_samples.h"
#include "tests/unit/common/contract/broken_value.h"

namespace sluice {
namespace {

using test_support::SampleChunk;
using test_support::SampleFetch;

TEST(FetchCodec, GivesBackWhatWasWritten) {
  ExpectRoundTrip(SampleFetch());
  FetchRequest whole = SampleFetch();
  whole.wanted = {{0, 0}};
  ExpectRoundTrip(whole);
}

TEST(FetchCodec, ChecksSizeBeforeStructure) {
  ExpectSizeIsChecked(SampleFetch(), limits::kFetchBytesMax);
}

TEST(FetchCodec, BearsAnyFlippedBit) {
  ExpectEveryBitFlipIsBorne(SampleFetch(), ErrorCode::kFbRange);
}

TEST(FetchCodec, ChecksEveryField) {
  ExpectEachDecoded<FetchRequest>(
      SampleFetch(), ErrorCode::kFbRange,
      {
          {"object", [](FetchRequest& f) { f.object = {}; }},
          {"chunk_size", [](FetchRequest& f) { f.chunk_size = 0; }},
          {"chunk_size", [](FetchRequest& f) { f.chunk_size = limits::kChunkBytesMax + 1; }},
          {"window_bytes", [](FetchRequest& f) { f.window_bytes = 0; }},
          {"window_bytes", [](FetchRequest& f) { f.window_bytes = limits::kWindowBytesMax + 1; }},
          {"wanted", [](FetchRequest& f) { f.wanted.clear(); }},
          {"",
           [](FetchRequest& f) {
             f.wanted.clear();
             for (std::size_t i = 0; i < limits::kFetchRangesMax; ++i) {
               f.wanted.push_back({2 * i * f.chunk_size, f.chunk_size});
             }
           }},
          {"wanted",
           [](FetchRequest& f) {
             f.wanted.clear();
             for (std::size_t i = 0; i <= limits::kFetchRangesMax; ++i) {
               f.wanted.push_back({2 * i * f.chunk_size, f.chunk_size});
             }
           }},
          {"wanted",
           [](FetchRequest& f) {
             f.wanted = {{1, 1}};
           }},
          {"wanted",
           [](FetchRequest& f) {
             f.wanted = {{16'320, 0}};
           }},
          {"wanted",
           [](FetchRequest& f) {
             f.wanted = {{0, 0}, {16'320, 1}};
           }},
          {"",
           [](FetchRequest& f) {
             f.wanted = {{0, 16'320}, {16'320, 1}};
           }},
          {"wanted",
           [](FetchRequest& f) {
             f.wanted = {{0, 16'321}, {16'320, 1}};
           }},
          {"wanted",
           [](FetchRequest& f) {
             f.wanted = {{16'320, 1}, {0, 1}};
           }},
          {"wanted",
           [](FetchRequest& f) {
             f.wanted = {{0, 1}, {0, 1}};
           }},
          {"",
           [](FetchRequest& f) {
             f.wanted = {{0, limits::kPayloadBytesMax}};
           }},
          {"wanted",
           [](FetchRequest& f) {
             f.wanted = {{0, limits::kPayloadBytesMax + 1}};
           }},
          {"wanted",
           [](FetchRequest& f) {
             f.wanted = {{16'320, UINT64_MAX}};
           }},
          {"wanted",
           [](FetchRequest& f) {
             f.wanted = {{16'320 * (UINT64_MAX / 16'320), 1}};
           }},
      });
}

TEST(ChunkCodec, GivesBackWhatWasWritten) {
  ExpectRoundTrip(SampleChunk());
  Chunk denied = SampleChunk();
  denied.status = ChunkStatus::kDenied;
  denied.data.clear();
  ExpectRoundTrip(denied);
}

TEST(ChunkCodec, CarriesTheLargestChunkInOneMqttPayload) {
  Chunk chunk = SampleChunk();
  chunk.offset = 0;
  chunk.object_size = limits::kChunkBytesMax;
  chunk.data.assign(limits::kChunkBytesMax, 0x5a);
  EXPECT_LE(Encode(chunk).size(), limits::kMqttPayloadMax);
  ExpectRoundTrip(chunk);
}

TEST(ChunkCodec, BearsAnyFlippedBit) {
  ExpectEveryBitFlipIsBorne(SampleChunk(), ErrorCode::kFbRange);
}

TEST(ChunkCodec, ChecksEveryField) {
  ExpectEachDecoded<Chunk>(
      SampleChunk(), ErrorCode::kFbRange,
      {
          {"", [](Chunk& c) { c.object_size = c.offset + c.data.size(); }},
          {"offset", [](Chunk& c) { c.object_size = c.offset + c.data.size() - 1; }},
          {"offset", [](Chunk& c) { c.offset = UINT64_MAX; }},
          {"object_size", [](Chunk& c) { c.object_size = limits::kPayloadBytesMax + 1; }},
          {"status", [](Chunk& c) { c.status = static_cast<ChunkStatus>(4); }},
          {"data", [](Chunk& c) { c.status = ChunkStatus::kBusy; }},
          {"data", [](Chunk& c) { c.data.clear(); }},
          {"data",
           [](Chunk& c) {
             c.object_size = 1'000'000;
             c.data.resize(limits::kChunkBytesMax + 1);
           }},
      });
}

}  // namespace
}  // namespace sluice
