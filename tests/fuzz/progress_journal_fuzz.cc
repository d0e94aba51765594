// A progress journal and a part out of any bytes: no entry is resumed whose last block is bad.
//
// Input: flags, 1,024 bytes of journal, the part. The flags give sectors right sums, make them
// speak for the part's size, and give them the CRC of the block that they count last.
#include "common/base/check.h"
#include "device_sdk/slots/progress_journal.h"

namespace {

using namespace sluice::device;

constexpr unsigned kSeal = 1, kFitSize = 4,
                   kFitBlock = 16;  // for sector 0; twice that for sector 1

// Bit by bit, apart from the table that the store uses.
std::uint32_t ReferenceCrc32c(sluice::ByteView bytes) {
  std::uint32_t crc = ~0U;
  for (const std::uint8_t byte : bytes) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1U) != 0 ? 0x82F63B78U : 0U);
  }
  return ~crc;
}

/// The block that `entry` counts last, if it lies in `part`.
std::optional<sluice::ByteView> LastBlock(const JournalEntry& entry, sluice::ByteView part) {
  const std::uint64_t done = entry.progress.blocks_done;
  if (done == 0 || entry.plan.block_size == 0) return std::nullopt;
  const std::uint64_t from = (done - 1) * entry.plan.block_size;
  if (from >= part.size()) return std::nullopt;
  return part.subspan(from, std::min<std::uint64_t>(entry.plan.block_size, part.size() - from));
}

void Prepare(std::span<std::uint8_t, kSectorBytes> sector, unsigned flags, sluice::ByteView part) {
  if ((flags & kSeal) != 0) SealSector(sector);
  std::optional<JournalEntry> entry = DecodeJournalEntry(sector);
  if (!entry) return;
  if ((flags & kFitSize) != 0) entry->plan.size_bytes = part.size();
  const auto last = LastBlock(*entry, part);
  if ((flags & kFitBlock) != 0 && last) {
    entry->progress.last_block_crc32c = ReferenceCrc32c(*last);
  }
  std::ranges::copy(EncodeJournalEntry(*entry), sector.begin());
}

bool MayBeResumed(const JournalEntry& entry, const SlotPlan& plan, sluice::ByteView part) {
  if (entry.plan != plan || part.size() != plan.size_bytes) return false;
  if (entry.progress.blocks_done == 0) return true;
  const auto last = LastBlock(entry, part);
  return last && ReferenceCrc32c(*last) == entry.progress.last_block_crc32c;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1 + kJournalBytes) return 0;
  const unsigned flags = data[0];
  std::array<std::uint8_t, kJournalBytes> journal{};
  std::copy_n(data + 1, kJournalBytes, journal.begin());
  const sluice::ByteView part(data + 1 + kJournalBytes, size - 1 - kJournalBytes);
  const std::span<std::uint8_t, kJournalBytes> sectors(journal);
  Prepare(sectors.first<kSectorBytes>(), flags, part);
  Prepare(sectors.last<kSectorBytes>(), flags >> 1, part);

  const std::array<std::optional<JournalEntry>, 2> entries = {
      DecodeJournalEntry(sectors.first<kSectorBytes>()),
      DecodeJournalEntry(sectors.last<kSectorBytes>())};
  const SlotPlan plan = entries[0] ? entries[0]->plan : SlotPlan{};
  const auto point = FindResumePoint(journal, plan, sluice::MemorySource(part));
  if (!point) return 0;
  SLUICE_CHECK(entries[static_cast<std::size_t>(point->sector)] == point->entry);
  SLUICE_CHECK(point->entry.progress.blocks_done <= plan.BlockCount());
  SLUICE_CHECK(MayBeResumed(point->entry, plan, part));
  for (const auto& entry : entries) {
    SLUICE_CHECK(!entry || !MayBeResumed(*entry, plan, part) || entry->seq <= point->entry.seq);
  }
  return 0;
}
