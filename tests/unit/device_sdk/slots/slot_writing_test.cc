// How a slot is written through the store: space, resume, faults on the way.
#include <gmock/gmock.h>

#include "tests/unit/device_sdk/slots/sample_record.h"
#include "tests/unit/device_sdk/slots/store_on_sim_disk.h"

namespace sluice::device {
namespace {

using test_support::Fault;

class SlotWriting : public StoreOnSimDisk {};

TEST_F(SlotWriting, FinishedSlotHoldsTheModelAndItsManifest) {
  const SlotModel model = MakeSlotModel(1);
  WriteModel(1, model);
  CrashAndReopen();
  const Result<OpenSlot> opened = store_->OpenAndHash(1);
  ASSERT_TRUE(opened) << opened.error().Line();
  EXPECT_EQ(opened->size_bytes, model.artifact.size());
  EXPECT_EQ(opened->sha256, model.slot.artifact);
  Bytes bytes(model.artifact.size());
  EXPECT_EQ(read(opened->fd, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  EXPECT_EQ(bytes, model.artifact) << "the descriptor starts at offset 0";
  close(opened->fd);
  EXPECT_EQ(store_->ReadManifest(1).value(), model.manifest);
}

TEST_F(SlotWriting, EmptySlotHasNothingToOpen) {
  EXPECT_EQ(store_->OpenAndHash(1).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store_->ReadManifest(1).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(store_->OpenPart(1).error().code, ErrorCode::kNotFound);
}

TEST_F(SlotWriting, ReadsBackTheBlocksWrittenSoFar) {
  const SlotModel model = MakeSlotModel(1);
  SetSlotState(1, model, SlotState::kWriting);
  ASSERT_TRUE(Reserve(1, model));
  ASSERT_TRUE(WriteBlock(1, model, 0));
  const auto part = store_->OpenPart(1);
  ASSERT_TRUE(part);
  EXPECT_EQ((*part)->size(), model.artifact.size());
  Bytes block(kBlockBytes);
  ASSERT_TRUE((*part)->ReadAt(0, block));
  EXPECT_TRUE(std::ranges::equal(block, ByteView(model.artifact).first(kBlockBytes)));
  ASSERT_TRUE(WriteBlock(1, model, 1));
  ASSERT_TRUE((*part)->ReadAt(kBlockBytes, block)) << "an open part sees later blocks";
  EXPECT_TRUE(
      std::ranges::equal(block, ByteView(model.artifact).subspan(kBlockBytes, kBlockBytes)));
}

TEST_F(SlotWriting, CountsWhatTheSlotOwnsAsSpace) {
  const SlotModel model = MakeSlotModel(1, 1 << 20);
  InstallGood(1, model);
  disk_.Fill();
  EXPECT_TRUE(store_->CheckSpace(1, 700'000));
  const Status refused = store_->CheckSpace(1, 1 << 20);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
  EXPECT_THAT(refused.error().text, testing::StartsWith("need 1245184 have 1048576 bytes"));
  EXPECT_EQ(store_->CheckSpace(0, 700'000).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(HashOf(1), model.slot.artifact) << "asking costs nothing";
}

TEST_F(SlotWriting, ReservesOverTheOldModelOnAFullDisk) {
  InstallGood(1, MakeSlotModel(1, 1 << 20));
  disk_.Fill();
  const SlotModel next = MakeSlotModel(2, 1 << 20);
  WriteModel(1, next);
  EXPECT_EQ(HashOf(1), next.slot.artifact);
}

TEST_F(SlotWriting, GivesBackWhatItGotWhenTheSpaceIsGone) {
  const SlotModel model = MakeSlotModel(1, 1 << 20);
  SetSlotState(1, model, SlotState::kWriting);
  disk_.set_capacity_bytes(500'000);
  const auto refused = Reserve(1, model);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
  EXPECT_THAT(refused.error().text, testing::StartsWith("need 1048576 have "));
  EXPECT_EQ(store_->OpenPart(1).error().code, ErrorCode::kNotFound);
  disk_.set_capacity_bytes(10'000'000);
  EXPECT_TRUE(Reserve(1, model));
}

TEST_F(SlotWriting, ResumesAfterAPowerCutWhereItStopped) {
  const SlotModel model = MakeSlotModel(1);
  SetSlotState(1, model, SlotState::kWriting);
  ASSERT_TRUE(Reserve(1, model));
  ASSERT_TRUE(WriteBlock(1, model, 0));
  ASSERT_TRUE(WriteBlock(1, model, 1));
  CrashAndReopen();
  const auto progress = Reserve(1, model);
  ASSERT_TRUE(progress) << progress.error().Line();
  EXPECT_EQ(progress->blocks_done, 2U);
  EXPECT_EQ(progress->bytes_spent, 77U);
  EXPECT_EQ(progress->head_digest, model.head_digest);
  ASSERT_TRUE(WriteBlock(1, model, 2));
  ASSERT_TRUE(WriteBlock(1, model, 3));
  ASSERT_TRUE(store_->FinishSlot(1, model.manifest));
  EXPECT_EQ(HashOf(1), model.slot.artifact);
}

TEST_F(SlotWriting, ReservingAgainInTheSameProcessKeepsTheProgress) {
  const SlotModel model = MakeSlotModel(1);
  SetSlotState(1, model, SlotState::kWriting);
  ASSERT_TRUE(Reserve(1, model));
  ASSERT_TRUE(WriteBlock(1, model, 0));
  EXPECT_EQ(Reserve(1, model).value().blocks_done, 1U);
}

TEST_F(SlotWriting, StartsOverForAnotherPayload) {
  const SlotModel model = MakeSlotModel(1);
  SetSlotState(1, model, SlotState::kWriting);
  ASSERT_TRUE(Reserve(1, model));
  ASSERT_TRUE(WriteBlock(1, model, 0));
  SlotModel other = model;
  other.head_digest = FilledDigest(9);
  EXPECT_EQ(Reserve(1, other).value().blocks_done, 0U);
  EXPECT_EQ(Reserve(1, model).value().blocks_done, 0U) << "the first one's progress is gone";
}

TEST_F(SlotWriting, DoesNotCountABlockThatRotted) {
  const SlotModel model = MakeSlotModel(1);
  SetSlotState(1, model, SlotState::kWriting);
  ASSERT_TRUE(Reserve(1, model));
  ASSERT_TRUE(WriteBlock(1, model, 0));
  ASSERT_TRUE(WriteBlock(1, model, 1));
  disk_.Rot("/state/b/model.part", kBlockBytes + 3);
  CrashAndReopen();
  EXPECT_EQ(Reserve(1, model).value().blocks_done, 1U);
}

TEST_F(SlotWriting, FailedSyncGivesThePartUpForANewOne) {
  const SlotModel model = MakeSlotModel(1);
  SetSlotState(1, model, SlotState::kWriting);
  ASSERT_TRUE(Reserve(1, model));
  ASSERT_TRUE(WriteBlock(1, model, 0));
  disk_.InjectAt(disk_.operations() + 2, Fault::kIoError);  // write, then the part's sync
  EXPECT_EQ(WriteBlock(1, model, 1).error().code, ErrorCode::kStoreIo);
  const std::uint64_t before = disk_.operations();
  EXPECT_EQ(WriteBlock(1, model, 1).error().code, ErrorCode::kStoreIo);
  EXPECT_EQ(store_->FinishSlot(1, model.manifest).error().code, ErrorCode::kStoreIo);
  EXPECT_EQ(disk_.operations(), before) << "the file is not touched again";
  EXPECT_EQ(Reserve(1, model).value().blocks_done, 0U);
  WriteModel(1, model);
  CrashAndReopen();
  EXPECT_EQ(HashOf(1), model.slot.artifact);
}

TEST_F(SlotWriting, FinishingTwiceIsFinishingOnce) {
  const SlotModel model = MakeSlotModel(1);
  WriteModel(1, model);
  Reopen();
  ASSERT_TRUE(store_->FinishSlot(1, model.manifest));
  CrashAndReopen();
  EXPECT_EQ(HashOf(1), model.slot.artifact);
  EXPECT_EQ(store_->ReadManifest(1).value(), model.manifest);
}

TEST_F(SlotWriting, FinishingAgainMakesRenamesDurableThatASyncLost) {
  const SlotModel model = MakeSlotModel(1);
  SetSlotState(1, model, SlotState::kWriting);
  ASSERT_TRUE(Reserve(1, model));
  for (std::uint32_t i = 0; i < 4; ++i) ASSERT_TRUE(WriteBlock(1, model, i));
  // fsync part, create, write, fsync, rename manifest, rename part, fsync directory
  disk_.InjectAt(disk_.operations() + 7, Fault::kIoError);
  EXPECT_EQ(store_->FinishSlot(1, model.manifest).error().code, ErrorCode::kStoreIo);
  ASSERT_TRUE(disk_.fault_met());
  Reopen();
  ASSERT_TRUE(store_->FinishSlot(1, model.manifest));
  CrashAndReopen();
  EXPECT_EQ(HashOf(1), model.slot.artifact);
}

TEST_F(SlotWriting, NewManifestForAWholeSlotLeavesTheModelInItsPlaceAtEveryCrashPoint) {
  const SlotModel model = MakeSlotModel(1);
  InstallGood(1, model);
  const Bytes resigned = SeededBytes(9, 400);
  for (std::uint64_t step = 1;; ++step) {
    test_support::SimFileSystem disk(disk_);
    auto store = FileSlotStore::Open(disk, kStateDir);
    ASSERT_TRUE(store);
    disk.InjectAt(disk.operations() + step, Fault::kPowerOff);
    const bool done = (*store)->FinishSlot(1, resigned).has_value();
    store->reset();
    if (!done) disk.Crash([] { return true; });
    store = FileSlotStore::Open(disk, kStateDir);
    ASSERT_TRUE(store) << store.error().Line();
    const Result<OpenSlot> opened = (*store)->OpenAndHash(1);
    ASSERT_TRUE(opened) << "operation " << step;
    close(opened->fd);
    const Bytes manifest = (*store)->ReadManifest(1).value();
    EXPECT_TRUE(manifest == resigned || (!done && manifest == model.manifest));
    if (done) break;
  }
}

TEST_F(SlotWriting, HashComesFromTheDiskNotFromTheCache) {
  const SlotModel model = MakeSlotModel(1);
  WriteModel(1, model);
  disk_.Rot("/state/b/model.bin", 5);
  EXPECT_NE(HashOf(1), model.slot.artifact);
}

TEST_F(SlotWriting, WritesARecordAnewBeforeItDestroysASlotOnItsWord) {
  InstallGood(1, MakeSlotModel(1));
  const SlotModel next = MakeSlotModel(2);
  // The process dies between the write of the WRITING record and its sync.
  StateRecord record = store_->record();
  record.slots[1] = next.slot;
  record.slots[1].state = SlotState::kWriting;
  disk_.InjectAt(disk_.operations() + 1, Fault::kPowerOff);
  ASSERT_FALSE(store_->WriteRecord(record));
  store_.reset();
  disk_.Crash([] { return true; });  // what was written is found, but suppose only in the cache:
  Reopen();
  ASSERT_EQ(store_->record().slots[1].state, SlotState::kWriting);
  const std::uint64_t gen = store_->record().gen;
  ASSERT_TRUE(Reserve(1, next));
  EXPECT_EQ(store_->record().gen, gen + 1);
  ASSERT_TRUE(Reserve(1, next));
  EXPECT_EQ(store_->record().gen, gen + 1) << "once is enough";
}

TEST_F(SlotWriting, ThirdSlotLeavesBothOthersAlone) {
  test_support::SimFileSystem disk;
  SeededRandom random(3);
  ASSERT_TRUE(FileSlotStore::Create(disk, kStateDir, 3, random));
  auto store = FileSlotStore::Open(disk, kStateDir);
  ASSERT_TRUE(store);
  StateRecord record = (*store)->record();
  record.slots[2].state = SlotState::kWriting;
  ASSERT_TRUE((*store)->WriteRecord(record));
  ASSERT_TRUE((*store)->ReserveSlot(2, 5000, FilledDigest(1), kBlockBytes));
  EXPECT_TRUE(disk.Open("/state/c/model.part", OpenMode::kRead));
  EXPECT_FALSE(disk.Open("/state/a/model.part", OpenMode::kRead));
}

using SlotWritingDeathTest = SlotWriting;

TEST_F(SlotWritingDeathTest, TreatsMisuseAsABug) {
  const SlotModel model = MakeSlotModel(1);
  EXPECT_DEATH(static_cast<void>(Reserve(1, model)), "check failed") << "the record says EMPTY";
  SetSlotState(1, model, SlotState::kWriting);
  EXPECT_DEATH(static_cast<void>(WriteBlock(1, model, 0)), "check failed") << "not reserved";
  ASSERT_TRUE(Reserve(1, model));
  EXPECT_DEATH(static_cast<void>(WriteBlock(1, model, 1)), "check failed") << "skips a block";
  EXPECT_DEATH(static_cast<void>(store_->OpenPart(2)), "check failed") << "no third slot";
}

}  // namespace
}  // namespace sluice::device
