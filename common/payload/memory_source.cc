#include "common/base/check.h"
#include "common/payload/block_decoder.h"

namespace sluice {

Status MemorySource::ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const {
  SLUICE_CHECK(offset <= bytes_.size() && out.size() <= bytes_.size() - offset);
  std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
  return {};
}

}  // namespace sluice
