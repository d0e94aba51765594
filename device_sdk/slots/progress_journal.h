// How far a slot is written: two sectors, of which the one not relied upon is overwritten.
#pragma once

#include "device_sdk/slots/file_system.h"
#include "device_sdk/slots/sector.h"
#include "device_sdk/slots/slot_store.h"

namespace sluice::device {

/// What is written into a slot. A journal speaks for one plan only.
struct SlotPlan {
  Digest head_digest;  // of the payload
  std::uint64_t size_bytes = 0;
  std::uint32_t block_size = 0;

  [[nodiscard]] std::uint64_t BlockCount() const {
    return (size_bytes + block_size - 1) / block_size;
  }
  /// REQUIRES: index < BlockCount().
  [[nodiscard]] std::uint64_t BlockLength(std::uint64_t index) const {
    return std::min<std::uint64_t>(block_size, size_bytes - index * block_size);
  }
  friend bool operator==(const SlotPlan&, const SlotPlan&) = default;
};

inline constexpr std::size_t kJournalBytes = 2 * kSectorBytes;
using JournalSector = std::array<std::uint8_t, kSectorBytes>;

struct JournalEntry {
  std::uint64_t seq = 0;  // the higher of two whole sectors is the newer
  SlotPlan plan;
  SlotProgress progress;
  friend bool operator==(const JournalEntry&, const JournalEntry&) = default;
};
JournalSector EncodeJournalEntry(const JournalEntry& entry);
std::optional<JournalEntry> DecodeJournalEntry(ByteView sector);

struct ResumePoint {
  int sector = 0;
  JournalEntry entry;
};
/// The newest entry for `plan` whose last block is in `part` as its CRC says; nothing if there is
/// none, or if `part` has another size. A bad block is never skipped: the entry that counts it is
/// passed over for the older one.
std::optional<ResumePoint> FindResumePoint(ByteView journal, const SlotPlan& plan,
                                           const ByteSource& part);

class ProgressJournal {
 public:
  ProgressJournal(FileSystem& files, std::string path);

  /// Creates the file; the caller syncs the directory.
  static Status Create(FileSystem& files, const std::string& path);

  /// Zeroes both sectors: from here on nothing is known to be written.
  Status Reset();
  /// Starts an entry without blocks. REQUIRES: Reset succeeded since the last Append.
  Status Begin(const SlotPlan& plan);
  /// Takes up the entry that FindResumePoint names.
  std::optional<SlotProgress> Resume(const SlotPlan& plan, const ByteSource& part);
  /// Writes the next entry. REQUIRES: Begin or Resume succeeded. The blocks that `progress` counts
  /// are durable already.
  Status Append(const SlotProgress& progress);

  /// The entry that a restart would find; nothing before Begin or Resume.
  [[nodiscard]] const std::optional<ResumePoint>& current() const { return current_; }

 private:
  Status Write(const ResumePoint& next);

  FileSystem& files_;
  std::string path_;
  std::optional<ResumePoint> current_;
};

}  // namespace sluice::device
