// The device's durable state as files in one directory; the layout and the write order are in
// docs/device_storage.md.
//
// One writer: the directory stays locked while a store is open. One thread.
#pragma once

#include "common/base/random.h"
#include "device_sdk/slots/directive_pair.h"
#include "device_sdk/slots/outbox.h"
#include "device_sdk/slots/record_pair.h"
#include "device_sdk/slots/slot_files.h"
#include "device_sdk/slots/slot_store.h"

namespace sluice::device {

/// Where record() came from when the store was opened.
enum class RecordOrigin : std::uint8_t {
  kStored,   // a valid copy was found
  kRebuilt,  // both copies are bad; made from confirmed slots, with the numbers of their stamps
  kLost,     // nothing to trust is left: record() is empty, and the device serves nothing
};

class FileSlotStore final : public SlotStore {
 public:
  /// Lays out an empty store of 2 or 3 slots in `dir`, whose parent exists. E_CONFLICT when a store
  /// is there. A crash on the way leaves no store; calling again starts over.
  static Status Create(FileSystem& files, const std::string& dir, int slots, Random& random);

  /// Locks and recovers: writes nothing, needs no free space and no network. E_NOT_FOUND when `dir`
  /// has no store, E_LOCKED with the pid of the one who has it open. A store without a valid record
  /// opens too: see recovery().
  static Result<std::unique_ptr<FileSlotStore>> Open(FileSystem& files, const std::string& dir);

  [[nodiscard]] RecordOrigin origin() const { return origin_; }
  /// E_NO_TRUSTED_MODEL when both copies of the record are bad and no confirmed slot holds what its
  /// stamp says.
  [[nodiscard]] Status recovery() const;

  /// Puts a first model, which the caller has verified, into slot a as GOOD and makes it active.
  /// `slot` names its digests, size, epoch and release. E_CONFLICT unless every slot is EMPTY,
  /// E_ARTIFACT_HASH when `artifact` is not what `slot` says.
  Status InstallFirst(const ByteSource& artifact, ByteView manifest_envelope, SlotRecord slot);

  [[nodiscard]] int slot_count() const override { return static_cast<int>(slots_.size()); }
  [[nodiscard]] const Instance& instance() const override { return instance_; }
  [[nodiscard]] const StateRecord& record() const override { return record_; }
  Status WriteRecord(StateRecord record) override;
  Status CheckSpace(SlotId slot, std::uint64_t size_bytes) const override;
  Result<SlotProgress> ReserveSlot(SlotId slot, std::uint64_t size_bytes, const Digest& head_digest,
                                   std::uint32_t block_size) override;
  Status WriteBlock(SlotId slot, std::uint64_t offset, ByteView bytes,
                    const SlotProgress& progress) override;
  Result<std::unique_ptr<ByteSource>> OpenPart(SlotId slot) const override;
  Status FinishSlot(SlotId slot, ByteView manifest_envelope) override;
  Result<OpenSlot> OpenAndHash(SlotId slot) const override;
  Result<Bytes> ReadManifest(SlotId slot) const override;
  Status StampConfirmed(SlotId slot, const Digest& manifest, const Digest& artifact) override;
  Status ClearConfirmed(SlotId slot) override;
  Status WriteDirective(ByteView envelope) override;
  Result<Bytes> ReadDirective(const Digest& digest) const override;
  Status WriteDocument(std::string_view name, ByteView bytes) override;
  Result<Bytes> ReadDocument(std::string_view name) const override;
  Status PushReport(const OutboxEntry& entry) override;
  Status DropReportsThrough(std::uint64_t seq) override;
  [[nodiscard]] std::vector<OutboxEntry> PendingReports() const override;
  [[nodiscard]] std::uint64_t LastReportSeq() const override { return outbox_.last_seq(); }

 private:
  FileSlotStore(FileSystem& files, std::string dir, std::unique_ptr<FileLock> lock, int slots);

  Status LoadInstance();
  void Recover();
  [[nodiscard]] std::optional<ConfirmedStamp> TrustedStamp(const SlotFiles& slot) const;
  Status CopyIntoSlot(SlotId slot, const ByteSource& artifact);
  [[nodiscard]] SlotFiles& Files(SlotId slot);
  [[nodiscard]] const SlotFiles& Files(SlotId slot) const;
  [[nodiscard]] Result<std::string> DocumentPath(std::string_view name) const;

  FileSystem& files_;
  std::string dir_;
  std::unique_ptr<FileLock> lock_;
  Instance instance_{};
  StateRecord record_;
  RecordOrigin origin_ = RecordOrigin::kLost;
  // A record that was read may be in the page cache only: the process before us may have died
  // between write and sync.
  bool record_is_durable_ = false;
  RecordPair records_;
  DirectivePair directives_;
  Outbox outbox_;
  std::vector<SlotFiles> slots_;
};

}  // namespace sluice::device
