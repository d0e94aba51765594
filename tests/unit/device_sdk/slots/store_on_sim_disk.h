// A slot store on a simulated disk, and the steps of an install that the tests of the store share.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include "common/crypto/digest.h"
#include "device_sdk/slots/file_slot_store.h"
#include "tests/support/sim_file_system.h"

namespace sluice::device {

inline constexpr const char* kStateDir = "/state";
inline constexpr std::uint32_t kBlockBytes = 1024;

/// Bytes of a model that no other `seed` has.
inline Bytes ModelBytes(std::uint64_t seed, std::size_t size_bytes) {
  Bytes bytes(size_bytes);
  SeededRandom(seed).Fill(bytes);
  return bytes;
}

struct Model {
  Bytes artifact;
  Bytes manifest;
  SlotRecord slot;
  Digest head_digest;
};

inline Model MakeModel(std::uint64_t seed, std::size_t size_bytes = 3 * kBlockBytes + 100) {
  Model model;
  model.artifact = ModelBytes(seed, size_bytes);
  model.manifest = ModelBytes(seed + 1000, 300);
  model.slot.artifact = Sha256(model.artifact);
  model.slot.manifest = Sha256(model.manifest);
  model.slot.size_bytes = size_bytes;
  model.slot.release = "model-v" + std::to_string(seed);
  model.head_digest = Sha256(model.slot.artifact.View());
  return model;
}

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

  void SetSlotState(SlotId slot, const Model& model, SlotState state) {
    StateRecord record = store_->record();
    record.slots[slot] = model.slot;
    record.slots[slot].state = state;
    ASSERT_TRUE(store_->WriteRecord(record));
  }
  Result<SlotProgress> Reserve(SlotId slot, const Model& model) {
    return store_->ReserveSlot(slot, model.artifact.size(), model.head_digest, kBlockBytes);
  }
  Status WriteBlock(SlotId slot, const Model& model, std::uint32_t index) {
    const std::size_t from = std::size_t{index} * kBlockBytes;
    const ByteView block =
        ByteView(model.artifact)
            .subspan(from, std::min<std::size_t>(kBlockBytes, model.artifact.size() - from));
    return store_->WriteBlock(slot, from, block, {index + 1, 0, 77, model.head_digest});
  }
  /// From WRITING to a finished slot; the record still says WRITING.
  void WriteModel(SlotId slot, const Model& model) {
    SetSlotState(slot, model, SlotState::kWriting);
    const auto progress = Reserve(slot, model);
    ASSERT_TRUE(progress) << progress.error().Line();
    const std::uint32_t blocks =
        static_cast<std::uint32_t>((model.artifact.size() + kBlockBytes - 1) / kBlockBytes);
    for (std::uint32_t i = progress->blocks_done; i < blocks; ++i) {
      ASSERT_TRUE(WriteBlock(slot, model, i));
    }
    const Status finished = store_->FinishSlot(slot, model.manifest);
    ASSERT_TRUE(finished) << finished.error().Line();
  }
  /// A whole, confirmed slot that serves.
  void InstallGood(SlotId slot, const Model& model) {
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
