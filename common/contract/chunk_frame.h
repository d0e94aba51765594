// A Chunk around data that is not there yet: a server writes the frame into its buffer and reads
// the data straight from the file into the gap.
#pragma once

#include <array>

#include "common/contract/fetch.h"

namespace sluice {

/// The bytes before and behind the data. With the data in the gap the buffer equals Encode of the
/// whole Chunk, byte for byte.
class ChunkFrame {
 public:
  /// REQUIRES: `chunk` is ok and carries no data; 1 <= data_bytes <= kChunkBytesMax.
  ChunkFrame(const Chunk& chunk, std::uint32_t data_bytes);

  [[nodiscard]] std::size_t size_bytes() const { return data_offset() + data_bytes_ + tail_bytes_; }
  [[nodiscard]] std::size_t data_offset() const { return head_bytes_; }
  /// Writes everything but the data. REQUIRES: `to` has size_bytes().
  void WriteAround(std::span<std::uint8_t> to) const;

 private:
  static constexpr std::size_t kHeadBytesMax = 128;

  std::array<std::uint8_t, kHeadBytesMax> head_{};
  std::uint32_t data_bytes_ = 0;
  std::size_t head_bytes_ = 0;
  std::size_t tail_bytes_ = 0;  // zeros that align the vector
};

}  // namespace sluice
