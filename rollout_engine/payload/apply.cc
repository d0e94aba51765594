#include "rollout_engine/payload/apply.h"

#include "common/crypto/digest.h"

namespace sluice {
namespace {

Status CheckBase(const PayloadHead& head, std::optional<ByteView> base) {
  if (head.kind == PayloadKind::kFull) return {};
  if (!base)
    return Fail(ErrorCode::kDeltaBase, "the payload is a delta; give the base it starts from");
  if (base->size() != head.base_size || Sha256(*base) != head.base_sha256) {
    return Fail(ErrorCode::kDeltaBase, "the base is not the artifact " + head.base_sha256.Short() +
                                           " that the delta starts from");
  }
  return {};
}

}  // namespace

Result<Bytes> ApplyPayload(std::optional<ByteView> base, ByteView payload, MemoryClass memory_class,
                           std::uint32_t codec_mask) {
  SLUICE_ASSIGN(const std::size_t head_size, HeadSizeOf(payload));
  SLUICE_ASSIGN(const PayloadHead head,
                ParseHead(payload.first(std::min(head_size, payload.size()))));
  SLUICE_TRY(CheckPayloadSize(head, payload.size()));
  SLUICE_TRY(CheckDecodable(head, memory_class, codec_mask));
  SLUICE_TRY(CheckBase(head, base));

  const MemorySource base_source(head.kind == PayloadKind::kDelta ? *base : ByteView{});
  Bytes artifact(head.out_size);
  std::uint64_t in_offset = head_size;
  std::uint64_t out_offset = 0;
  for (std::size_t i = 0; i < head.rows.size(); ++i) {
    const BlockRow& row = head.rows[i];
    const ByteView encoded = payload.subspan(in_offset, row.in_len);
    if (Sha256(encoded) != row.in_sha256) {
      return Fail(ErrorCode::kBlockHash,
                  "block " + std::to_string(i) + " differs from its digest; fetch it again");
    }
    const std::span<std::uint8_t> out(artifact.data() + out_offset, head.OutLength(i));
    const MemorySource output(ByteView(artifact).first(out_offset));
    const Status decoded =
        DecodeBlock(row.codec, memory_class, codec_mask, encoded, base_source, output, out);
    if (!decoded) return Fail(decoded.error().With("block " + std::to_string(i)));
    in_offset += row.in_len;
    out_offset += out.size();
  }
  if (Sha256(artifact) != head.out_sha256) {
    return Fail(ErrorCode::kArtifactHash, "the blocks do not build artifact " +
                                              head.out_sha256.Short() +
                                              "; encode the payload again");
  }
  return artifact;
}

}  // namespace sluice
