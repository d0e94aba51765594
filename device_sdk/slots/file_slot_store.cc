#include "device_sdk/slots/file_slot_store.h"

#include <unistd.h>

#include <functional>

#include "common/base/check.h"
#include "common/crypto/digest.h"
#include "device_sdk/slots/durable_file.h"

namespace sluice::device {
namespace {

constexpr std::size_t kLockBytes = 16;  // room for a pid, so that writing it takes no space
constexpr std::size_t kBallastBytes = 65'536;
constexpr std::size_t kDocumentNameMax = 32;
/// The longest documents are validation sets.
constexpr std::size_t kDocumentBytesMax = limits::kValidationSetBytesMax;
/// What an install writes beside the artifact: the manifest, twice while it is replaced, and names.
constexpr std::uint64_t kInstallOverheadBytes = 2 * limits::kManifestBytesMax + 65'536;
/// How far a rebuilt record jumps ahead of its stamp, over the numbers that the lost records used.
constexpr std::uint64_t kRebuiltGenStep = 1'000'000;
constexpr std::uint32_t kRebuiltActivationStep = 1'000;

std::string SlotDir(const std::string& dir, int slot) {
  return dir + "/" + static_cast<char>('a' + slot);
}

std::string ParentOf(const std::string& dir) {
  const std::size_t slash = dir.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : dir.substr(0, slash);
}

}  // namespace

Status FileSlotStore::Create(FileSystem& files, const std::string& dir, int slots, Random& random) {
  SLUICE_CHECK(slots == 2 || slots == 3);
  SLUICE_TRY(MakeDirectoryIfMissing(files, dir));
  SLUICE_TRY(files.SyncDirectory(ParentOf(dir)));
  SLUICE_ASSIGN(const std::vector<std::string> names, files.List(dir));
  if (std::ranges::binary_search(names, "instance")) {
    return Fail(ErrorCode::kConflict, dir + " holds a store already; use it or another directory");
  }
  // A run with three slots that died here left a folder which would count as the third slot.
  SLUICE_TRY(UnlinkIfThere(files, SlotDir(dir, 2) + "/confirmed"));

  SLUICE_TRY(CreateZeroed(files, dir + "/lock", kLockBytes));
  SLUICE_TRY(RecordPair::Create(files, dir));
  SLUICE_TRY(DirectivePair::Create(files, dir));
  SLUICE_TRY(Outbox::Create(files, dir + "/outbox"));
  SLUICE_TRY(MakeDirectoryIfMissing(files, dir + "/documents"));
  for (int slot = 0; slot < slots; ++slot) {
    SLUICE_TRY(SlotFiles::Create(files, SlotDir(dir, slot)));
  }
  if (files.CopiesOnWrite(dir)) SLUICE_TRY(CreateZeroed(files, dir + "/ballast", kBallastBytes));
  StateRecord first;
  SLUICE_TRY(RecordPair(files, dir).Write(first));
  SLUICE_TRY(files.SyncDirectory(dir));

  // The instance comes last: its name says that everything before it is durable.
  Instance instance{};
  random.Fill(instance);
  SLUICE_TRY(ReplaceWhole(files, dir + "/instance", instance));
  return files.SyncDirectory(dir);
}

FileSlotStore::FileSlotStore(FileSystem& files, std::string dir, std::unique_ptr<FileLock> lock,
                             int slots)
    : files_(files),
      dir_(std::move(dir)),
      lock_(std::move(lock)),
      records_(files_, dir_),
      directives_(files_, dir_),
      outbox_(files_, dir_ + "/outbox") {
  for (int slot = 0; slot < slots; ++slot) slots_.emplace_back(files_, SlotDir(dir_, slot));
}

Result<std::unique_ptr<FileSlotStore>> FileSlotStore::Open(FileSystem& files,
                                                           const std::string& dir) {
  SLUICE_ASSIGN(auto lock, files.Lock(dir + "/lock"));
  const bool has_third = files.Open(SlotDir(dir, 2) + "/confirmed", OpenMode::kRead).has_value();
  std::unique_ptr<FileSlotStore> store(
      new FileSlotStore(files, dir, std::move(lock), has_third ? 3 : 2));
  SLUICE_TRY(store->LoadInstance());
  store->outbox_.Load();
  store->Recover();
  return store;
}

Status FileSlotStore::LoadInstance() {
  const Result<Bytes> bytes = ReadWhole(files_, dir_ + "/instance", instance_.size());
  if (!bytes) return Fail(bytes.error().With("no usable store; run 'sluice-agent init'"));
  if (bytes->size() != instance_.size()) {
    return Fail(ErrorCode::kStoreCorrupt,
                dir_ + "/instance is too short; run 'sluice-agent init' in a new directory");
  }
  std::ranges::copy(*bytes, instance_.begin());
  return {};
}

void FileSlotStore::Recover() {
  if (std::optional<StateRecord> stored = records_.Load()) {
    record_ = *std::move(stored);
    origin_ = RecordOrigin::kStored;
    return;
  }
  // Of several confirmed slots the one confirmed last serves, the one before it is the fallback.
  std::vector<std::pair<SlotId, ConfirmedStamp>> confirmed;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (auto stamp = TrustedStamp(slots_[i])) {
      confirmed.emplace_back(static_cast<SlotId>(i), *std::move(stamp));
    }
  }
  if (confirmed.empty()) return;
  std::ranges::sort(confirmed, std::ranges::greater{},
                    [](const auto& entry) { return entry.second.numbers.gen; });
  record_ = confirmed.front().second.numbers;
  record_.gen += kRebuiltGenStep;
  record_.activation += kRebuiltActivationStep;
  record_.active = confirmed.front().first;
  if (confirmed.size() > 1) record_.fallback = confirmed[1].first;
  for (const auto& [slot, stamp] : confirmed) record_.slots[slot] = stamp.slot;
  records_.ContinueAbove(record_.gen);
  origin_ = RecordOrigin::kRebuilt;
}

std::optional<ConfirmedStamp> FileSlotStore::TrustedStamp(const SlotFiles& slot) const {
  std::optional<ConfirmedStamp> stamp = slot.ReadStamp();
  if (!stamp) return std::nullopt;
  const Result<Bytes> manifest = slot.ReadManifest();
  if (!manifest || Sha256(*manifest) != stamp->slot.manifest) return std::nullopt;
  const Result<OpenSlot> model = slot.OpenAndHash();
  if (!model) return std::nullopt;
  close(model->fd);
  if (model->sha256 != stamp->slot.artifact) return std::nullopt;
  return stamp;
}

Status FileSlotStore::recovery() const {
  if (origin_ != RecordOrigin::kLost) return {};
  return Fail(ErrorCode::kNoTrustedModel,
              "both copies of the state record in " + dir_ +
                  " are bad and no confirmed slot is whole; install a release");
}

Status FileSlotStore::WriteRecord(StateRecord record) {
  Status written = records_.Write(record);
  if (!written && written.error().code == ErrorCode::kNoSpace &&
      files_.Unlink(dir_ + "/ballast").has_value()) {
    // Only where the file system copies on write: the ballast was kept for this.
    SLUICE_TRY(files_.SyncDirectory(dir_));
    written = records_.Write(record);
  }
  SLUICE_TRY(std::move(written));
  record_ = std::move(record);
  record_is_durable_ = true;
  return {};
}

Status FileSlotStore::CheckSpace(SlotId slot, std::uint64_t size_bytes) const {
  SLUICE_ASSIGN(const std::uint64_t owned_bytes, Files(slot).OwnedBytes());
  SLUICE_ASSIGN(const std::uint64_t free_bytes, files_.FreeBytes(dir_));
  const std::uint64_t need = size_bytes + kInstallOverheadBytes;
  const std::uint64_t have = free_bytes + owned_bytes;
  if (need <= have) return {};
  return Fail(ErrorCode::kNoSpace, "need " + std::to_string(need) + " have " +
                                       std::to_string(have) + " bytes in " + dir_ +
                                       "; free some or use a smaller release");
}

Result<SlotProgress> FileSlotStore::ReserveSlot(SlotId slot, std::uint64_t size_bytes,
                                                const Digest& head_digest,
                                                std::uint32_t block_size) {
  SLUICE_CHECK(record_.slots[slot].state == SlotState::kWriting);
  // The slot is about to be destroyed on the record's word, so that word has to be on the disk.
  if (!record_is_durable_) SLUICE_TRY(WriteRecord(record_));
  return Files(slot).Reserve({head_digest, size_bytes, block_size});
}

Status FileSlotStore::WriteBlock(SlotId slot, std::uint64_t offset, ByteView bytes,
                                 const SlotProgress& progress) {
  return Files(slot).WriteBlock(offset, bytes, progress);
}

Result<std::unique_ptr<ByteSource>> FileSlotStore::OpenPart(SlotId slot) const {
  return Files(slot).OpenPart();
}

Status FileSlotStore::FinishSlot(SlotId slot, ByteView manifest_envelope) {
  SlotFiles& files = Files(slot);
  // A whole slot may be the fallback: its model keeps its name throughout.
  if (record_.slots[slot].state != SlotState::kWriting) {
    return files.ReplaceManifest(manifest_envelope);
  }
  return files.Finish(manifest_envelope);
}

Result<OpenSlot> FileSlotStore::OpenAndHash(SlotId slot) const { return Files(slot).OpenAndHash(); }

Result<Bytes> FileSlotStore::ReadManifest(SlotId slot) const { return Files(slot).ReadManifest(); }

Status FileSlotStore::StampConfirmed(SlotId slot, const Digest& manifest, const Digest& artifact) {
  ConfirmedStamp stamp{record_.slots[slot], record_};
  stamp.slot.manifest = manifest;
  stamp.slot.artifact = artifact;
  return Files(slot).WriteStamp(stamp);
}

Status FileSlotStore::ClearConfirmed(SlotId slot) {
  // A crash between a confirmation and its stamp leaves the active slot without one: make up for
  // it before the only other stamp goes.
  if (record_.active && *record_.active != slot) {
    const SlotRecord& active = record_.slots[*record_.active];
    if (active.state == SlotState::kGood && !Files(*record_.active).ReadStamp()) {
      SLUICE_TRY(StampConfirmed(*record_.active, active.manifest, active.artifact));
    }
  }
  return Files(slot).ClearStamp();
}

Status FileSlotStore::WriteDirective(ByteView envelope) {
  return directives_.Write(envelope, record_.directive_digest);
}

Result<Bytes> FileSlotStore::ReadDirective(const Digest& digest) const {
  return directives_.Read(digest);
}

Result<std::string> FileSlotStore::DocumentPath(std::string_view name) const {
  const auto allowed = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  if (name.empty() || name.size() > kDocumentNameMax || !std::ranges::all_of(name, allowed)) {
    return Fail(ErrorCode::kBadId, "document names are [a-z_]{1,32}");
  }
  return dir_ + "/documents/" + std::string(name);
}

Status FileSlotStore::WriteDocument(std::string_view name, ByteView bytes) {
  SLUICE_ASSIGN(const std::string path, DocumentPath(name));
  if (bytes.size() > kDocumentBytesMax) {
    return Fail(ErrorCode::kTooBig, "document " + std::string(name) + " of " +
                                        std::to_string(bytes.size()) + " bytes, at most " +
                                        std::to_string(kDocumentBytesMax));
  }
  SLUICE_TRY(ReplaceWhole(files_, path, bytes));
  return files_.SyncDirectory(dir_ + "/documents");
}

Result<Bytes> FileSlotStore::ReadDocument(std::string_view name) const {
  SLUICE_ASSIGN(const std::string path, DocumentPath(name));
  return ReadWhole(files_, path, kDocumentBytesMax);
}

Status FileSlotStore::PushReport(const OutboxEntry& entry) { return outbox_.Push(entry); }

Status FileSlotStore::DropReportsThrough(std::uint64_t seq) { return outbox_.DropThrough(seq); }

std::vector<OutboxEntry> FileSlotStore::PendingReports() const { return outbox_.Pending(); }

Status FileSlotStore::InstallFirst(const ByteSource& artifact, ByteView manifest_envelope,
                                   SlotRecord slot) {
  constexpr SlotId kFirst = 0;
  for (const SlotRecord& other : record_.slots) {
    if (other.state != SlotState::kEmpty) {
      return Fail(ErrorCode::kConflict,
                  dir_ + " holds a model already; deliver others by a rollout");
    }
  }
  SLUICE_TRY(CheckSpace(kFirst, artifact.size()));
  StateRecord record = record_;
  slot.state = SlotState::kWriting;
  record.slots[kFirst] = slot;
  SLUICE_TRY(WriteRecord(record));
  SLUICE_TRY(CopyIntoSlot(kFirst, artifact));
  SLUICE_TRY(FinishSlot(kFirst, manifest_envelope));
  SLUICE_ASSIGN(const OpenSlot model, OpenAndHash(kFirst));
  close(model.fd);
  const bool is_the_one = model.sha256 == slot.artifact && model.size_bytes == slot.size_bytes;
  record.slots[kFirst].state = is_the_one ? SlotState::kGood : SlotState::kEmpty;
  if (is_the_one) {
    record.active = kFirst;
    record.activation += 1;
  }
  SLUICE_TRY(WriteRecord(record));
  if (!is_the_one) {
    return Fail(ErrorCode::kArtifactHash, "the model is " + model.sha256.Short() +
                                              ", its manifest names " + slot.artifact.Short());
  }
  return StampConfirmed(kFirst, slot.manifest, slot.artifact);
}

Status FileSlotStore::CopyIntoSlot(SlotId slot, const ByteSource& artifact) {
  SlotProgress progress;
  SLUICE_ASSIGN(progress, ReserveSlot(slot, artifact.size(), Digest{}, limits::kManifestBlockSize));
  const SlotPlan plan{Digest{}, artifact.size(), limits::kManifestBlockSize};
  Bytes block;
  for (std::uint64_t i = progress.blocks_done; i < plan.BlockCount(); ++i) {
    block.resize(plan.BlockLength(i));
    const std::uint64_t offset = i * plan.block_size;
    SLUICE_TRY(artifact.ReadAt(offset, block));
    progress.blocks_done += 1;
    SLUICE_TRY(WriteBlock(slot, offset, block, progress));
  }
  return {};
}

SlotFiles& FileSlotStore::Files(SlotId slot) {
  SLUICE_CHECK(slot < slots_.size());
  return slots_[slot];
}

const SlotFiles& FileSlotStore::Files(SlotId slot) const {
  SLUICE_CHECK(slot < slots_.size());
  return slots_[slot];
}

}  // namespace sluice::device
