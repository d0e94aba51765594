// Reads the commands of a librsync delta without running them: the device to bound them, the
// encoder to cut them.
//
// Format: big-endian magic 0x72730236, then commands: 0x00 END; 0x01..0x40 a literal of that many
// bytes; 0x41..0x44 a literal with a length of 1, 2, 4 or 8 bytes; 0x45 + 4 i + j a copy whose
// offset has 2^i bytes and length 2^j.
#pragma once

#include "common/payload/block_decoder.h"

namespace sluice {

struct RsyncCommand {
  enum class Kind : std::uint8_t { kEnd, kLiteral, kCopy };
  Kind kind = Kind::kEnd;
  std::uint64_t length = 0;       // of output; at least 1 except in kEnd
  std::uint64_t base_offset = 0;  // kCopy only
};

inline constexpr std::uint32_t kRsyncDeltaMagic = 0x72730236;
inline constexpr std::uint8_t kRsyncEnd = 0x00;
inline constexpr std::uint8_t kRsyncLiteral1 = 0x41;  // the first literal with a length field
inline constexpr std::uint8_t kRsyncCopy11 = 0x45;    // the first copy
inline constexpr std::uint8_t kRsyncReserved = 0x55;  // the first code without a meaning

/// REQUIRES: the delta outlives the reader.
class RsyncCommandReader {
 public:
  /// E_DELTA_CORRUPT unless `delta` starts with the magic; E_STORE_IO.
  static Result<RsyncCommandReader> Open(const ByteSource& delta);
  /// The next command, literal bytes skipped; nothing follows kEnd. E_DELTA_CORRUPT for a reserved
  /// code, a length of 0, a command that is cut off, a missing END, bytes after it; E_STORE_IO.
  /// Whether a copy lies in the base is for the caller.
  Result<RsyncCommand> Next();

 private:
  explicit RsyncCommandReader(const ByteSource& delta) : delta_(&delta) {}
  Result<std::uint64_t> TakeNumber(std::size_t width);
  [[nodiscard]] std::uint64_t BytesLeft() const { return delta_->size() - position_; }

  const ByteSource* delta_;
  std::uint64_t position_ = 0;
};

}  // namespace sluice
