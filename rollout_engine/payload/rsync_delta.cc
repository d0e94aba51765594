#include "rollout_engine/payload/rsync_delta.h"

#include <bit>

#include "common/payload/rsync_commands.h"

namespace sluice {
namespace {

constexpr std::uint64_t kImmediateLiteralMax = 64;
// A copy inside a block takes at most 9 bytes (offsets below 4 GiB), and splits a literal for at
// most 5 more.
constexpr std::uint64_t kCopyLengthMin = 16;

// 0, 1, 2, 3 for the 1, 2, 4 or 8 bytes that the number takes.
unsigned WidthIndex(std::uint64_t value) {
  if (value <= UINT8_MAX) return 0;
  if (value <= UINT16_MAX) return 1;
  return value <= UINT32_MAX ? 2 : 3;
}

void AppendBigEndian(Bytes& to, std::uint64_t value, unsigned width_index) {
  for (unsigned left = 8u << width_index; left > 0; left -= 8) {
    to.push_back(static_cast<std::uint8_t>(value >> (left - 8)));
  }
}

void AppendLiteral(Bytes& to, ByteView bytes) {
  if (bytes.empty()) return;
  if (bytes.size() <= kImmediateLiteralMax) {
    to.push_back(static_cast<std::uint8_t>(bytes.size()));
  } else {
    const unsigned width = WidthIndex(bytes.size());
    to.push_back(static_cast<std::uint8_t>(kRsyncLiteral1 + width));
    AppendBigEndian(to, bytes.size(), width);
  }
  Append(to, bytes);
}

void AppendCopy(Bytes& to, std::uint64_t base_offset, std::uint64_t length) {
  const unsigned offset_width = WidthIndex(base_offset);
  const unsigned length_width = WidthIndex(length);
  to.push_back(static_cast<std::uint8_t>(kRsyncCopy11 + 4 * offset_width + length_width));
  AppendBigEndian(to, base_offset, offset_width);
  AppendBigEndian(to, length, length_width);
}

}  // namespace

ExtentList CutExtents(const ExtentList& extents, std::uint64_t begin, std::uint64_t end) {
  const auto starts_after = [](std::uint64_t at, const Extent& extent) {
    return at < extent.out_offset;
  };
  auto next = std::upper_bound(extents.begin(), extents.end(), begin, starts_after);
  if (next != extents.begin()) --next;  // the extent that holds `begin`
  ExtentList cut;
  for (; next != extents.end() && next->out_offset < end; ++next) {
    const std::uint64_t from = std::max(begin, next->out_offset);
    const std::uint64_t to = std::min(end, next->out_offset + next->length);
    Extent part{from, to - from, next->base_offset};
    if (part.base_offset) *part.base_offset += from - next->out_offset;
    cut.push_back(part);
  }
  return cut;
}

Bytes BuildRsyncDelta(const ExtentList& extents, ByteView artifact) {
  Bytes delta;
  AppendBigEndian(delta, kRsyncDeltaMagic, WidthIndex(kRsyncDeltaMagic));
  // Literals are held back and joined until a copy or the end follows.
  std::uint64_t literal_begin = extents.empty() ? 0 : extents.front().out_offset;
  std::uint64_t literal_end = literal_begin;
  const auto flush_literal = [&] {
    AppendLiteral(delta, artifact.subspan(literal_begin, literal_end - literal_begin));
  };
  for (const Extent& extent : extents) {
    const std::uint64_t end = extent.out_offset + extent.length;
    if (extent.base_offset && extent.length >= kCopyLengthMin) {
      flush_literal();
      AppendCopy(delta, *extent.base_offset, extent.length);
      literal_begin = end;
    }
    literal_end = end;
  }
  flush_literal();
  delta.push_back(kRsyncEnd);
  return delta;
}

}  // namespace sluice
