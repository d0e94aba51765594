// The range coder's bytes of an encoded block, read through a window that is always ahead of the
// decoder.
#pragma once

#include "common/payload/block_decoder.h"
#include "common/payload/range_decoder.h"

namespace sluice {

class RangeInput {
 public:
  /// Bytes that one element takes at most: 32 adaptive bits of 2.
  static constexpr std::size_t kElementBytesMax = 64;

  /// REQUIRES: `encoded` outlives the input.
  RangeInput(const ByteSource& encoded, std::uint64_t begin)
      : encoded_(encoded), position_(begin) {}

  /// Takes the 5 bytes that start the decoder. E_DELTA_CORRUPT, E_STORE_IO.
  Status Open();
  /// Makes kElementBytesMax bytes or more readable from decoder().next: the block's, or zeros after
  /// its end. E_DELTA_CORRUPT if bytes beyond the end, or raw bits that no encoder writes, were
  /// taken before; E_STORE_IO.
  Status Refill();
  /// How many elements of at most `element_bytes` each can be decoded without a Refill.
  [[nodiscard]] std::size_t ElementsAhead(std::size_t element_bytes) const {
    return static_cast<std::size_t>(readable_end_ - decoder_.next) / element_bytes;
  }
  /// E_DELTA_CORRUPT unless all bytes were taken and no more.
  [[nodiscard]] Status Finish() const;

  RangeDecoder& decoder() { return decoder_; }

 private:
  [[nodiscard]] Status CheckTaken() const;

  static constexpr std::size_t kWindowLength = 4'096;
  static constexpr std::size_t kPaddingLength = 1'024;

  const ByteSource& encoded_;
  std::uint64_t position_;  // of the first byte that is not in the window
  RangeDecoder decoder_;
  const std::uint8_t* bytes_end_ = nullptr;     // of the block's bytes in the window
  const std::uint8_t* readable_end_ = nullptr;  // of these, and zeros
  std::array<std::uint8_t, kWindowLength + kPaddingLength> window_;
};

}  // namespace sluice
