#include <cstdint>
#include <cstdio>
#include <memory>
// librsync.h needs the C headers above before it.
#include <librsync.h>

#include "common/payload/codecs.h"
#include "common/payload/librsync_trace.h"
#include "common/payload/rsync_commands.h"
#include "common/payload/zstd_frame.h"

namespace sluice {
namespace {

struct FreeJob {
  void operator()(rs_job_t* job) const { rs_job_free(job); }
};
using Job = std::unique_ptr<rs_job_t, FreeJob>;

// librsync bounds neither its output nor its commands nor its copies, so all three are checked
// before it runs.
Status CheckCommands(const ByteSource& delta, std::uint64_t base_size, std::uint64_t out_size) {
  SLUICE_ASSIGN(RsyncCommandReader reader, RsyncCommandReader::Open(delta));
  std::uint64_t out_left = out_size;
  for (std::uint32_t commands = 0;; ++commands) {
    SLUICE_ASSIGN(const RsyncCommand command, reader.Next());
    if (command.kind == RsyncCommand::Kind::kEnd) break;
    if (commands == kRsyncCommandsMax) {
      return Fail(ErrorCode::kDeltaOps,
                  "librsync delta: more than " + std::to_string(kRsyncCommandsMax) +
                      " commands in a block; do not trust who made this payload");
    }
    if (command.kind == RsyncCommand::Kind::kCopy &&
        (command.base_offset > base_size || command.length > base_size - command.base_offset)) {
      return Fail(ErrorCode::kDeltaCorrupt, "librsync delta: copy of " +
                                                std::to_string(command.length) + " bytes at " +
                                                std::to_string(command.base_offset) +
                                                " ends outside the base; encode the payload again");
    }
    if (command.length > out_left) {
      return Fail(
          ErrorCode::kDeltaBomb,
          "librsync delta: more output than the block holds; do not trust who made this payload");
    }
    out_left -= command.length;
  }
  if (out_left != 0) {
    return Fail(ErrorCode::kDeltaCorrupt, "librsync delta: output ends " +
                                              std::to_string(out_left) +
                                              " bytes early; encode the payload again");
  }
  return {};
}

// What librsync's copy callback reads from, and how the last read went.
struct Basis {
  const ByteSource& base;
  Status status;
};

// Synchronous by contract: librsync 2.3.2 cannot resume a copy that returned RS_BLOCKED.
rs_result CopyFromBase(void* opaque, rs_long_t position, std::size_t* length, void** buffer) {
  auto& basis = *static_cast<Basis*>(opaque);
  basis.status = basis.base.ReadAt(static_cast<std::uint64_t>(position),
                                   {static_cast<std::uint8_t*>(*buffer), *length});
  return basis.status ? RS_DONE : RS_IO_ERROR;
}

Result<Job> BeginPatch(Basis& basis) {
  SilenceLibrsync();
  Job job(rs_patch_begin(&CopyFromBase, &basis));
  if (job == nullptr)
    return Fail(ErrorCode::kInternal, "no memory for the librsync job; free some and retry");
  return job;
}

void SetInput(rs_buffers_t& buffers, ByteView bytes, bool is_last) {
  // librsync takes its input as char* and does not write to it.
  buffers.next_in = const_cast<char*>(reinterpret_cast<const char*>(bytes.data()));
  buffers.avail_in = bytes.size();
  buffers.eof_in = is_last ? 1 : 0;
}

void SetOutput(rs_buffers_t& buffers, std::span<std::uint8_t> room) {
  buffers.next_out = reinterpret_cast<char*>(room.data());
  buffers.avail_out = room.size();
}

tl::unexpected<Error> NotPatched(rs_result result) {
  return Fail(ErrorCode::kDeltaCorrupt,
              std::string("librsync: ") + rs_strerror(result) + "; encode the payload again");
}

}  // namespace

Status DecodeRsync(ByteView encoded, const ByteSource& base, std::span<std::uint8_t> out) {
  SLUICE_TRY(CheckCommands(MemorySource(encoded), base.size(), out.size()));
  Basis basis{base, {}};
  SLUICE_ASSIGN(const Job job, BeginPatch(basis));
  rs_buffers_t buffers{};
  SetInput(buffers, encoded, true);
  SetOutput(buffers, out);
  const rs_result result = rs_job_iter(job.get(), &buffers);
  SLUICE_TRY(basis.status);
  if (result != RS_DONE || buffers.avail_in != 0 || buffers.avail_out != 0) {
    return NotPatched(result);
  }
  return {};
}

Status StreamRsync(const ByteSource& encoded, const ByteSource& base, std::uint32_t out_length,
                   BlockSink& sink) {
  SLUICE_TRY(CheckCommands(encoded, base.size(), out_length));
  Basis basis{base, {}};
  SLUICE_ASSIGN(const Job job, BeginPatch(basis));
  Bytes in(kPieceLengthMax);
  Bytes out(kPieceLengthMax);
  rs_buffers_t buffers{};
  std::uint64_t position = 0;
  // Commands are checked: each turn takes input or gives output, and both end.
  for (rs_result result = RS_BLOCKED; result != RS_DONE;) {
    if (buffers.avail_in == 0) {
      in.resize(std::min<std::uint64_t>(kPieceLengthMax, encoded.size() - position));
      SLUICE_TRY(encoded.ReadAt(position, in));
      position += in.size();
      SetInput(buffers, in, position == encoded.size());
    }
    const std::size_t left_before = buffers.avail_in;
    SetOutput(buffers, out);
    result = rs_job_iter(job.get(), &buffers);
    SLUICE_TRY(basis.status);
    const std::size_t written = out.size() - buffers.avail_out;
    const bool is_stuck = written == 0 && buffers.avail_in == left_before && buffers.eof_in != 0;
    if (result != RS_DONE && (result != RS_BLOCKED || is_stuck)) return NotPatched(result);
    if (written > 0) SLUICE_TRY(sink.Write(ByteView(out).first(written)));
  }
  return {};
}

Status DecodeRsyncZstd(ByteView encoded, const ByteSource& base, std::span<std::uint8_t> out) {
  SLUICE_ASSIGN(const std::uint64_t delta_length, ZstdContentLength(encoded));
  if (delta_length > out.size() + kBlockOverheadMax) {
    return Fail(ErrorCode::kDeltaBomb,
                "librsync delta of " + std::to_string(delta_length) +
                    " bytes in a zstd frame is longer than its block; do not trust who made it");
  }
  Bytes delta(static_cast<std::size_t>(delta_length));
  SLUICE_TRY(DecodeZstdFrame(encoded, {}, delta));
  return DecodeRsync(delta, base, out);
}

}  // namespace sluice
