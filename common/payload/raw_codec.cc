#include "common/payload/codecs.h"

namespace sluice {

Status DecodeRaw(ByteView encoded, std::span<std::uint8_t> out) {
  if (encoded.size() != out.size()) {
    return Fail(ErrorCode::kDeltaCorrupt, "a raw block of " + std::to_string(encoded.size()) +
                                              " bytes for " + std::to_string(out.size()) +
                                              " of output; encode the payload again");
  }
  std::copy(encoded.begin(), encoded.end(), out.begin());
  return {};
}

}  // namespace sluice
