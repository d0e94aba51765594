// Fetching objects by SHA-256: the device pulls chunks, the server (engine or broker plugin)
// answers.
#pragma once

#include <vector>

#include "common/base/bytes.h"

namespace sluice {

struct ByteRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  friend bool operator==(const ByteRange&, const ByteRange&) = default;
};

/// The chunks that cover `wanted`, at most window_bytes of them. Offsets are multiples of
/// chunk_size.
struct FetchRequest {
  Digest object;
  std::uint32_t chunk_size = 0;
  std::uint32_t window_bytes = 0;
  std::uint32_t request_id = 0;
  std::vector<ByteRange>
      wanted;  // 1..128, rising, not overlapping; length 0 in a single range = the whole object
  friend bool operator==(const FetchRequest&, const FetchRequest&) = default;
};

enum class ChunkStatus : std::uint8_t { kOk = 0, kNotFound = 1, kDenied = 2, kBusy = 3 };

struct Chunk {
  std::uint64_t object_id = 0;  // Prefix64 of the object's digest
  std::uint64_t object_size = 0;
  std::uint64_t offset = 0;
  std::uint32_t request_id = 0;
  ChunkStatus status = ChunkStatus::kOk;
  Bytes data;  // empty unless ok
  friend bool operator==(const Chunk&, const Chunk&) = default;
};

}  // namespace sluice
