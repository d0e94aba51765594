// What opening a store makes of rotten records, stamps and models.
#include <gmock/gmock.h>

#include "device_sdk/slots/state_record_codec.h"
#include "tests/unit/device_sdk/slots/store_on_sim_disk.h"

namespace sluice::device {
namespace {

class Recovery : public StoreOnSimDisk {
 protected:
  void RotBothRecords() {
    disk_.Rot("/state/state.0", 100);
    disk_.Rot("/state/state.1", 100);
  }
};

TEST_F(Recovery, A31_FallsBackToTheOlderRecordForEveryRottenByteOfTheNewer) {
  StateRecord record = store_->record();  // gen 1, in state.0
  record.boot = 1;
  ASSERT_TRUE(store_->WriteRecord(record));  // gen 2, in state.1
  const StateRecord older = store_->record();
  record.boot = 2;
  ASSERT_TRUE(store_->WriteRecord(record));  // gen 3, in state.0
  store_.reset();
  for (std::uint64_t byte = 0; byte < kRecordBytes; ++byte) {
    disk_.Rot("/state/state.0", byte);
    const auto store = FileSlotStore::Open(disk_, kStateDir);
    ASSERT_TRUE(store);
    ASSERT_EQ((*store)->record(), older) << "byte " << byte;
    ASSERT_EQ((*store)->origin(), RecordOrigin::kStored);
    disk_.Rot("/state/state.0", byte);  // the same bits again: as it was
  }
}

TEST_F(Recovery, OverwritesTheBadCopyNext) {
  StateRecord record = store_->record();
  record.boot = 1;
  ASSERT_TRUE(store_->WriteRecord(record));  // gen 2, in state.1
  record.boot = 2;
  ASSERT_TRUE(store_->WriteRecord(record));  // gen 3, in state.0
  disk_.Rot("/state/state.0", 9);
  Reopen();
  record = store_->record();
  record.boot = 3;
  ASSERT_TRUE(store_->WriteRecord(record));
  disk_.Rot("/state/state.0", 9);
  Reopen();
  EXPECT_EQ(store_->record().boot, 1U) << "the good copy in state.1 was left alone";
}

TEST_F(Recovery, RebuildsFromTheSlotConfirmedLast) {
  const SlotModel first = MakeSlotModel(1);
  const SlotModel second = MakeSlotModel(2);
  InstallGood(0, first);
  StateRecord record = store_->record();
  record.directive = {2, 40};
  record.floor_epoch = 6;
  record.secure_time_floor_ms = 1'800'000'000'000;
  ASSERT_TRUE(store_->WriteRecord(record));
  InstallGood(1, second);
  const std::uint64_t gen = store_->record().gen;
  RotBothRecords();
  Reopen();
  EXPECT_EQ(store_->origin(), RecordOrigin::kRebuilt);
  EXPECT_TRUE(store_->recovery());
  record = store_->record();
  EXPECT_EQ(record.active, SlotId{1});
  EXPECT_EQ(record.fallback, SlotId{0});
  EXPECT_EQ(record.phase, Phase::kStable);
  EXPECT_EQ(record.slots[0].state, SlotState::kGood);
  EXPECT_EQ(record.slots[1].state, SlotState::kGood);
  EXPECT_EQ(record.slots[1].artifact, second.slot.artifact);
  EXPECT_EQ(record.slots[1].release, "model-v2");
  EXPECT_EQ(record.directive, (SequenceNumber{2, 40})) << "old directives stay refused";
  EXPECT_EQ(record.floor_epoch, 6U);
  EXPECT_EQ(record.secure_time_floor_ms, 1'800'000'000'000);
  EXPECT_GT(record.gen, gen);
  ASSERT_TRUE(store_->WriteRecord(record));
  EXPECT_GT(store_->record().gen, record.gen);
  CrashAndReopen();
  EXPECT_EQ(store_->origin(), RecordOrigin::kStored);
  EXPECT_EQ(store_->record().active, SlotId{1});
}

TEST_F(Recovery, DoesNotTrustASlotThatWasNeverConfirmed) {
  InstallGood(0, MakeSlotModel(1));
  WriteModel(1, MakeSlotModel(2));
  SetSlotState(1, MakeSlotModel(2), SlotState::kReady);
  RotBothRecords();
  Reopen();
  EXPECT_EQ(store_->record().active, SlotId{0});
  EXPECT_EQ(store_->record().slots[1].state, SlotState::kEmpty);
}

TEST_F(Recovery, DoesNotTrustASlotWhoseStampWasCleared) {
  InstallGood(0, MakeSlotModel(1));
  InstallGood(1, MakeSlotModel(2));
  ASSERT_TRUE(store_->ClearConfirmed(1));
  RotBothRecords();
  Reopen();
  EXPECT_EQ(store_->record().active, SlotId{0});
  EXPECT_FALSE(store_->record().fallback);
}

TEST_F(Recovery, DoesNotTrustAModelOrManifestThatRotted) {
  for (const char* path : {"/state/a/model.bin", "/state/a/manifest.env", "/state/a/confirmed"}) {
    InstallGood(0, MakeSlotModel(1));
    RotBothRecords();
    disk_.Rot(path, 77);
    Reopen();
    EXPECT_EQ(store_->origin(), RecordOrigin::kLost) << path;
    EXPECT_EQ(store_->recovery().error().code, ErrorCode::kNoTrustedModel);
    EXPECT_EQ(store_->record(), StateRecord{});
  }
}

TEST_F(Recovery, LostStoreStillTakesReportsAndANewModel) {
  RotBothRecords();
  Reopen();
  ASSERT_EQ(store_->origin(), RecordOrigin::kLost);
  EXPECT_TRUE(store_->PushReport({1, true, Bytes(10)}));
  const SlotModel model = MakeSlotModel(1);
  InstallGood(0, model);
  CrashAndReopen();
  EXPECT_EQ(store_->origin(), RecordOrigin::kStored);
  EXPECT_EQ(HashOf(0), model.slot.artifact);
}

TEST_F(Recovery, WritesNothingAndNeedsNoSpace) {
  InstallGood(0, MakeSlotModel(1));
  RotBothRecords();
  disk_.Fill();
  store_.reset();
  const std::uint64_t before = disk_.operations();
  Reopen();
  EXPECT_EQ(disk_.operations(), before);
  EXPECT_EQ(store_->origin(), RecordOrigin::kRebuilt);
}

TEST_F(Recovery, StampsTheActiveSlotLateBeforeItClearsTheOnlyOtherStamp) {
  InstallGood(0, MakeSlotModel(1));
  // Slot b is confirmed, but the crash came before its stamp.
  const SlotModel second = MakeSlotModel(2);
  WriteModel(1, second);
  StateRecord record = store_->record();
  record.slots[1].state = SlotState::kGood;
  record.active = SlotId{1};
  record.fallback = SlotId{0};
  ASSERT_TRUE(store_->WriteRecord(record));
  CrashAndReopen();
  ASSERT_TRUE(store_->ClearConfirmed(0));
  RotBothRecords();
  Reopen();
  EXPECT_EQ(store_->origin(), RecordOrigin::kRebuilt);
  EXPECT_EQ(store_->record().active, SlotId{1});
}

}  // namespace
}  // namespace sluice::device
