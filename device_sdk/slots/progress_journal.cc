#include "device_sdk/slots/progress_journal.h"

#include "device_sdk/slots/crc32c.h"
#include "device_sdk/slots/durable_file.h"
#include "device_sdk/slots/fixed_fields.h"

namespace sluice::device {
namespace {

constexpr std::uint32_t kJournalMagic = 0x4A534C53;  // "SLSJ"
constexpr std::uint32_t kJournalFormat = 1;
/// The longest block that is read into memory for a check.
constexpr std::uint32_t kBlockBytesMax = 1U << 20;

template <class Fields>
void LayOut(Fields& fields, JournalEntry& entry) {
  fields.Constant(kJournalMagic);
  fields.Constant(kJournalFormat);
  fields.Number(entry.seq);
  fields.Id(entry.plan.head_digest);
  fields.Number(entry.plan.size_bytes);
  fields.Number(entry.plan.block_size);
  fields.Number(entry.progress.blocks_done);
  fields.Number(entry.progress.last_block_crc32c);
  fields.Number(entry.progress.bytes_spent);
}

// REQUIRES: the part has the plan's size.
bool LastBlockIsThere(const JournalEntry& entry, const ByteSource& part) {
  const std::uint64_t done = entry.progress.blocks_done;
  if (done == 0) return true;
  if (done > entry.plan.BlockCount()) return false;
  Bytes block(entry.plan.BlockLength(done - 1));
  return part.ReadAt((done - 1) * entry.plan.block_size, block).has_value() &&
         Crc32c(block) == entry.progress.last_block_crc32c;
}

}  // namespace

JournalSector EncodeJournalEntry(const JournalEntry& entry) {
  JournalSector sector{};
  FixedFieldWriter fields(std::span{sector}.first<kSectorPayloadBytes>());
  JournalEntry copy = entry;  // LayOut serves both ways and so takes its entry by reference
  LayOut(fields, copy);
  SealSector(sector);
  return sector;
}

std::optional<JournalEntry> DecodeJournalEntry(ByteView sector) {
  if (!SectorIsWhole(sector)) return std::nullopt;
  JournalEntry entry;
  FixedFieldReader fields(sector.first(kSectorPayloadBytes));
  LayOut(fields, entry);
  if (!fields.Finish()) return std::nullopt;
  entry.progress.head_digest = entry.plan.head_digest;
  return entry;
}

std::optional<ResumePoint> FindResumePoint(ByteView journal, const SlotPlan& plan,
                                           const ByteSource& part) {
  if (journal.size() != kJournalBytes || part.size() != plan.size_bytes) return std::nullopt;
  if (plan.block_size == 0 || plan.block_size > kBlockBytesMax) return std::nullopt;
  std::optional<ResumePoint> best;
  for (int i = 0; i < 2; ++i) {
    const ByteView sector =
        journal.subspan(static_cast<std::size_t>(i) * kSectorBytes, kSectorBytes);
    const std::optional<JournalEntry> entry = DecodeJournalEntry(sector);
    if (!entry || entry->plan != plan || !LastBlockIsThere(*entry, part)) continue;
    if (!best || entry->seq > best->entry.seq) best = ResumePoint{i, *entry};
  }
  return best;
}

ProgressJournal::ProgressJournal(FileSystem& files, std::string path)
    : files_(files), path_(std::move(path)) {}

Status ProgressJournal::Create(FileSystem& files, const std::string& path) {
  return CreateZeroed(files, path, kJournalBytes);
}

Status ProgressJournal::Reset() {
  current_.reset();
  return OverwriteInPlace(files_, path_, 0, Bytes(kJournalBytes));
}

Status ProgressJournal::Begin(const SlotPlan& plan) {
  ResumePoint first;
  first.entry = {.seq = 1, .plan = plan, .progress = {.head_digest = plan.head_digest}};
  return Write(first);
}

std::optional<SlotProgress> ProgressJournal::Resume(const SlotPlan& plan, const ByteSource& part) {
  current_.reset();
  const Result<Bytes> journal = ReadWhole(files_, path_, kJournalBytes);
  if (journal) current_ = FindResumePoint(*journal, plan, part);
  if (!current_) return std::nullopt;
  return current_->entry.progress;
}

Status ProgressJournal::Append(const SlotProgress& progress) {
  SLUICE_CHECK(current_.has_value());
  ResumePoint next = *current_;
  next.sector = 1 - current_->sector;
  next.entry.seq += 1;
  next.entry.progress = progress;
  return Write(next);
}

Status ProgressJournal::Write(const ResumePoint& next) {
  const std::uint64_t offset = static_cast<std::uint64_t>(next.sector) * kSectorBytes;
  SLUICE_TRY(OverwriteInPlace(files_, path_, offset, EncodeJournalEntry(next.entry)));
  current_ = next;
  return {};
}

}  // namespace sluice::device
