#include "device_sdk/slots/progress_journal.h"

#include <gtest/gtest.h>

#include "device_sdk/slots/crc32c.h"
#include "tests/support/sim_file_system.h"
#include "tests/unit/device_sdk/slots/sample_record.h"

namespace sluice::device {
namespace {

constexpr std::uint32_t kBlock = 1024;

/// A part of three blocks, the last one short.
class ProgressJournalTest : public testing::Test {
 protected:
  ProgressJournalTest() : part_(2 * kBlock + 100) {
    for (std::size_t i = 0; i < part_.size(); ++i) part_[i] = static_cast<std::uint8_t>(i * 7 + 1);
    plan_ = {FilledDigest(9), part_.size(), kBlock};
  }

  [[nodiscard]] JournalEntry EntryFor(std::uint32_t blocks_done, std::uint64_t seq) const {
    JournalEntry entry;
    entry.seq = seq;
    entry.plan = plan_;
    entry.progress.blocks_done = blocks_done;
    entry.progress.bytes_spent = 1000 * seq;
    entry.progress.head_digest = plan_.head_digest;
    if (blocks_done > 0) {
      const std::uint64_t index = blocks_done - 1;
      entry.progress.last_block_crc32c =
          Crc32c(ByteView(part_).subspan(index * kBlock, plan_.BlockLength(index)));
    }
    return entry;
  }

  [[nodiscard]] static Bytes Journal(const JournalEntry& first, const JournalEntry& second) {
    Bytes bytes;
    Append(bytes, EncodeJournalEntry(first));
    Append(bytes, EncodeJournalEntry(second));
    return bytes;
  }

  [[nodiscard]] std::optional<ResumePoint> Find(const Bytes& journal) const {
    return FindResumePoint(journal, plan_, MemorySource(part_));
  }

  Bytes part_;
  SlotPlan plan_;
};

TEST_F(ProgressJournalTest, ResumesAtTheNewerEntry) {
  const auto point = Find(Journal(EntryFor(2, 8), EntryFor(1, 7)));
  ASSERT_TRUE(point);
  EXPECT_EQ(point->sector, 0);
  EXPECT_EQ(point->entry, EntryFor(2, 8));
}

TEST_F(ProgressJournalTest, CountsAShortLastBlock) {
  const auto point = Find(Journal(EntryFor(2, 8), EntryFor(3, 9)));
  ASSERT_TRUE(point);
  EXPECT_EQ(point->entry.progress.blocks_done, 3U);
}

TEST_F(ProgressJournalTest, NeverSkipsABadBlock) {
  part_[kBlock + 5] ^= 1;  // block 1, after its CRC was taken
  JournalEntry newer = EntryFor(2, 8);
  newer.progress.last_block_crc32c ^= 1;
  const auto point = Find(Journal(newer, EntryFor(1, 7)));
  ASSERT_TRUE(point);
  EXPECT_EQ(point->entry.progress.blocks_done, 1U);
}

TEST_F(ProgressJournalTest, StartsFromNothingWhenBothEntriesCountABadBlock) {
  const Bytes journal = Journal(EntryFor(1, 7), EntryFor(2, 8));
  part_[5] ^= 1;
  part_[kBlock + 5] ^= 1;
  EXPECT_FALSE(Find(journal));
}

TEST_F(ProgressJournalTest, FallsBackToTheOlderEntryForEveryFlippedByte) {
  const Bytes journal = Journal(EntryFor(1, 7), EntryFor(2, 8));
  for (std::size_t i = kSectorBytes; i < kJournalBytes; ++i) {
    Bytes flipped = journal;
    flipped[i] ^= 0x10;
    const auto point = Find(flipped);
    ASSERT_TRUE(point) << "byte " << i;
    ASSERT_EQ(point->entry, EntryFor(1, 7)) << "byte " << i;
  }
}

TEST_F(ProgressJournalTest, DoesNotSpeakForAnotherPlan) {
  const Bytes journal = Journal(EntryFor(1, 7), EntryFor(2, 8));
  const SlotPlan own = plan_;
  plan_.head_digest = FilledDigest(10);
  EXPECT_FALSE(Find(journal));
  plan_ = own;
  plan_.block_size = 2 * kBlock;
  EXPECT_FALSE(Find(journal));
  plan_ = own;
  plan_.block_size = 0;
  EXPECT_FALSE(Find(journal));
  plan_ = own;
  part_.push_back(0);
  EXPECT_FALSE(Find(journal)) << "the part has another size";
}

TEST_F(ProgressJournalTest, RefusesMoreBlocksThanThereAre) {
  JournalEntry entry = EntryFor(3, 9);
  entry.progress.blocks_done = 4;
  EXPECT_FALSE(Find(Journal(entry, entry)));
  entry.progress.blocks_done = 0xFFFFFFFF;
  EXPECT_FALSE(Find(Journal(entry, entry)));
}

TEST_F(ProgressJournalTest, RefusesAJournalOfAnotherSize) {
  Bytes journal = Journal(EntryFor(1, 7), EntryFor(2, 8));
  journal.push_back(0);
  EXPECT_FALSE(Find(journal));
  EXPECT_FALSE(Find({}));
}

TEST_F(ProgressJournalTest, OverwritesTheEntryThatItDoesNotRelyOn) {
  test_support::SimFileSystem disk;
  ASSERT_TRUE(ProgressJournal::Create(disk, "/progress"));
  ProgressJournal journal(disk, "/progress");
  ASSERT_TRUE(journal.Begin(plan_));
  ASSERT_TRUE(journal.Append(EntryFor(1, 0).progress));
  ASSERT_TRUE(journal.Append(EntryFor(2, 0).progress));

  // Block 1 turns out bad after a restart: entry 1 is relied upon, so the next one replaces
  // entry 2.
  const Bytes good = part_;
  part_[kBlock] ^= 1;
  ProgressJournal restarted(disk, "/progress");
  const auto progress = restarted.Resume(plan_, MemorySource(part_));
  ASSERT_TRUE(progress);
  EXPECT_EQ(progress->blocks_done, 1U);
  part_ = good;
  ASSERT_TRUE(restarted.Append(EntryFor(2, 0).progress));
  part_[kBlock] ^= 1;
  ProgressJournal again(disk, "/progress");
  ASSERT_TRUE(again.Resume(plan_, MemorySource(part_)));
  EXPECT_EQ(again.current()->entry.progress.blocks_done, 1U);
}

TEST_F(ProgressJournalTest, KnowsNothingAfterAReset) {
  test_support::SimFileSystem disk;
  ASSERT_TRUE(ProgressJournal::Create(disk, "/progress"));
  ProgressJournal journal(disk, "/progress");
  ASSERT_TRUE(journal.Begin(plan_));
  ASSERT_TRUE(journal.Append(EntryFor(1, 0).progress));
  ASSERT_TRUE(journal.Reset());
  EXPECT_FALSE(journal.current());
  EXPECT_FALSE(ProgressJournal(disk, "/progress").Resume(plan_, MemorySource(part_)));
}

}  // namespace
}  // namespace sluice::device
