#include "rollout_engine/payload/block_encoder.h"

#include <zstd.h>

#include <optional>

#include "common/base/check.h"
#include "common/payload/zlit_codec.h"
#include "rollout_engine/payload/rsync_delta.h"

namespace sluice {
namespace {

constexpr int kZstdLevel = 19;
// Base bytes around a block beyond this were no smaller on any trained pair, only slower.
constexpr std::uint64_t kBasePrefixMax = 131'072;
// Where librsync's commands are this short already, no zstd frame is worth the search.
constexpr std::size_t kShortEnough = 64;

struct FreeCompressor {
  void operator()(ZSTD_CCtx* compressor) const { ZSTD_freeCCtx(compressor); }
};

// `length` bytes of `size` with `centre` near their middle.
ZlitPrefix PrefixAround(ZlitPrefixKind kind, std::uint64_t centre, std::uint64_t length,
                        std::uint64_t size) {
  length = std::min(length, size);
  if (length == 0) return {};
  const std::uint64_t begin = centre > length / 2 ? centre - length / 2 : 0;
  return {kind, std::min(begin, size - length), length};
}

// The longest copy in `extents`, or nothing.
const Extent* LongestCopy(const ExtentList& extents) {
  const Extent* longest = nullptr;
  for (const Extent& extent : extents) {
    if (!extent.base_offset) continue;
    if (longest == nullptr || extent.length > longest->length) longest = &extent;
  }
  return longest;
}

// Keeps the smallest block; the candidates come in rising order of decoding cost, so that ties go
// to the cheaper.
class Smallest {
 public:
  explicit Smallest(std::size_t size_max) : size_max_(size_max) {}
  void Offer(Codec codec, Bytes bytes) {
    if (bytes.size() > size_max_ || (best_ && bytes.size() >= best_->bytes.size())) return;
    best_ = EncodedBlock{codec, std::move(bytes)};
  }
  [[nodiscard]] bool IsShort() const { return best_ && best_->bytes.size() <= kShortEnough; }
  EncodedBlock Take() {
    SLUICE_CHECK(best_.has_value());
    return *std::move(best_);
  }

 private:
  std::size_t size_max_;
  std::optional<EncodedBlock> best_;
};

}  // namespace

struct BlockEncoder::Impl {
  BlockEncoderInput input;
  std::unique_ptr<ZSTD_CCtx, FreeCompressor> compressor{ZSTD_createCCtx()};

  [[nodiscard]] bool Allows(Codec codec) const { return (input.codec_mask & CodecBit(codec)) != 0; }
  /// Appends one frame of `content` to `to`.
  Status Compress(ByteView prefix, ByteView content, Bytes& to);
  Status OfferZlit(const ZlitPrefix& prefix, ByteView content, Smallest& smallest);
  [[nodiscard]] std::vector<ZlitPrefix> Prefixes(const ExtentList& extents, std::uint64_t offset,
                                                 std::uint32_t length) const;
};

BlockEncoder::BlockEncoder(BlockEncoderInput input) : impl_(std::make_unique<Impl>()) {
  constexpr std::uint32_t kAlwaysFit = CodecBit(Codec::kRaw) | CodecBit(Codec::kRsync);
  SLUICE_CHECK((input.codec_mask & kAlwaysFit) != 0);
  impl_->input = std::move(input);
}
BlockEncoder::~BlockEncoder() = default;

Status BlockEncoder::Impl::Compress(ByteView prefix, ByteView content, Bytes& to) {
  if (compressor == nullptr) return Fail(ErrorCode::kInternal, "no memory for the zstd encoder");
  const std::size_t head = to.size();
  to.resize(head + ZSTD_compressBound(content.size()));
  // A prefix serves one frame only, so it is named anew for each.
  std::size_t result =
      ZSTD_CCtx_setParameter(compressor.get(), ZSTD_c_compressionLevel, kZstdLevel);
  if (ZSTD_isError(result) == 0) {
    result = ZSTD_CCtx_refPrefix(compressor.get(), prefix.data(), prefix.size());
  }
  if (ZSTD_isError(result) == 0) {
    result = ZSTD_compress2(compressor.get(), to.data() + head, to.size() - head, content.data(),
                            content.size());
  }
  if (ZSTD_isError(result) != 0) {
    return Fail(ErrorCode::kInternal, std::string("zstd: ") + ZSTD_getErrorName(result));
  }
  to.resize(head + result);
  return {};
}

Status BlockEncoder::Impl::OfferZlit(const ZlitPrefix& prefix, ByteView content,
                                     Smallest& smallest) {
  const ByteView source = prefix.kind == ZlitPrefixKind::kBase ? input.base : input.artifact;
  Bytes bytes;
  AppendZlitPrefix(bytes, prefix);
  SLUICE_TRY(Compress(source.subspan(prefix.offset, prefix.length), content, bytes));
  smallest.Offer(Codec::kZlit, std::move(bytes));
  return {};
}

// No prefix, the latest output, and where the block's old version may lie: at its own offset, or
// beside the bytes that its longest copy comes from.
std::vector<ZlitPrefix> BlockEncoder::Impl::Prefixes(const ExtentList& extents,
                                                     std::uint64_t offset,
                                                     std::uint32_t length) const {
  const std::uint64_t prefix_max = ZlitPrefixMax(input.memory_class);
  const std::uint64_t base_prefix = std::min(prefix_max, kBasePrefixMax);
  const std::uint64_t centre = offset + length / 2;
  std::vector<ZlitPrefix> prefixes = {{}};
  const auto add = [&prefixes](const ZlitPrefix& prefix) {
    if (prefix.length > 0 && prefix != prefixes.back()) prefixes.push_back(prefix);
  };
  add(PrefixAround(ZlitPrefixKind::kOutput, offset, prefix_max, offset));
  add(PrefixAround(ZlitPrefixKind::kBase, centre, base_prefix, input.base.size()));
  if (const Extent* const copy = LongestCopy(extents)) {
    const std::uint64_t moved = *copy->base_offset + centre;
    const std::uint64_t base_centre = moved > copy->out_offset ? moved - copy->out_offset : 0;
    add(PrefixAround(ZlitPrefixKind::kBase, base_centre, base_prefix, input.base.size()));
  }
  return prefixes;
}

Result<EncodedBlock> BlockEncoder::Encode(std::uint64_t offset, std::uint32_t length) {
  const ByteView content = impl_->input.artifact.subspan(offset, length);
  const ExtentList extents = CutExtents(impl_->input.extents, offset, offset + length);
  const Bytes delta = BuildRsyncDelta(extents, impl_->input.artifact);
  Smallest smallest(length + kBlockOverheadMax);
  if (impl_->Allows(Codec::kRaw)) {
    smallest.Offer(Codec::kRaw, Bytes(content.begin(), content.end()));
  }
  if (impl_->Allows(Codec::kRsync)) smallest.Offer(Codec::kRsync, delta);
  if (smallest.IsShort()) return smallest.Take();
  if (impl_->Allows(Codec::kZlit)) {
    for (const ZlitPrefix& prefix : impl_->Prefixes(extents, offset, length)) {
      SLUICE_TRY(impl_->OfferZlit(prefix, content, smallest));
    }
  }
  // A delta without copies is the literals again, and ZLIT has done these.
  if (impl_->Allows(Codec::kRsyncZstd) && delta.size() < content.size()) {
    Bytes bytes;
    SLUICE_TRY(impl_->Compress({}, delta, bytes));
    smallest.Offer(Codec::kRsyncZstd, std::move(bytes));
  }
  return smallest.Take();
}

}  // namespace sluice
