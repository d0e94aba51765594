// The port to a device's durable state: the record, the slots, the directive in force, the outbox.
//
// One writer (the agent's thread). Every mutating call is durable when it returns OK, except where
// it says otherwise. E_STORE_IO for disk faults, E_NO_SPACE where space ran out.
#pragma once

#include <memory>
#include <optional>

#include "common/payload/block_decoder.h"
#include "device_sdk/core/state_record.h"

namespace sluice::device {

/// How far a slot is written.
struct SlotProgress {
  std::uint32_t blocks_done = 0;        // payload blocks decoded, written and synced
  std::uint32_t last_block_crc32c = 0;  // of the last written block's output bytes
  std::uint64_t bytes_spent = 0;
  Digest head_digest;  // of the payload that the blocks came from
  friend bool operator==(const SlotProgress&, const SlotProgress&) = default;
};

/// An open, hashed artifact: what is loaded is read from this descriptor.
struct OpenSlot {
  int fd = -1;  // owned by the receiver; 0-offset, read-only
  std::uint64_t size_bytes = 0;
  Digest sha256;
};

struct OutboxEntry {
  std::uint64_t seq = 0;
  bool terminal = false;
  Bytes report;  // encoded Report
};

class SlotStore {
 public:
  virtual ~SlotStore() = default;

  /// Slots that exist: 2 or 3.
  [[nodiscard]] virtual int slot_count() const = 0;
  [[nodiscard]] virtual const Instance& instance() const = 0;
  /// The newest valid record as read at open, or rebuilt from confirmed slots; E_NO_TRUSTED_MODEL
  /// was decided by open. What open found may be in the page cache only: write a record (the next
  /// boot number) before acting on it.
  [[nodiscard]] virtual const StateRecord& record() const = 0;
  /// Writes `record` with gen = newest + 1 into the older copy. On success record() is it.
  virtual Status WriteRecord(StateRecord record) = 0;

  /// E_NO_SPACE need X have Y unless `size_bytes` fit beside what the slot owns already. Writes
  /// nothing.
  virtual Status CheckSpace(SlotId slot, std::uint64_t size_bytes) const = 0;
  /// Preallocates model.part for `size_bytes` and an empty journal for `head_digest`. An existing
  /// part of the same size and head is kept, and its progress returned; the last block is checked
  /// against its CRC first. E_NO_SPACE need X have Y if the space went meanwhile. REQUIRES: the
  /// record says WRITING for the slot.
  virtual Result<SlotProgress> ReserveSlot(SlotId slot, std::uint64_t size_bytes,
                                           const Digest& head_digest, std::uint32_t block_size) = 0;
  /// pwrite of one block's output at its offset, sync, then the journal, sync. The CRC in
  /// `progress` is filled in here. After E_STORE_IO of a sync the slot refuses to go on: reserve it
  /// again, which starts a new part. REQUIRES: ReserveSlot since open; `progress` counts one block
  /// more than before, and `bytes` is that block.
  virtual Status WriteBlock(SlotId slot, std::uint64_t offset, ByteView bytes,
                            const SlotProgress& progress) = 0;
  /// The bytes written so far (the part file), as a source for the decoder.
  virtual Result<std::unique_ptr<ByteSource>> OpenPart(SlotId slot) const = 0;
  /// Syncs the part, stores the manifest's envelope beside it, and renames the part to its final
  /// name. May be repeated, after a restart too. On a slot that the record calls READY or GOOD it
  /// only replaces the manifest.
  virtual Status FinishSlot(SlotId slot, ByteView manifest_envelope) = 0;
  /// Opens the finished artifact and hashes it through that descriptor, the page cache dropped
  /// before.
  virtual Result<OpenSlot> OpenAndHash(SlotId slot) const = 0;
  /// The stored manifest envelope of a finished slot.
  virtual Result<Bytes> ReadManifest(SlotId slot) const = 0;
  /// Stamps a slot as confirmed (it may be rebuilt into a record if both records rot), or clears
  /// the stamp: before the slot is written, and when a confirmed release is rolled back.
  virtual Status StampConfirmed(SlotId slot, const Digest& manifest, const Digest& artifact) = 0;
  virtual Status ClearConfirmed(SlotId slot) = 0;

  /// The envelope of the directive in force, kept whole, written before the record that names its
  /// digest.
  virtual Status WriteDirective(ByteView envelope) = 0;
  virtual Result<Bytes> ReadDirective(const Digest& digest) const = 0;
  /// Documents kept whole by name: "root", "order", "revocations", "manifest" (in work), "head",
  /// "hashes", "validation". A name is [a-z_]{1,32}, else E_BAD_ID; at most
  /// limits::kValidationSetBytesMax, else E_TOO_BIG; E_NOT_FOUND when never written.
  virtual Status WriteDocument(std::string_view name, ByteView bytes) = 0;
  virtual Result<Bytes> ReadDocument(std::string_view name) const = 0;

  /// A report that no Answer covers yet. When the ring is full the oldest non-terminal one goes;
  /// E_QUEUE_FULL when only terminal ones are left. E_STATE unless entry.seq > LastReportSeq(),
  /// E_TOO_BIG over limits::kReportBytesMax.
  virtual Status PushReport(const OutboxEntry& entry) = 0;
  virtual Status DropReportsThrough(std::uint64_t seq) = 0;
  [[nodiscard]] virtual std::vector<OutboxEntry> PendingReports() const = 0;
  /// The highest report seq ever pushed, so that it rises over restarts.
  [[nodiscard]] virtual std::uint64_t LastReportSeq() const = 0;
};

}  // namespace sluice::device
