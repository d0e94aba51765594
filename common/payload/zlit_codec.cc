#include "common/payload/zlit_codec.h"

#include "common/payload/codecs.h"
#include "common/payload/varint.h"
#include "common/payload/zstd_frame.h"

namespace sluice {

void AppendZlitPrefix(Bytes& to, const ZlitPrefix& prefix) {
  to.push_back(static_cast<std::uint8_t>(prefix.kind));
  AppendUvarint(to, prefix.offset);
  AppendUvarint(to, prefix.length);
}

Result<ZlitPrefix> TakeZlitPrefix(ByteView& from) {
  if (from.empty())
    return Fail(ErrorCode::kDeltaCorrupt, "an empty zlit block; encode the payload again");
  const std::uint8_t kind = from.front();
  if (kind > static_cast<std::uint8_t>(ZlitPrefixKind::kOutput)) {
    return Fail(ErrorCode::kDeltaCorrupt, "zlit prefix kind " + std::to_string(kind) +
                                              " is unknown; encode the payload again");
  }
  from = from.subspan(1);
  ZlitPrefix prefix;
  prefix.kind = static_cast<ZlitPrefixKind>(kind);
  SLUICE_ASSIGN(prefix.offset, TakeUvarint(from));
  SLUICE_ASSIGN(prefix.length, TakeUvarint(from));
  const bool is_none = prefix.kind == ZlitPrefixKind::kNone;
  if (is_none ? (prefix.offset | prefix.length) != 0 : prefix.length == 0) {
    return Fail(ErrorCode::kDeltaCorrupt,
                "a zlit prefix has a kind and a length, or neither; encode it again");
  }
  return prefix;
}

Status DecodeZlit(ByteView encoded, std::uint32_t prefix_max, const ByteSource& base,
                  const ByteSource& output, std::span<std::uint8_t> out) {
  ByteView frame = encoded;
  SLUICE_ASSIGN(const ZlitPrefix prefix, TakeZlitPrefix(frame));
  const ByteSource& source = prefix.kind == ZlitPrefixKind::kOutput ? output : base;
  if (prefix.length > prefix_max || prefix.length > source.size() ||
      prefix.offset > source.size() - prefix.length) {
    return Fail(ErrorCode::kDeltaCorrupt,
                "zlit prefix of " + std::to_string(prefix.length) + " bytes at " +
                    std::to_string(prefix.offset) + " of " + std::to_string(source.size()) +
                    " is out of range or over the class's limit; encode it again");
  }
  Bytes prefix_bytes(static_cast<std::size_t>(prefix.length));
  if (!prefix_bytes.empty()) SLUICE_TRY(source.ReadAt(prefix.offset, prefix_bytes));
  return DecodeZstdFrame(frame, prefix_bytes, out);
}

}  // namespace sluice
