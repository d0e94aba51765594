#include "rollout_engine/cli/delta_apply.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <utility>

#include "common/crypto/digest.h"
#include "common/payload/block_decoder.h"
#include "rollout_engine/registry/file_io.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kJournalRowSize = 8;  // a prefix of the SHA-256 of one block's output

/// A file whose size is fixed while it is read, or grows as blocks are added.
class FileSource final : public ByteSource {
 public:
  FileSource(int fd, std::uint64_t size, std::string path)
      : fd_(fd), size_(size), path_(std::move(path)) {}
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  Status ReadAt(std::uint64_t offset, std::span<std::uint8_t> out) const override {
    return ReadExactly(fd_, offset, out, path_);
  }
  void Grow(std::uint64_t bytes) { size_ += bytes; }

 private:
  int fd_;
  std::uint64_t size_;
  std::string path_;
};

struct OpenFile {
  FileDescriptor fd;
  std::uint64_t size = 0;
};

Result<OpenFile> OpenToRead(const std::string& path) {
  OpenFile file{FileDescriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC))};
  if (!file.fd.valid() && errno == ENOENT)
    return Fail(ErrorCode::kNotFound, path + ": no such file");
  struct stat status {};
  if (!file.fd.valid() || ::fstat(file.fd.get(), &status) != 0) return Fail(FileError(path, errno));
  if (!S_ISREG(status.st_mode)) return Fail(ErrorCode::kIo, path + ": not a regular file");
  file.size = static_cast<std::uint64_t>(status.st_size);
  return file;
}

Result<OpenFile> OpenToWork(const std::string& path) {
  OpenFile file{FileDescriptor(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644))};
  struct stat status {};
  if (!file.fd.valid() || ::fstat(file.fd.get(), &status) != 0) return Fail(FileError(path, errno));
  file.size = static_cast<std::uint64_t>(status.st_size);
  return file;
}

Status Truncate(int fd, std::uint64_t size, const std::string& path) {
  if (::ftruncate(fd, static_cast<off_t>(size)) != 0) return Fail(FileError(path, errno));
  return {};
}

Status WriteAt(int fd, std::uint64_t offset, ByteView bytes, const std::string& path) {
  if (::lseek(fd, static_cast<off_t>(offset), SEEK_SET) < 0) return Fail(FileError(path, errno));
  return WriteAll(fd, bytes, path);
}

Bytes JournalRow(ByteView block) {
  Bytes row;
  AppendLe(row, Sha256(block).Prefix64());
  return row;
}

/// One run over one payload.
class FileApply {
 public:
  FileApply(const ApplyPaths& paths, std::optional<Digest> head_digest)
      : paths_(paths),
        expected_head_(head_digest),
        part_path_(paths.out + ".part"),
        journal_path_(paths.out + ".journal") {}

  Result<AppliedPayload> Run() {
    SLUICE_TRY(ReadHead());
    SLUICE_TRY(OpenBase());
    SLUICE_TRY(OpenWork());
    SLUICE_TRY(Resume());
    const std::size_t resumed = blocks_done_;
    SLUICE_TRY(DecodeRest());
    SLUICE_TRY(Finish());
    return AppliedPayload{head_.out_sha256, head_.out_size, head_.rows.size(), resumed};
  }

 private:
  Status ReadHead();
  Status OpenBase();
  Status OpenWork();
  Status Resume();
  Status DecodeRest();
  Status Finish();
  [[nodiscard]] std::uint64_t OutOffset(std::size_t block) const {
    return std::uint64_t{head_.block_size} * block;
  }
  static std::uint64_t RowOffset(std::size_t block) {
    return Digest::kSize + kJournalRowSize * block;
  }

  const ApplyPaths& paths_;
  const std::optional<Digest> expected_head_;
  const std::string part_path_, journal_path_;
  OpenFile payload_, base_, part_, journal_;
  PayloadHead head_;
  Digest head_digest_;
  std::size_t blocks_done_ = 0;
};

Status FileApply::ReadHead() {
  SLUICE_ASSIGN(payload_, OpenToRead(paths_.payload));
  Bytes bytes(std::min<std::uint64_t>(PayloadHead::kFixedSize, payload_.size));
  SLUICE_TRY(ReadExactly(payload_.fd.get(), 0, bytes, paths_.payload));
  SLUICE_ASSIGN(const std::size_t head_size, HeadSizeOf(bytes));
  bytes.resize(std::min<std::uint64_t>(head_size, payload_.size));
  SLUICE_TRY(ReadExactly(payload_.fd.get(), 0, bytes, paths_.payload));
  head_digest_ = Sha256(bytes);
  if (expected_head_ && head_digest_ != *expected_head_) {
    return Fail(ErrorCode::kPayloadHead, "the head's SHA-256 is " + head_digest_.Hex() +
                                             ", not the one given; fetch the payload again");
  }
  SLUICE_ASSIGN(head_, ParseHead(bytes));
  SLUICE_TRY(CheckPayloadSize(head_, payload_.size));
  return CheckDecodable(head_, head_.memory_class, kCodecMaskV1);
}

Status FileApply::OpenBase() {
  if (head_.kind == PayloadKind::kFull) return {};
  if (paths_.base.empty())
    return Fail(ErrorCode::kDeltaBase, "the payload is a delta; give the base it starts from");
  SLUICE_ASSIGN(base_, OpenToRead(paths_.base));
  SLUICE_ASSIGN(const FileDigest digest, Sha256OfFile(base_.fd.get()));
  if (digest.size_bytes != head_.base_size || digest.sha256 != head_.base_sha256) {
    return Fail(ErrorCode::kDeltaBase, paths_.base + " is not the artifact " +
                                           head_.base_sha256.Short() +
                                           " that the delta starts from");
  }
  return {};
}

Status FileApply::OpenWork() {
  SLUICE_ASSIGN(part_, OpenToWork(part_path_));
  if (::flock(part_.fd.get(), LOCK_EX | LOCK_NB) != 0) {
    return Fail(ErrorCode::kLocked, part_path_ + ": another run is writing it; wait for its end");
  }
  SLUICE_ASSIGN(journal_, OpenToWork(journal_path_));
  return {};
}

// Counts the blocks that an earlier run finished: the journal's digests against the bytes that are
// really there, so that neither needs to be synced.
Status FileApply::Resume() {
  Bytes owner(Digest::kSize);
  if (journal_.size >= owner.size()) {
    SLUICE_TRY(ReadExactly(journal_.fd.get(), 0, owner, journal_path_));
  }
  const bool is_ours = std::equal(owner.begin(), owner.end(), head_digest_.bytes.begin());
  Bytes block, row(kJournalRowSize);
  while (is_ours && blocks_done_ < head_.rows.size()) {
    const std::uint64_t end = OutOffset(blocks_done_) + head_.OutLength(blocks_done_);
    if (end > part_.size || RowOffset(blocks_done_ + 1) > journal_.size) break;
    block.resize(head_.OutLength(blocks_done_));
    SLUICE_TRY(ReadExactly(part_.fd.get(), OutOffset(blocks_done_), block, part_path_));
    SLUICE_TRY(ReadExactly(journal_.fd.get(), RowOffset(blocks_done_), row, journal_path_));
    if (row != JournalRow(block)) break;
    ++blocks_done_;
  }
  SLUICE_TRY(
      Truncate(part_.fd.get(), std::min(OutOffset(blocks_done_), head_.out_size), part_path_));
  SLUICE_TRY(Truncate(journal_.fd.get(), is_ours ? RowOffset(blocks_done_) : 0, journal_path_));
  if (is_ours) return {};
  return WriteAt(journal_.fd.get(), 0, head_digest_.View(), journal_path_);
}

Status FileApply::DecodeRest() {
  const FileSource base(base_.fd.get(), head_.base_size, paths_.base);
  FileSource output(part_.fd.get(), std::min(OutOffset(blocks_done_), head_.out_size), part_path_);
  std::uint64_t in_offset = head_.BlockOffset(blocks_done_);
  Bytes encoded, block;
  for (; blocks_done_ < head_.rows.size(); ++blocks_done_) {
    const std::string context = "block " + std::to_string(blocks_done_);
    const BlockRow& row = head_.rows[blocks_done_];
    encoded.resize(row.in_len);
    block.resize(head_.OutLength(blocks_done_));
    SLUICE_TRY(ReadExactly(payload_.fd.get(), in_offset, encoded, paths_.payload));
    if (Sha256(encoded) != row.in_sha256) {
      return Fail(ErrorCode::kBlockHash, context + " differs from its digest; fetch it again");
    }
    const Status decoded =
        DecodeBlock(row.codec, head_.memory_class, kCodecMaskV1, encoded, base, output, block);
    if (!decoded) return Fail(decoded.error().With(context));
    SLUICE_TRY(WriteAt(part_.fd.get(), output.size(), block, part_path_));
    SLUICE_TRY(
        WriteAt(journal_.fd.get(), RowOffset(blocks_done_), JournalRow(block), journal_path_));
    output.Grow(block.size());
    in_offset += row.in_len;
  }
  return {};
}

Status FileApply::Finish() {
  SLUICE_ASSIGN(const FileDigest built, Sha256OfFile(part_.fd.get()));
  if (built.sha256 != head_.out_sha256) {
    ::unlink(journal_path_.c_str());  // nothing here is worth going on with
    ::unlink(part_path_.c_str());
    return Fail(ErrorCode::kArtifactHash, "the blocks do not build artifact " +
                                              head_.out_sha256.Short() +
                                              "; encode the payload again");
  }
  if (::fsync(part_.fd.get()) != 0) return Fail(FileError(part_path_, errno));
  if (::rename(part_path_.c_str(), paths_.out.c_str()) != 0)
    return Fail(FileError(paths_.out, errno));
  ::unlink(journal_path_.c_str());
  const fs::path folder = fs::path(paths_.out).parent_path();
  return SyncFolder(folder.empty() ? "." : folder.string());
}

}  // namespace

Result<AppliedPayload> ApplyToFile(const ApplyPaths& paths, std::optional<Digest> head_digest) {
  return FileApply(paths, head_digest).Run();
}

}  // namespace sluice
