// A slot store on a simulated disk, and the steps of an install that the tests of the store share.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include "device_sdk/slots/file_slot_store.h"
#include "tests/support/sim_file_system.h"
#include "tests/support/slot_model.h"

namespace sluice::device {

inline constexpr const char* kStateDir = "/state";

using test_support::MakeSlotModel;
using test_support::SeededBytes;
using test_support::SlotModel;

inline constexpr std::uint32_t kBlockBytes = SlotModel::kBlockBytes;

class StoreOnSimDisk : public testing::Test {
 protected:
  StoreOnSimDisk() {
    SeededRandom random(1);
    EXPECT_TRUE(FileSlotStore::Create(disk_, kStateDir, 2, random));
    Reopen();
  }

  /// The process ends and starts again; the page cache survives.
  void Reopen() {
    store_.reset();
    disk_.RestartProcess();
    auto opened = FileSlotStore::Open(disk_, kStateDir);
    ASSERT_TRUE(opened) << opened.error().Line();
    store_ = *std::move(opened);
  }
  /// The power fails; nothing that was not synced survives.
  void CrashAndReopen() {
    disk_.Crash([] { return false; });
    Reopen();
  }

  void SetSlotState(SlotId slot, const SlotModel& model, SlotState state) {
    StateRecord record = store_->record();
    record.slots[slot] = model.slot;
    record.slots[slot].state = state;
    ASSERT_TRUE(store_->WriteRecord(record));
  }
  Result<SlotProgress> Reserve(SlotId slot, const SlotModel& model) {
    return store_->ReserveSlot(slot, model.artifact.size(), model.head_digest, kBlockBytes);
  }
  Status WriteBlock(SlotId slot, const SlotModel& model, std::uint32_t index) {
    return store_->WriteBlock(slot, std::uint64_t{index} * kBlockBytes, model.Block(index),
                              {index + 1, 0, 77, model.head_digest});
  }
  /// From WRITING to a finished slot; the record still says WRITING.
  void WriteModel(SlotId slot, const SlotModel& model) {
    SetSlotState(slot, model, SlotState::kWriting);
    const auto progress = Reserve(slot, model);
    ASSERT_TRUE(progress) << progress.error().Line();
    for (std::uint32_t i = progress->blocks_done; i < model.BlockCount(); ++i) {
      ASSERT_TRUE(WriteBlock(slot, model, i));
    }
    const Status finished = store_->FinishSlot(slot, model.manifest);
    ASSERT_TRUE(finished) << finished.error().Line();
  }
  /// A whole, confirmed slot that serves.
  void InstallGood(SlotId slot, const SlotModel& model) {
    WriteModel(slot, model);
    StateRecord record = store_->record();
    record.slots[slot].state = SlotState::kGood;
    record.fallback = record.active;
    record.active = slot;
    ASSERT_TRUE(store_->WriteRecord(record));
    ASSERT_TRUE(store_->StampConfirmed(slot, model.slot.manifest, model.slot.artifact));
  }

  Digest HashOf(SlotId slot) const {
    const Result<OpenSlot> opened = store_->OpenAndHash(slot);
    if (!opened) return {};
    close(opened->fd);
    return opened->sha256;
  }

  test_support::SimFileSystem disk_;
  std::unique_ptr<FileSlotStore> store_;
};

}  // namespace sluice::device
