// The head of a ZLIT block: which bytes its zstd frame may refer to.
#pragma once

#include "common/base/bytes.h"

namespace sluice {

enum class ZlitPrefixKind : std::uint8_t { kNone = 0, kBase = 1, kOutput = 2 };

struct ZlitPrefix {
  ZlitPrefixKind kind = ZlitPrefixKind::kNone;
  std::uint64_t offset = 0;  // into the base or the output so far; 0 with kNone
  std::uint64_t length = 0;  // 0 with kNone only
  friend bool operator==(const ZlitPrefix&, const ZlitPrefix&) = default;
};

void AppendZlitPrefix(Bytes& to, const ZlitPrefix& prefix);
/// Takes the head off the front of `from`; what is left is the frame. E_DELTA_CORRUPT. The range is
/// not checked here.
Result<ZlitPrefix> TakeZlitPrefix(ByteView& from);

}  // namespace sluice
