// The simulated disk forgets exactly what a real one may forget.
#include "tests/support/sim_file_system.h"

#include <gtest/gtest.h>

namespace sluice::test_support {
namespace {

using device::OpenMode;

std::string Text(SimFileSystem& disk, const std::string& path) {
  const auto file = disk.Open(path, OpenMode::kRead);
  if (!file) return "no file";
  Bytes bytes((*file)->Size().value());
  EXPECT_TRUE((*file)->ReadAt(0, bytes));
  return std::string(AsText(bytes));
}

bool KeepNone() { return false; }
bool KeepAll() { return true; }

class SimFileSystemTest : public testing::Test {
 protected:
  /// A durable file "/f" with the text "old".
  SimFileSystemTest() {
    file_ = disk_.Open("/f", OpenMode::kCreate).value();
    EXPECT_TRUE(file_->WriteAt(0, AsBytes("old")));
    EXPECT_TRUE(file_->Sync());
    EXPECT_TRUE(disk_.SyncDirectory("/"));
  }
  SimFileSystem disk_;
  std::unique_ptr<device::File> file_;
};

TEST_F(SimFileSystemTest, ForgetsWhatWasNotSynced) {
  ASSERT_TRUE(file_->WriteAt(0, AsBytes("new")));
  EXPECT_EQ(Text(disk_, "/f"), "new");
  disk_.Crash(KeepNone);
  EXPECT_EQ(Text(disk_, "/f"), "old");
}

TEST_F(SimFileSystemTest, MayKeepWhatWasNotSynced) {
  ASSERT_TRUE(file_->WriteAt(0, AsBytes("new")));
  disk_.Crash(KeepAll);
  EXPECT_EQ(Text(disk_, "/f"), "new");
}

TEST_F(SimFileSystemTest, KeepsWhatWasSynced) {
  ASSERT_TRUE(file_->WriteAt(0, AsBytes("new")));
  ASSERT_TRUE(file_->SyncData());
  disk_.Crash(KeepNone);
  EXPECT_EQ(Text(disk_, "/f"), "new");
}

TEST_F(SimFileSystemTest, TearsAWriteBetweenSectors) {
  ASSERT_TRUE(file_->WriteAt(0, Bytes(1024, 'x')));
  EXPECT_EQ(disk_.pending_units(), 2U);
  int unit = 0;
  disk_.Crash([&] { return unit++ == 1; });
  EXPECT_EQ(Text(disk_, "/f"), "old" + std::string(509, '\0') + std::string(512, 'x'));
}

TEST_F(SimFileSystemTest, ForgetsANewNameUntilItsDirectoryIsSynced) {
  ASSERT_TRUE(disk_.Open("/g", OpenMode::kCreate).value()->Sync());
  SimFileSystem synced(disk_);
  ASSERT_TRUE(synced.SyncDirectory("/"));
  disk_.Crash(KeepNone);
  EXPECT_EQ(Text(disk_, "/g"), "no file");
  synced.Crash(KeepNone);
  EXPECT_EQ(Text(synced, "/g"), "");
}

TEST_F(SimFileSystemTest, RenamesAtOnceOrNotAtAll) {
  ASSERT_TRUE(disk_.Rename("/f", "/g"));
  SimFileSystem kept(disk_);
  disk_.Crash(KeepNone);
  EXPECT_EQ(Text(disk_, "/f"), "old");
  EXPECT_EQ(Text(disk_, "/g"), "no file");
  kept.Crash(KeepAll);
  EXPECT_EQ(Text(kept, "/f"), "no file");
  EXPECT_EQ(Text(kept, "/g"), "old");
}

TEST_F(SimFileSystemTest, KeepsARenameThoughTheContentsAreLost) {
  const auto file = disk_.Open("/new", OpenMode::kCreate).value();
  ASSERT_TRUE(file->WriteAt(0, AsBytes("new")));
  ASSERT_TRUE(disk_.Rename("/new", "/f"));
  ASSERT_TRUE(disk_.SyncDirectory("/"));
  disk_.Crash(KeepNone);
  EXPECT_EQ(Text(disk_, "/f"), "") << "why a temporary is synced before its rename";
}

TEST_F(SimFileSystemTest, FailedSyncLosesWritesThatTheNextSyncDoesNotBringBack) {
  ASSERT_TRUE(file_->WriteAt(0, Bytes(8 * 512, 'x')));
  disk_.InjectAt(disk_.operations() + 1, Fault::kIoError, 1);
  EXPECT_FALSE(file_->SyncData());
  EXPECT_TRUE(file_->SyncData());
  EXPECT_EQ(Text(disk_, "/f"), std::string(8 * 512, 'x')) << "the cache still has them";
  ASSERT_TRUE(file_->DropCache());
  EXPECT_NE(Text(disk_, "/f"), std::string(8 * 512, 'x'));
}

TEST_F(SimFileSystemTest, DropsNoDirtyPage) {
  ASSERT_TRUE(file_->WriteAt(0, AsBytes("new")));
  ASSERT_TRUE(file_->DropCache());
  EXPECT_EQ(Text(disk_, "/f"), "new");
}

TEST_F(SimFileSystemTest, StopsAtThePowerCutUntilTheCrash) {
  disk_.InjectAt(disk_.operations() + 1, Fault::kPowerOff);
  EXPECT_FALSE(file_->WriteAt(0, AsBytes("new")));
  EXPECT_FALSE(file_->SyncData());
  EXPECT_FALSE(disk_.Open("/f", OpenMode::kRead));
  disk_.Crash(KeepAll);
  EXPECT_EQ(Text(disk_, "/f"), "new") << "the interrupted write may have reached the disk";
  EXPECT_FALSE(file_->WriteAt(0, AsBytes("x"))) << "opened before the crash";
}

TEST_F(SimFileSystemTest, ShortWriteWritesAPart) {
  disk_.InjectAt(disk_.operations() + 1, Fault::kShortWrite, 3);
  EXPECT_FALSE(file_->WriteAt(0, Bytes(1024, 'x')));
  const std::string text = Text(disk_, "/f");
  EXPECT_EQ(text[0], 'x');
  EXPECT_LT(text.size(), 1024U);
}

TEST_F(SimFileSystemTest, FullDiskTakesWritesInPlaceOnly) {
  disk_.Fill();
  EXPECT_EQ(disk_.FreeBytes("/").value(), 0U);
  EXPECT_TRUE(file_->WriteAt(0, AsBytes("new")));
  EXPECT_EQ(file_->WriteAt(4096, AsBytes("x")).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(file_->Allocate(5000).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(disk_.Open("/g", OpenMode::kCreate).error().code, ErrorCode::kNoSpace);
  EXPECT_EQ(disk_.MakeDirectory("/d").error().code, ErrorCode::kNoSpace);
  ASSERT_TRUE(disk_.Unlink("/f"));
  EXPECT_TRUE(disk_.Open("/g", OpenMode::kCreate));
}

TEST_F(SimFileSystemTest, CopyGoesItsOwnWay) {
  SimFileSystem copy(disk_);
  ASSERT_TRUE(copy.Unlink("/f"));
  EXPECT_EQ(Text(disk_, "/f"), "old");
}

}  // namespace
}  // namespace sluice::test_support
