// FetchRequest and Chunk: the transfer of objects.
#include "chunk_generated.h"
#include "common/contract/codec.h"
#include "common/contract/field_reader.h"
#include "common/contract/wire_message.h"
#include "common/contract/wire_object.h"
#include "fetch_generated.h"

namespace sluice {
namespace {

const WireFormat kFetchFormat{"FetchRequest", wire::FetchRequestIdentifier(),
                              limits::kFetchBytesMax};
const WireFormat kChunkFormat{"Chunk", wire::ChunkIdentifier(), limits::kMqttPayloadMax};

/// REQUIRES: chunk_size > 0. A whole object is one range {0, 0}; else the ranges rise and do not
/// touch each other's bytes.
void CheckRanges(FieldReader& read, const FetchRequest& request) {
  const bool whole = request.wanted.size() == 1 && request.wanted.front() == ByteRange{};
  if (whole) return;
  std::uint64_t free_from = 0;
  for (const ByteRange& range : request.wanted) {
    const bool inside = range.length > 0 && range.offset <= limits::kPayloadBytesMax &&
                        range.length <= limits::kPayloadBytesMax - range.offset;
    read.Require(inside, "wanted", "a range is empty or leaves the largest object");
    read.Require(range.offset % request.chunk_size == 0, "wanted",
                 "an offset is no multiple of chunk_size");
    read.Require(range.offset >= free_from, "wanted", "ranges must rise and not overlap");
    if (!read.status()) return;
    free_from = range.offset + range.length;
  }
}

void CheckChunk(FieldReader& read, const Chunk& chunk) {
  if (chunk.status != ChunkStatus::kOk) {
    read.Require(chunk.data.empty(), "data", "a chunk that is not ok carries none");
    return;
  }
  read.Require(!chunk.data.empty(), "data", "a chunk that is ok carries some");
  const bool inside =
      chunk.offset <= chunk.object_size && chunk.data.size() <= chunk.object_size - chunk.offset;
  read.Require(inside, "offset", "the data leaves the object");
}

}  // namespace

Bytes Encode(const FetchRequest& value) {
  wire::FetchRequestT to;
  to.object = ToWireOptional(value.object);
  to.chunk_size = value.chunk_size;
  to.window_bytes = value.window_bytes;
  to.request_id = value.request_id;
  for (const ByteRange& range : value.wanted) to.wanted.emplace_back(range.offset, range.length);
  return PackMessage(to, kFetchFormat);
}

template <>
Result<FetchRequest> Decode<FetchRequest>(ByteView bytes) {
  SLUICE_ASSIGN(const auto message, WireMessage<wire::FetchRequest>::Open(kFetchFormat, bytes));
  const wire::FetchRequest& from = *message;
  FieldReader read(kFetchFormat.name);
  FetchRequest request;
  request.object = read.Digest("object", from.object());
  request.chunk_size =
      read.Within("chunk_size", from.chunk_size(), limits::kChunkBytesMin, limits::kChunkBytesMax);
  request.window_bytes =
      read.Within("window_bytes", from.window_bytes(), 1, limits::kWindowBytesMax);
  request.request_id = from.request_id();
  for (const wire::ByteRange* range :
       read.List("wanted", from.wanted(), 1, limits::kFetchRangesMax)) {
    request.wanted.push_back({range->offset(), range->length()});
  }
  if (read.status()) CheckRanges(read, request);
  return read.Finish(std::move(request));
}

// The busiest message of a server: built directly, without the object API's copy of the data.
Bytes Encode(const Chunk& value) {
  flatbuffers::FlatBufferBuilder builder(value.data.size() + 128);
  flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>> data;
  if (!value.data.empty()) data = builder.CreateVector(value.data);
  return FinishMessage(
      builder,
      wire::CreateChunk(builder, value.object_id, value.object_size, value.offset, value.request_id,
                        static_cast<wire::ChunkStatus>(value.status), data),
      kChunkFormat);
}

template <>
Result<Chunk> Decode<Chunk>(ByteView bytes) {
  SLUICE_ASSIGN(const auto message, WireMessage<wire::Chunk>::Open(kChunkFormat, bytes));
  const wire::Chunk& from = *message;
  FieldReader read(kChunkFormat.name);
  Chunk chunk;
  chunk.object_id = from.object_id();
  chunk.object_size = read.Within("object_size", from.object_size(), 0, limits::kPayloadBytesMax);
  chunk.offset = from.offset();
  chunk.request_id = from.request_id();
  chunk.status = read.Enum("status", from.status(), ChunkStatus::kOk, ChunkStatus::kBusy);
  const auto data = read.List("data", from.data(), 0, limits::kChunkBytesMax);
  chunk.data.assign(data.begin(), data.end());
  CheckChunk(read, chunk);
  return read.Finish(std::move(chunk));
}

}  // namespace sluice
