#include "rollout_engine/payload/base_signature.h"

#include <cstdio>
// librsync.h needs the C headers before it.
#include <librsync.h>

#include "common/base/check.h"
#include "common/crypto/digest.h"
#include "common/payload/librsync_trace.h"
#include "common/payload/rsync_commands.h"

namespace sluice {
namespace {

// Signatures never travel, so the shortest useful block costs memory only. The strong sum is given
// in full: librsync's own minimum lets one delta in 2^32 be wrong.
constexpr std::size_t kMatchBlockLength = 256;
constexpr std::size_t kStrongSumLength = 32;
// librsync moves its internal input buffer, so input goes in pieces.
constexpr std::size_t kPieceLength = 65'536;

struct FreeJob {
  void operator()(rs_job_t* job) const { rs_job_free(job); }
};
using Job = std::unique_ptr<rs_job_t, FreeJob>;

struct FreeSignature {
  void operator()(rs_signature_t* signature) const { rs_free_sumset(signature); }
};
using Signature = std::unique_ptr<rs_signature_t, FreeSignature>;

tl::unexpected<Error> Failed(const char* step, rs_result result) {
  return Fail(ErrorCode::kInternal, std::string("librsync ") + step + ": " + rs_strerror(result));
}

// Runs `job` over all of `input` and returns what it puts out.
Result<Bytes> RunJob(const char* step, const Job& job, ByteView input) {
  if (job == nullptr) return Failed(step, RS_MEM_ERROR);
  Bytes output;
  std::array<char, kPieceLength> piece;
  rs_buffers_t buffers{};
  std::size_t fed = 0;
  rs_result result = RS_BLOCKED;
  while (result == RS_BLOCKED) {
    if (buffers.avail_in == 0) {
      const ByteView next = input.subspan(fed, std::min(kPieceLength, input.size() - fed));
      // librsync takes its input as char* and does not write to it.
      buffers.next_in = const_cast<char*>(reinterpret_cast<const char*>(next.data()));
      buffers.avail_in = next.size();
      fed += next.size();
      buffers.eof_in = fed == input.size() ? 1 : 0;
    }
    const std::size_t left_before = buffers.avail_in;
    buffers.next_out = piece.data();
    buffers.avail_out = piece.size();
    result = rs_job_iter(job.get(), &buffers);
    const std::string_view written(piece.data(), piece.size() - buffers.avail_out);
    Append(output, AsBytes(written));
    const bool is_stuck = written.empty() && buffers.avail_in == left_before && buffers.eof_in != 0;
    if (result == RS_BLOCKED && is_stuck) return Failed(step, RS_INPUT_ENDED);
  }
  if (result != RS_DONE) return Failed(step, result);
  return output;
}

Result<Signature> LoadSignature(ByteView bytes) {
  rs_signature_t* raw = nullptr;
  const Job job(rs_loadsig_begin(&raw));
  const auto loaded = RunJob("loadsig", job, bytes);
  Signature signature(raw);
  if (!loaded) return Fail(loaded.error());
  const rs_result indexed = rs_build_hash_table(signature.get());
  if (indexed != RS_DONE) return Failed("index", indexed);
  return signature;
}

// librsync cuts long runs at the ends of its buffers; joined again they cost one command instead of
// many.
void AppendExtent(ExtentList& extents, const Extent& extent) {
  if (!extents.empty()) {
    Extent& last = extents.back();
    const bool are_literals = !last.base_offset && !extent.base_offset;
    const bool are_one_copy = last.base_offset && extent.base_offset &&
                              *last.base_offset + last.length == *extent.base_offset;
    if (are_literals || are_one_copy) {
      last.length += extent.length;
      return;
    }
  }
  extents.push_back(extent);
}

}  // namespace

struct BaseSignature::Impl {
  ByteView base;
  Digest base_sha256;
  Signature signature;
};

BaseSignature::BaseSignature(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
BaseSignature::BaseSignature(BaseSignature&&) noexcept = default;
BaseSignature& BaseSignature::operator=(BaseSignature&&) noexcept = default;
BaseSignature::~BaseSignature() = default;

ByteView BaseSignature::base() const { return impl_->base; }
const Digest& BaseSignature::base_sha256() const { return impl_->base_sha256; }

Result<BaseSignature> BaseSignature::Compute(ByteView base) {
  SLUICE_CHECK(!base.empty());
  SilenceLibrsync();
  const Job job(rs_sig_begin(kMatchBlockLength, kStrongSumLength, RS_RK_BLAKE2_SIG_MAGIC));
  SLUICE_ASSIGN(const Bytes bytes, RunJob("signature", job, base));
  SLUICE_ASSIGN(Signature signature, LoadSignature(bytes));
  return BaseSignature(std::make_unique<Impl>(Impl{base, Sha256(base), std::move(signature)}));
}

Result<ExtentList> BaseSignature::Match(ByteView artifact) const {
  const Job job(rs_delta_begin(impl_->signature.get()));
  SLUICE_ASSIGN(const Bytes delta, RunJob("delta", job, artifact));
  const MemorySource source(delta);
  SLUICE_ASSIGN(RsyncCommandReader reader, RsyncCommandReader::Open(source));
  ExtentList extents;
  std::uint64_t out_offset = 0;
  for (;;) {
    SLUICE_ASSIGN(const RsyncCommand command, reader.Next());
    if (command.kind == RsyncCommand::Kind::kEnd) break;
    Extent extent{out_offset, command.length, std::nullopt};
    if (command.kind == RsyncCommand::Kind::kCopy) extent.base_offset = command.base_offset;
    AppendExtent(extents, extent);
    out_offset += command.length;
  }
  if (out_offset != artifact.size()) {
    return Fail(ErrorCode::kInternal, "librsync's delta does not cover the artifact");
  }
  return extents;
}

}  // namespace sluice
