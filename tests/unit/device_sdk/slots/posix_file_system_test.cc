#include "device_sdk/slots/posix_file_system.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "common/crypto/digest.h"
#include "device_sdk/slots/file_slot_store.h"
#include "tests/support/temporary_directory.h"

namespace sluice::device {
namespace {

using test_support::TemporaryDirectory;
using testing::ElementsAre;
using testing::HasSubstr;

class PosixFileSystemTest : public testing::Test {
 protected:
  [[nodiscard]] std::string Path(const char* name) const { return directory_.File(name); }

  TemporaryDirectory directory_;
  PosixFileSystem files_;
};

TEST_F(PosixFileSystemTest, WritesAndReadsAtOffsets) {
  const auto file = files_.Open(Path("f"), OpenMode::kCreate);
  ASSERT_TRUE(file) << file.error().Line();
  ASSERT_TRUE((*file)->Allocate(1000));
  EXPECT_EQ((*file)->Size().value(), 1000U);
  ASSERT_TRUE((*file)->WriteAt(998, AsBytes("abcd")));
  ASSERT_TRUE((*file)->SyncData());
  ASSERT_TRUE((*file)->Sync());
  ASSERT_TRUE((*file)->DropCache());
  Bytes bytes(10);
  EXPECT_EQ((*file)->ReadAt(996, bytes).value(), 6U) << "short at the end";
  bytes.resize(6);
  EXPECT_EQ(AsText(bytes), std::string_view("\0\0abcd", 6));
  EXPECT_EQ((*file)->ReadAt(5000, bytes).value(), 0U);
}

TEST_F(PosixFileSystemTest, CreatesPrivateFilesOnce) {
  ASSERT_TRUE(files_.Open(Path("f"), OpenMode::kCreate));
  struct stat info {};
  ASSERT_EQ(stat(Path("f").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_EQ(files_.Open(Path("f"), OpenMode::kCreate).error().code, ErrorCode::kConflict);
}

TEST_F(PosixFileSystemTest, NamesThePathAndTheReason) {
  const auto missing = files_.Open(Path("none"), OpenMode::kRead);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  EXPECT_THAT(missing.error().text, HasSubstr(Path("none")));
  EXPECT_THAT(missing.error().text, HasSubstr("No such file"));
  EXPECT_EQ(files_.Unlink(Path("none")).error().code, ErrorCode::kNotFound);
  EXPECT_EQ(files_.SyncDirectory(Path("none")).error().code, ErrorCode::kNotFound);
}

TEST_F(PosixFileSystemTest, OpensNoLinkAndNoDirectoryAsAFile) {
  directory_.Write("target", "secret");
  std::filesystem::create_symlink(Path("target"), Path("link"));
  EXPECT_EQ(files_.Open(Path("link"), OpenMode::kRead).error().code, ErrorCode::kStoreIo);
  ASSERT_TRUE(files_.MakeDirectory(Path("dir")));
  EXPECT_EQ(files_.Open(Path("dir"), OpenMode::kRead).error().code, ErrorCode::kStoreIo);
  EXPECT_EQ(files_.MakeDirectory(Path("dir")).error().code, ErrorCode::kConflict);
}

TEST_F(PosixFileSystemTest, RenamesOverAndListsSorted) {
  directory_.Write("c", "1");
  directory_.Write("a", "2");
  directory_.Write("b", "3");
  ASSERT_TRUE(files_.Rename(Path("c"), Path("b")));
  EXPECT_THAT(files_.List(directory_.path().string()).value(), ElementsAre("a", "b"));
  ASSERT_TRUE(files_.SyncDirectory(directory_.path().string()));
}

TEST_F(PosixFileSystemTest, SaysHowMuchIsFree) {
  EXPECT_GT(files_.FreeBytes(directory_.path().string()).value(), 0U);
}

TEST_F(PosixFileSystemTest, RefusesWritesThroughAReadingFile) {
  directory_.Write("f", "abc");
  const auto file = files_.Open(Path("f"), OpenMode::kRead);
  EXPECT_EQ((*file)->WriteAt(0, AsBytes("x")).error().code, ErrorCode::kStoreIo);
}

TEST_F(PosixFileSystemTest, SecondLockNamesTheHoldersPid) {
  directory_.Write("lock", std::string(16, '\0'));
  auto first = files_.Lock(Path("lock"));
  ASSERT_TRUE(first) << first.error().Line();
  const auto second = files_.Lock(Path("lock"));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kLocked);
  EXPECT_THAT(second.error().text, HasSubstr("pid " + std::to_string(getpid()) + ";"));
  first->reset();
  EXPECT_TRUE(files_.Lock(Path("lock")));
}

TEST_F(PosixFileSystemTest, WaitsForTheOrphanThatADeadHoldersForkLeft) {
  directory_.Write("lock", std::string(16, '\0'));
  const pid_t holder = fork();
  if (holder == 0) {
    const auto lock = files_.Lock(Path("lock"));
    // The orphan keeps what it inherited for as long as a killed one may need to end.
    if (lock && fork() == 0) poll(nullptr, 0, 100);
    _exit(lock ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(holder, &status, 0), holder);
  ASSERT_EQ(status, 0);
  const auto lock = files_.Lock(Path("lock"));
  EXPECT_TRUE(lock) << lock.error().Line();
}

TEST_F(PosixFileSystemTest, HandsOutADescriptorOfItsOwn) {
  directory_.Write("f", "abc");
  int fd = -1;
  {
    const auto file = files_.Open(Path("f"), OpenMode::kRead);
    fd = (*file)->DuplicateDescriptor().value();
  }
  std::array<char, 3> text{};
  EXPECT_EQ(read(fd, text.data(), text.size()), 3) << "the file object is closed already";
  EXPECT_EQ(write(fd, "x", 1), -1) << "read-only";
  close(fd);
}

TEST_F(PosixFileSystemTest, CarriesAWholeStore) {
  SeededRandom random(1);
  const std::string dir = Path("state");
  const Status created = FileSlotStore::Create(files_, dir, 2, random);
  ASSERT_TRUE(created) << created.error().Line();
  Bytes artifact(150'000);
  random.Fill(artifact);
  const Bytes manifest(200, 7);
  SlotRecord slot;
  slot.artifact = Sha256(artifact);
  slot.manifest = Sha256(manifest);
  slot.size_bytes = artifact.size();
  {
    auto store = FileSlotStore::Open(files_, dir);
    ASSERT_TRUE(store) << store.error().Line();
    const Status installed = (*store)->InstallFirst(MemorySource(artifact), manifest, slot);
    ASSERT_TRUE(installed) << installed.error().Line();
    ASSERT_TRUE((*store)->PushReport({1, true, Bytes(700, 3)}));
    EXPECT_EQ(FileSlotStore::Open(files_, dir).error().code, ErrorCode::kLocked);
  }
  const auto store = FileSlotStore::Open(files_, dir);
  ASSERT_TRUE(store) << store.error().Line();
  EXPECT_EQ((*store)->record().active, SlotId{0});
  EXPECT_EQ((*store)->PendingReports().size(), 1U);
  const auto opened = (*store)->OpenAndHash(0);
  ASSERT_TRUE(opened);
  EXPECT_EQ(opened->sha256, slot.artifact);
  close(opened->fd);
}

TEST_F(PosixFileSystemTest, StoreKeepsToItsDirectory) {
  SeededRandom random(1);
  ASSERT_TRUE(FileSlotStore::Create(files_, Path("state"), 3, random));
  EXPECT_THAT(files_.List(Path("state")).value(),
              ElementsAre("a", "b", "c", "directive.0", "directive.1", "documents", "instance",
                          "lock", "outbox", "state.0", "state.1"));
  EXPECT_THAT(files_.List(Path("state/b")).value(), ElementsAre("confirmed", "progress"));
  EXPECT_EQ(std::filesystem::file_size(Path("state/state.1")), 4096U);
  EXPECT_EQ(std::filesystem::file_size(Path("state/outbox")), 65536U);
  EXPECT_EQ(std::filesystem::file_size(Path("state/instance")), 16U);
}

}  // namespace
}  // namespace sluice::device
