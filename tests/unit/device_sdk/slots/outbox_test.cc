#include "device_sdk/slots/outbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/sim_file_system.h"

namespace sluice::device {
namespace {

using testing::ElementsAre;

constexpr std::size_t kCells = 126;  // 128 sectors, two of them the head
constexpr const char* kPath = "/outbox";

OutboxEntry Entry(std::uint64_t seq, bool terminal, std::size_t report_bytes = 100) {
  OutboxEntry entry{seq, terminal, Bytes(report_bytes)};
  for (std::size_t i = 0; i < report_bytes; ++i) {
    entry.report[i] = static_cast<std::uint8_t>(seq * 31 + i);
  }
  return entry;
}

class OutboxTest : public testing::Test {
 protected:
  OutboxTest() : outbox_(disk_, kPath) {
    EXPECT_TRUE(Outbox::Create(disk_, kPath));
    EXPECT_TRUE(disk_.SyncDirectory(""));
  }

  static std::vector<std::uint64_t> Seqs(const Outbox& outbox) {
    std::vector<std::uint64_t> seqs;
    for (const OutboxEntry& entry : outbox.Pending()) seqs.push_back(entry.seq);
    return seqs;
  }
  [[nodiscard]] Outbox Restarted() {
    Outbox outbox(disk_, kPath);
    outbox.Load();
    return outbox;
  }

  test_support::SimFileSystem disk_;
  Outbox outbox_;
};

TEST_F(OutboxTest, GivesBackReportsOfEverySizeAfterARestart) {
  const std::vector<std::size_t> sizes = {0, 1, 475, 476, 477, 952, 953, limits::kReportBytesMax};
  std::uint64_t seq = 0;
  for (const std::size_t size : sizes) {
    ++seq;
    ASSERT_TRUE(outbox_.Push(Entry(seq, seq % 2 == 0, size))) << size;
  }
  const std::vector<OutboxEntry> pending = Restarted().Pending();
  ASSERT_EQ(pending.size(), sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const OutboxEntry expected = Entry(i + 1, (i + 1) % 2 == 0, sizes[i]);
    EXPECT_EQ(pending[i].seq, expected.seq);
    EXPECT_EQ(pending[i].terminal, expected.terminal);
    EXPECT_EQ(pending[i].report, expected.report);
  }
}

TEST_F(OutboxTest, DropsWhatAnAnswerCovers) {
  for (std::uint64_t seq = 1; seq <= 4; ++seq) ASSERT_TRUE(outbox_.Push(Entry(seq, true)));
  ASSERT_TRUE(outbox_.DropThrough(2));
  EXPECT_THAT(Seqs(outbox_), ElementsAre(3, 4));
  EXPECT_THAT(Seqs(Restarted()), ElementsAre(3, 4));
}

TEST_F(OutboxTest, LastSeqRisesOverRestartsThoughEverythingWasDropped) {
  ASSERT_TRUE(outbox_.Push(Entry(7, true)));
  ASSERT_TRUE(outbox_.DropThrough(7));
  Outbox restarted = Restarted();
  EXPECT_EQ(restarted.last_seq(), 7U);
  EXPECT_EQ(restarted.Push(Entry(7, false)).error().code, ErrorCode::kState);
  EXPECT_TRUE(restarted.Push(Entry(8, false)));
}

TEST_F(OutboxTest, AnAnswerFromTheFutureDropsNoLaterReport) {
  ASSERT_TRUE(outbox_.Push(Entry(1, true)));
  ASSERT_TRUE(outbox_.DropThrough(1'000'000));
  ASSERT_TRUE(outbox_.Push(Entry(2, true)));
  EXPECT_THAT(Seqs(Restarted()), ElementsAre(2));
}

TEST_F(OutboxTest, OverflowDropsTheOldestThatIsNotTerminal) {
  ASSERT_TRUE(outbox_.Push(Entry(1, true)));
  for (std::uint64_t seq = 2; seq <= kCells; ++seq) ASSERT_TRUE(outbox_.Push(Entry(seq, false)));
  ASSERT_TRUE(outbox_.Push(Entry(kCells + 1, false)));
  const std::vector<std::uint64_t> seqs = Seqs(outbox_);
  EXPECT_EQ(seqs.size(), kCells);
  EXPECT_EQ(seqs[0], 1U);
  EXPECT_EQ(seqs[1], 3U);
  EXPECT_EQ(seqs.back(), kCells + 1);
  EXPECT_EQ(Seqs(Restarted()), seqs);
}

TEST_F(OutboxTest, OverflowNeverDropsATerminalReport) {
  for (std::uint64_t seq = 1; seq <= kCells; ++seq) ASSERT_TRUE(outbox_.Push(Entry(seq, true)));
  EXPECT_EQ(outbox_.Push(Entry(500, true)).error().code, ErrorCode::kQueueFull);
  EXPECT_EQ(outbox_.Push(Entry(500, false)).error().code, ErrorCode::kQueueFull);
  EXPECT_EQ(Seqs(outbox_).size(), kCells);
  EXPECT_EQ(Seqs(Restarted()).size(), kCells);
  ASSERT_TRUE(outbox_.DropThrough(1));
  EXPECT_TRUE(outbox_.Push(Entry(500, true)));
}

TEST_F(OutboxTest, DropsNothingForAReportThatCannotFitAnyway) {
  for (std::uint64_t seq = 1; seq <= kCells - 1; ++seq) ASSERT_TRUE(outbox_.Push(Entry(seq, true)));
  ASSERT_TRUE(outbox_.Push(Entry(kCells, false)));
  EXPECT_EQ(outbox_.Push(Entry(kCells + 1, true, 2000)).error().code, ErrorCode::kQueueFull);
  EXPECT_EQ(Seqs(outbox_).size(), kCells);
}

TEST_F(OutboxTest, LastSeqSurvivesThatItsReportGivesWay) {
  for (std::uint64_t seq = 1; seq <= kCells - 1; ++seq) ASSERT_TRUE(outbox_.Push(Entry(seq, true)));
  ASSERT_TRUE(outbox_.Push(Entry(900, false)));
  // The push of 901 overwrites 900, is torn by a crash, and is lost.
  disk_.InjectAt(disk_.operations() + 3, test_support::Fault::kPowerOff);
  ASSERT_FALSE(outbox_.Push(Entry(901, true)));
  disk_.Crash([] { return true; });
  disk_.Rot(kPath, (kCells + 1) * 512 + 100);
  EXPECT_EQ(Restarted().last_seq(), 900U);
}

TEST_F(OutboxTest, RefusesAReportBeyondTheLimit) {
  EXPECT_EQ(outbox_.Push(Entry(1, true, limits::kReportBytesMax + 1)).error().code,
            ErrorCode::kTooBig);
}

TEST_F(OutboxTest, WorksOnAFullDisk) {
  disk_.Fill();
  EXPECT_TRUE(outbox_.Push(Entry(1, true)));
  EXPECT_TRUE(outbox_.DropThrough(1));
}

TEST_F(OutboxTest, RottenSectorCostsItsReportOnly) {
  for (std::uint64_t seq = 1; seq <= 3; ++seq) ASSERT_TRUE(outbox_.Push(Entry(seq, true)));
  disk_.Rot(kPath, 3 * 512 + 40);  // the second cell
  EXPECT_THAT(Seqs(Restarted()), ElementsAre(1, 3));
}

TEST_F(OutboxTest, RottenHeadSendsAgainButForgetsNothing) {
  ASSERT_TRUE(outbox_.Push(Entry(1, true)));
  ASSERT_TRUE(outbox_.Push(Entry(2, true)));
  ASSERT_TRUE(outbox_.DropThrough(1));
  disk_.Rot(kPath, 0);
  disk_.Rot(kPath, 512);
  const Outbox restarted = Restarted();
  EXPECT_THAT(Seqs(restarted), ElementsAre(1, 2));
  EXPECT_EQ(restarted.last_seq(), 2U);
}

TEST_F(OutboxTest, FailedPushLeavesThePendingReportsAsTheyWere) {
  ASSERT_TRUE(outbox_.Push(Entry(1, false)));
  disk_.InjectAt(disk_.operations() + 2, test_support::Fault::kIoError);
  EXPECT_EQ(outbox_.Push(Entry(2, true)).error().code, ErrorCode::kStoreIo);
  EXPECT_THAT(Seqs(outbox_), ElementsAre(1));
  ASSERT_TRUE(outbox_.Push(Entry(2, true))) << "the number may be used again";
  EXPECT_THAT(Seqs(Restarted()), ElementsAre(1, 2));
}

TEST_F(OutboxTest, TornPushIsNoReport) {
  for (std::size_t kept = 0; kept < 9; ++kept) {  // 4,096 bytes are nine cells
    test_support::SimFileSystem disk(disk_);
    Outbox outbox(disk, kPath);
    disk.InjectAt(disk.operations() + 10, test_support::Fault::kPowerOff);  // the sync
    ASSERT_FALSE(outbox.Push(Entry(1, true, limits::kReportBytesMax)));
    std::size_t asked = 0;
    disk.Crash([&] { return asked++ != kept; });
    EXPECT_EQ(asked, 9U);
    Outbox restarted(disk, kPath);
    restarted.Load();
    EXPECT_TRUE(restarted.Pending().empty()) << "all but cell " << kept;
  }
}

}  // namespace
}  // namespace sluice::device
