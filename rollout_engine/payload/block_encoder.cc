#include "rollout_engine/payload/block_encoder.h"

#include <zstd.h>

#include <optional>

#include "common/base/check.h"
#include "common/payload/zlit_codec.h"
#include "rollout_engine/payload/rsync_delta.h"

namespace sluice {
namespace {

constexpr int kZstdLevel = 19;
// Level 19 takes 20 to 100 ms for a block, twenty times as long as ELEM: fast levels tell first
// whether it may win. What it gains over level 3 is about the fourth power of what that gains over
// level 1; the margin covers the blocks of the corpus where it gained more.
constexpr int kProbeLevel = 1;
constexpr int kSecondProbeLevel = 3;
constexpr double kProbeMargin = 0.95;
// A first look at four pieces of the block, each after the base bytes at its own place.
constexpr std::size_t kSampleCount = 4;
constexpr std::size_t kSampleLength = 4'096;
constexpr double kPieceMargin = 0.8;
// Base bytes around a block beyond this were no smaller on any trained pair, only slower.
constexpr std::uint64_t kBasePrefixMax = 131'072;
// Where librsync's commands are this short already, nothing is worth the search.
constexpr std::size_t kShortEnough = 64;
// Copies that ELEM keeps where differences would find the same: each way is the shorter one for
// some block.
constexpr std::array<std::uint64_t, 2> kKeptCopyMins = {512, 16'384};

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
  /// Bytes that the next block may have to be kept.
  [[nodiscard]] std::size_t LengthMax() const {
    return best_ ? best_->bytes.size() - 1 : size_max_;
  }
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
  explicit Impl(const BlockEncoderInput& all) : input(all), elem(all.base, all.artifact) {}

  BlockEncoderInput input;
  ElemEncoder elem;
  std::unique_ptr<ZSTD_CCtx, FreeCompressor> compressor{ZSTD_createCCtx()};
  Bytes probe;  // what FrameLength writes and nobody reads

  [[nodiscard]] bool Allows(Codec codec) const { return (input.codec_mask & CodecBit(codec)) != 0; }
  /// Appends one frame of `content` to `to`.
  Status Compress(int level, ByteView prefix, ByteView content, Bytes& to);
  /// Bytes that Compress would append.
  Result<std::size_t> FrameLength(int level, ByteView prefix, ByteView content);
  /// Whether a look at parts of the block, or at all of it with fast levels, leaves a chance that
  /// level 19 makes less than `length` bytes of it.
  Result<bool> MayBeat(std::size_t length, std::uint64_t offset, ByteView content);
  Result<bool> MayBeatWith(ByteView prefix, std::size_t length, ByteView content);
  void OfferElem(Codec codec, std::uint64_t offset, ByteView content, Smallest& smallest);
  Status OfferZstd(const ExtentList& extents, ByteView delta, std::uint64_t offset,
                   ByteView content, Smallest& smallest);
  Status OfferZlit(const ZlitPrefix& prefix, ByteView content, Smallest& smallest);
  [[nodiscard]] std::vector<ZlitPrefix> Prefixes(const ExtentList& extents, std::uint64_t offset,
                                                 std::uint32_t length) const;
};

BlockEncoder::BlockEncoder(const BlockEncoderInput& input) : impl_(std::make_unique<Impl>(input)) {
  constexpr std::uint32_t kAlwaysFit = CodecBit(Codec::kRaw) | CodecBit(Codec::kRsync);
  SLUICE_CHECK((input.codec_mask & kAlwaysFit) != 0);
}
BlockEncoder::~BlockEncoder() = default;

Status BlockEncoder::Impl::Compress(int level, ByteView prefix, ByteView content, Bytes& to) {
  if (compressor == nullptr) return Fail(ErrorCode::kInternal, "no memory for the zstd encoder");
  const std::size_t head = to.size();
  to.resize(head + ZSTD_compressBound(content.size()));
  // A prefix serves one frame only, so it is named anew for each.
  std::size_t result = ZSTD_CCtx_setParameter(compressor.get(), ZSTD_c_compressionLevel, level);
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

Result<std::size_t> BlockEncoder::Impl::FrameLength(int level, ByteView prefix, ByteView content) {
  probe.clear();
  SLUICE_TRY(Compress(level, prefix, content, probe));
  return probe.size();
}

Result<bool> BlockEncoder::Impl::MayBeat(std::size_t length, std::uint64_t offset,
                                         ByteView content) {
  if (content.size() <= kSampleCount * kSampleLength) return true;
  std::size_t sum = 0;
  for (std::size_t i = 0; i < kSampleCount; ++i) {
    const std::size_t at = (content.size() - kSampleLength) / (kSampleCount - 1) * i;
    const ZlitPrefix prefix = PrefixAround(ZlitPrefixKind::kBase, offset + at + kSampleLength / 2,
                                           2 * kSampleLength, input.base.size());
    SLUICE_ASSIGN(const std::size_t frame_length,
                  FrameLength(kProbeLevel, input.base.subspan(prefix.offset, prefix.length),
                              content.subspan(at, kSampleLength)));
    sum += frame_length;
  }
  const double share = static_cast<double>(sum) / (kSampleCount * kSampleLength);
  return kPieceMargin * share * static_cast<double>(content.size()) < static_cast<double>(length);
}

Result<bool> BlockEncoder::Impl::MayBeatWith(ByteView prefix, std::size_t length,
                                             ByteView content) {
  SLUICE_ASSIGN(const std::size_t first, FrameLength(kProbeLevel, prefix, content));
  if (first > content.size()) return false;
  SLUICE_ASSIGN(const std::size_t second, FrameLength(kSecondProbeLevel, prefix, content));
  const double gain = std::min(1.0, static_cast<double>(second) / static_cast<double>(first));
  const double expected = static_cast<double>(std::min(first, second)) * gain * gain * gain * gain;
  return kProbeMargin * expected < static_cast<double>(length);
}

void BlockEncoder::Impl::OfferElem(Codec codec, std::uint64_t offset, ByteView content,
                                   Smallest& smallest) {
  ElemOpList tried;
  // Rows are costly to fit, and where they help hardly anything is copied.
  std::span<const std::uint64_t> kept_copy_mins = kKeptCopyMins;
  if (codec == Codec::kLowrank) kept_copy_mins = kept_copy_mins.last(1);
  for (const std::uint64_t kept_copy_min : kept_copy_mins) {
    ElemOpList ops = input.plan.Ops(offset, offset + content.size(), kept_copy_min, codec);
    if (ops == tried) break;
    auto bytes = elem.Encode(ops, content, offset, smallest.LengthMax());
    if (bytes) smallest.Offer(codec, *std::move(bytes));
    tried = std::move(ops);
  }
}

Status BlockEncoder::Impl::OfferZlit(const ZlitPrefix& prefix, ByteView content,
                                     Smallest& smallest) {
  const ByteView source = prefix.kind == ZlitPrefixKind::kBase ? input.base : input.artifact;
  Bytes bytes;
  AppendZlitPrefix(bytes, prefix);
  const ByteView prefix_bytes = source.subspan(prefix.offset, prefix.length);
  SLUICE_ASSIGN(const bool is_promising,
                MayBeatWith(prefix_bytes, smallest.LengthMax() + 1, content));
  if (!is_promising) return {};
  SLUICE_TRY(Compress(kZstdLevel, prefix_bytes, content, bytes));
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

Status BlockEncoder::Impl::OfferZstd(const ExtentList& extents, ByteView delta,
                                     std::uint64_t offset, ByteView content, Smallest& smallest) {
  if (!Allows(Codec::kZlit) && !Allows(Codec::kRsyncZstd)) return {};
  SLUICE_ASSIGN(const bool is_promising, MayBeat(smallest.LengthMax() + 1, offset, content));
  if (!is_promising) return {};
  if (Allows(Codec::kZlit)) {
    const auto length = static_cast<std::uint32_t>(content.size());
    for (const ZlitPrefix& prefix : Prefixes(extents, offset, length)) {
      SLUICE_TRY(OfferZlit(prefix, content, smallest));
    }
  }
  // A delta without copies is the literals again, and ZLIT has done these.
  if (Allows(Codec::kRsyncZstd) && delta.size() < content.size()) {
    SLUICE_ASSIGN(const bool may_win, MayBeatWith({}, smallest.LengthMax() + 1, delta));
    if (!may_win) return {};
    Bytes bytes;
    SLUICE_TRY(Compress(kZstdLevel, {}, delta, bytes));
    smallest.Offer(Codec::kRsyncZstd, std::move(bytes));
  }
  return {};
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
  if (impl_->Allows(Codec::kElem)) {
    impl_->OfferElem(Codec::kElem, offset, content, smallest);
  }
  if (impl_->Allows(Codec::kQdelta) && impl_->input.plan.HasSteps(offset, offset + length)) {
    impl_->OfferElem(Codec::kQdelta, offset, content, smallest);
  }
  if (impl_->Allows(Codec::kLowrank) && impl_->input.plan.HasRows(offset, offset + length)) {
    impl_->OfferElem(Codec::kLowrank, offset, content, smallest);
  }
  SLUICE_TRY(impl_->OfferZstd(extents, delta, offset, content, smallest));
  return smallest.Take();
}

}  // namespace sluice
