// The store on a real file system of two megabytes that is full, or has become read-only.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>

#include "device_sdk/slots/file_slot_store.h"
#include "device_sdk/slots/posix_file_system.h"
#include "tests/support/slot_model.h"
#include "tests/support/temporary_directory.h"

namespace sluice::crash {
namespace {

using device::FileSlotStore;
using device::PosixFileSystem;
using device::SlotId;
using device::StateRecord;

class SmallFileSystem : public testing::Test {
 protected:
  void SetUp() override {
    // A mount namespace of its own, so that nobody else sees the mounts.
    if (unshare(CLONE_NEWNS) != 0) GTEST_SKIP() << "skipped: needs CAP_SYS_ADMIN";
    // In a chroot "/" is no mount point; what TearDown unmounts is gone everywhere then, too.
    const bool is_private = mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    ASSERT_TRUE(is_private || errno == EINVAL);
    ASSERT_EQ(mount("tmpfs", mount_point_.c_str(), "tmpfs", 0, "size=2m"), 0);
    mounted_ = true;
    SeededRandom random(1);
    ASSERT_TRUE(FileSlotStore::Create(files_, state_dir_, 2, random));
    Open();
    ASSERT_TRUE(store_->InstallFirst(MemorySource(first_.artifact), first_.manifest, first_.slot));
  }
  void TearDown() override {
    store_.reset();
    if (!mounted_) return;
    EXPECT_EQ(umount2(mount_point_.c_str(), MNT_DETACH), 0);
  }

  void Open() {
    store_.reset();
    auto opened = FileSlotStore::Open(files_, state_dir_);
    ASSERT_TRUE(opened) << opened.error().Line();
    store_ = *std::move(opened);
  }

  void WriteSecondModel() {
    StateRecord record = store_->record();
    record.slots[1] = second_.slot;
    record.slots[1].state = SlotState::kWriting;
    ASSERT_TRUE(store_->WriteRecord(record));
    ASSERT_TRUE(store_->ReserveSlot(1, second_.artifact.size(), second_.head_digest,
                                    test_support::SlotModel::kBlockBytes));
    for (std::uint32_t i = 0; i < second_.BlockCount(); ++i) {
      ASSERT_TRUE(store_->WriteBlock(1, std::uint64_t{i} * test_support::SlotModel::kBlockBytes,
                                     second_.Block(i), {i + 1, 0, 0, second_.head_digest}));
    }
    ASSERT_TRUE(store_->FinishSlot(1, second_.manifest));
  }

  void SwitchTo(SlotId slot, device::Phase phase) {
    StateRecord record = store_->record();
    record.fallback = record.active;
    record.active = slot;
    record.phase = phase;
    const Status written = store_->WriteRecord(record);
    ASSERT_TRUE(written) << written.error().Line();
  }

  Digest HashOfActive() const {
    const auto opened = store_->OpenAndHash(*store_->record().active);
    if (!opened) return {};
    close(opened->fd);
    return opened->sha256;
  }

  void FillTheDisk() const {
    const std::string path = mount_point_ + "/filler";
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_GE(fd, 0);
    const Bytes block(4096, 1);
    while (write(fd, block.data(), block.size()) > 0) {
    }
    EXPECT_EQ(errno, ENOSPC);
    close(fd);
  }

  test_support::TemporaryDirectory directory_;
  const std::string mount_point_ = directory_.path().string();
  const std::string state_dir_ = mount_point_ + "/state";
  const test_support::SlotModel first_ = test_support::MakeSlotModel(1);
  const test_support::SlotModel second_ = test_support::MakeSlotModel(2);
  PosixFileSystem files_;
  std::unique_ptr<FileSlotStore> store_;
  bool mounted_ = false;
};

TEST_F(SmallFileSystem, A29_RevertsWithNoByteFree) {
  WriteSecondModel();
  SwitchTo(1, device::Phase::kTrial);
  FillTheDisk();
  EXPECT_EQ(files_.FreeBytes(mount_point_).value(), 0U);
  EXPECT_EQ(store_->WriteDocument("root", Bytes(9000)).error().code, ErrorCode::kNoSpace);
  SwitchTo(0, device::Phase::kReverted);
  EXPECT_TRUE(store_->PushReport({1, true, Bytes(600)}));
  Open();
  EXPECT_EQ(store_->record().phase, device::Phase::kReverted);
  EXPECT_EQ(HashOfActive(), first_.slot.artifact);
  EXPECT_EQ(store_->PendingReports().size(), 1U);
}

TEST_F(SmallFileSystem, A29_RefusesAModelThatDoesNotFitAndKeepsTheFallback) {
  const Status refused = store_->CheckSpace(1, 3U << 20);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kNoSpace);
  StateRecord record = store_->record();
  record.slots[1].state = SlotState::kWriting;
  ASSERT_TRUE(store_->WriteRecord(record));
  EXPECT_EQ(store_->ReserveSlot(1, 3U << 20, Digest{}, 65536).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(HashOfActive(), first_.slot.artifact);
}

TEST_F(SmallFileSystem, A30_ServesOnAFileSystemThatBecameReadOnly) {
  WriteSecondModel();
  SwitchTo(1, device::Phase::kTrial);
  store_.reset();
  ASSERT_EQ(mount("none", mount_point_.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, "size=2m"), 0);
  Open();
  EXPECT_EQ(store_->WriteRecord(store_->record()).error().code, ErrorCode::kStoreIo);
  EXPECT_EQ(HashOfActive(), second_.slot.artifact);
  const auto fallback = store_->OpenAndHash(*store_->record().fallback);
  ASSERT_TRUE(fallback);
  EXPECT_EQ(fallback->sha256, first_.slot.artifact);
  close(fallback->fd);
}

}  // namespace
}  // namespace sluice::crash
