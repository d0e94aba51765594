#include "common/contract/chunk_frame.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/contract/codec.h"
#include "common/contract/limits.h"

namespace sluice {
namespace {

// Every scalar of the message aligns to at most this.
constexpr std::uint32_t kAlignment = 8;

}  // namespace

// The table stands before its data, so no offset in it depends on how long the data is: only the
// padding does, by the length modulo the alignment. A chunk with that little data has the same
// frame but for the length itself.
ChunkFrame::ChunkFrame(const Chunk& chunk, std::uint32_t data_bytes) : data_bytes_(data_bytes) {
  SLUICE_CHECK(chunk.data.empty() && chunk.status == ChunkStatus::kOk);
  SLUICE_CHECK(data_bytes > 0 && data_bytes <= limits::kChunkBytesMax);
  Chunk small = chunk;
  small.data.assign((data_bytes - 1) % kAlignment + 1, 0);
  const Bytes encoded = Encode(small);
  const auto small_bytes = static_cast<std::uint32_t>(small.data.size());
  // The last four bytes of the head are the length; the data ends the buffer but for its padding.
  tail_bytes_ =
      (sizeof(std::uint32_t) - small_bytes % sizeof(std::uint32_t)) % sizeof(std::uint32_t);
  head_bytes_ = encoded.size() - small_bytes - tail_bytes_;
  SLUICE_CHECK(head_bytes_ <= head_.size());
  std::copy_n(encoded.begin(), head_bytes_, head_.begin());
  std::uint8_t* const length = head_.data() + head_bytes_ - sizeof(std::uint32_t);
  SLUICE_CHECK(LoadLe<std::uint32_t>(length) == small_bytes);
  StoreLe<std::uint32_t>(length, data_bytes);
}

void ChunkFrame::WriteAround(std::span<std::uint8_t> to) const {
  SLUICE_CHECK(to.size() == size_bytes());
  std::copy_n(head_.begin(), head_bytes_, to.begin());
  std::fill_n(to.end() - static_cast<std::ptrdiff_t>(tail_bytes_), tail_bytes_, std::uint8_t{0});
}

}  // namespace sluice
