#include "device_sdk/slots/slot_files.h"

#include <unistd.h>

#include "common/base/check.h"
#include "common/crypto/digest.h"
#include "device_sdk/slots/crc32c.h"
#include "device_sdk/slots/durable_file.h"
#include "device_sdk/slots/file_source.h"

namespace sluice::device {
namespace {

constexpr std::string_view kModel = "model.bin";
constexpr std::string_view kPart = "model.part";
constexpr std::string_view kManifest = "manifest.env";
constexpr std::string_view kProgress = "progress";
constexpr std::string_view kConfirmed = "confirmed";

Result<std::uint64_t> SizeOrZero(FileSystem& files, const std::string& path) {
  const auto file = files.Open(path, OpenMode::kRead);
  if (file) return (*file)->Size();
  if (file.error().code == ErrorCode::kNotFound) return std::uint64_t{0};
  return Fail(file.error());
}

}  // namespace

SlotFiles::SlotFiles(FileSystem& files, std::string dir)
    : files_(files), dir_(std::move(dir)), journal_(files, Path(kProgress)) {}

std::string SlotFiles::Path(std::string_view name) const { return dir_ + "/" + std::string(name); }

Status SlotFiles::Create(FileSystem& files, const std::string& dir) {
  SLUICE_TRY(MakeDirectoryIfMissing(files, dir));
  SLUICE_TRY(ProgressJournal::Create(files, dir + "/" + std::string(kProgress)));
  SLUICE_TRY(CreateZeroed(files, dir + "/" + std::string(kConfirmed), kSectorBytes));
  return files.SyncDirectory(dir);
}

Result<std::uint64_t> SlotFiles::OwnedBytes() const {
  SLUICE_ASSIGN(const std::uint64_t model, SizeOrZero(files_, Path(kModel)));
  SLUICE_ASSIGN(const std::uint64_t part, SizeOrZero(files_, Path(kPart)));
  return model + part;
}

Result<SlotProgress> SlotFiles::Reserve(const SlotPlan& plan) {
  SLUICE_CHECK(plan.block_size > 0);
  if (const auto progress = TryResume(plan)) return *progress;
  SLUICE_TRY(StartAnew(plan));
  return journal_.current()->entry.progress;
}

std::optional<SlotProgress> SlotFiles::TryResume(const SlotPlan& plan) {
  if (part_is_lost_) return std::nullopt;
  const auto part = OpenPart();
  if (!part) return std::nullopt;
  return journal_.Resume(plan, **part);
}

Status SlotFiles::StartAnew(const SlotPlan& plan) {
  part_is_lost_ = true;  // until every step below has succeeded
  // The old journal goes first: it must not speak for the new part, which may bear the same plan.
  SLUICE_TRY(journal_.Reset());
  SLUICE_TRY(UnlinkIfThere(files_, Path(kPart)));
  SLUICE_TRY(UnlinkIfThere(files_, Path(kModel)));
  SLUICE_TRY(UnlinkIfThere(files_, Path(kManifest)));
  SLUICE_TRY(AllocatePart(plan.size_bytes));
  SLUICE_TRY(files_.SyncDirectory(dir_));
  SLUICE_TRY(journal_.Begin(plan));
  part_is_lost_ = false;
  return {};
}

Status SlotFiles::AllocatePart(std::uint64_t size_bytes) {
  SLUICE_ASSIGN(const auto part, CreateAnew(files_, Path(kPart)));
  if (Status allocated = part->Allocate(size_bytes); !allocated) {
    if (allocated.error().code != ErrorCode::kNoSpace) return allocated;
    // Somebody else took the space since it was checked: give back what was got so far.
    SLUICE_TRY(UnlinkIfThere(files_, Path(kPart)));
    const std::uint64_t free_bytes = files_.FreeBytes(dir_).value_or(0);
    return Fail(ErrorCode::kNoSpace, "need " + std::to_string(size_bytes) + " have " +
                                         std::to_string(free_bytes) + " bytes in " + dir_);
  }
  return part->Sync();
}

Status SlotFiles::SyncPart(File& part, Status (File::*sync)()) {
  Status synced = (part.*sync)();
  if (!synced) part_is_lost_ = true;
  return synced;
}

Status SlotFiles::WriteBlock(std::uint64_t offset, ByteView bytes, SlotProgress progress) {
  if (part_is_lost_) {
    return Fail(ErrorCode::kStoreIo, dir_ + ": a sync of the part failed; reserve the slot anew");
  }
  SLUICE_CHECK(journal_.current().has_value());
  const JournalEntry& last = journal_.current()->entry;
  const std::uint64_t index = last.progress.blocks_done;
  SLUICE_CHECK(index < last.plan.BlockCount() && progress.blocks_done == index + 1);
  SLUICE_CHECK(offset == index * last.plan.block_size);
  SLUICE_CHECK(bytes.size() == last.plan.BlockLength(index));
  SLUICE_CHECK(progress.head_digest == last.plan.head_digest);
  progress.last_block_crc32c = Crc32c(bytes);
#if SLUICE_MUTANT == 5
  SLUICE_TRY(journal_.Append(progress));
#endif
  SLUICE_ASSIGN(const auto part, files_.Open(Path(kPart), OpenMode::kReadWrite));
  SLUICE_TRY(part->WriteAt(offset, bytes));
#if SLUICE_MUTANT == 5
  return {};
#endif
#if SLUICE_MUTANT != 1
  SLUICE_TRY(SyncPart(*part, &File::SyncData));
#endif
  return journal_.Append(progress);
}

Result<std::unique_ptr<ByteSource>> SlotFiles::OpenPart() const {
  SLUICE_ASSIGN(std::unique_ptr<ByteSource> part, FileSource::Open(files_, Path(kPart)));
  return part;
}

Status SlotFiles::Finish(ByteView manifest_envelope) {
  if (part_is_lost_) {
    return Fail(ErrorCode::kStoreIo, dir_ + ": a sync of the part failed; reserve the slot anew");
  }
  auto part = files_.Open(Path(kPart), OpenMode::kReadWrite);
  if (!part && part.error().code == ErrorCode::kNotFound) {
    // Finished before, but perhaps not durably: a sync vouches only for renames made now, so the
    // name goes back and everything is done again.
    SLUICE_TRY(files_.Rename(Path(kModel), Path(kPart)));
    part = files_.Open(Path(kPart), OpenMode::kReadWrite);
  }
  if (!part) return Fail(part.error());
#if SLUICE_MUTANT != 1
  SLUICE_TRY(SyncPart(**part, &File::Sync));
#endif
  SLUICE_TRY(ReplaceWhole(files_, Path(kManifest), manifest_envelope));
  SLUICE_TRY(files_.Rename(Path(kPart), Path(kModel)));
  return files_.SyncDirectory(dir_);
}

Status SlotFiles::ReplaceManifest(ByteView manifest_envelope) {
  SLUICE_TRY(ReplaceWhole(files_, Path(kManifest), manifest_envelope));
  return files_.SyncDirectory(dir_);
}

Result<OpenSlot> SlotFiles::OpenAndHash() const {
  SLUICE_ASSIGN(const auto file, files_.Open(Path(kModel), OpenMode::kRead));
  SLUICE_TRY(file->DropCache());
  SLUICE_ASSIGN(const int fd, file->DuplicateDescriptor());
  const Result<FileDigest> digest = Sha256OfFile(fd);
  if (!digest) {
    close(fd);
    return Fail(ErrorCode::kStoreIo, Path(kModel) + ": " + digest.error().text);
  }
  return OpenSlot{fd, digest->size_bytes, digest->sha256};
}

Result<Bytes> SlotFiles::ReadManifest() const {
  return ReadWhole(files_, Path(kManifest), limits::kManifestBytesMax);
}

Status SlotFiles::WriteStamp(const ConfirmedStamp& stamp) {
  return OverwriteInPlace(files_, Path(kConfirmed), 0, EncodeStamp(stamp));
}

Status SlotFiles::ClearStamp() {
  return OverwriteInPlace(files_, Path(kConfirmed), 0, Bytes(kSectorBytes));
}

std::optional<ConfirmedStamp> SlotFiles::ReadStamp() const {
  const Result<Bytes> bytes = ReadWhole(files_, Path(kConfirmed), kSectorBytes);
  if (!bytes) return std::nullopt;
  return DecodeStamp(*bytes);
}

}  // namespace sluice::device
