#include "common/payload/varint.h"

namespace sluice {

void AppendUvarint(Bytes& to, std::uint64_t value) {
  while (value >= 0x80) {
    to.push_back(static_cast<std::uint8_t>(value | 0x80));
    value >>= 7;
  }
  to.push_back(static_cast<std::uint8_t>(value));
}

Result<std::uint64_t> TakeUvarint(ByteView& from) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < from.size() && i < 10; ++i) {
    const std::uint64_t bits = from[i] & 0x7F;
    // The tenth byte holds bit 63 alone.
    if (i == 9 && bits > 1) break;
    value |= bits << (7 * i);
    if ((from[i] & 0x80) != 0) continue;
    if (bits == 0 && i > 0) {
      return Fail(ErrorCode::kDeltaCorrupt,
                  "a number is not in its shortest form; encode the payload again");
    }
    from = from.subspan(i + 1);
    return value;
  }
  return Fail(ErrorCode::kDeltaCorrupt,
              "a number is cut off or over 64 bits; encode the payload again");
}

}  // namespace sluice
