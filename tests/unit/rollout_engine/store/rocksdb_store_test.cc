#include "rollout_engine/store/rocksdb_store.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "rollout_engine/store/keys.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using Mode = RocksdbStore::Mode;

class RocksdbStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/sluice-rocksdb-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    folder_ = path;
    db_ = folder_ + "/db";
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::unique_ptr<RocksdbStore> OpenOrDie(Mode mode = Mode::kCreate) {
    auto opened = RocksdbStore::Open(db_, mode);
    EXPECT_TRUE(opened) << opened.error().Line();
    return opened ? std::move(*opened) : nullptr;
  }
  Error OpenError(Mode mode = Mode::kCreate) {
    const auto opened = RocksdbStore::Open(db_, mode);
    EXPECT_FALSE(opened);
    return opened ? Error{ErrorCode::kOk, ""} : opened.error();
  }
  static Status Put(Store& store, std::string key, std::string_view value) {
    WriteBatch batch;
    batch.Put(std::move(key), value);
    return store.Write(batch, true);
  }
  /// Opening again moves the log into a sorted table, so that there is one to damage.
  fs::path OneFile(std::string_view suffix) {
    for (const auto& entry : fs::directory_iterator(db_)) {
      if (entry.path().filename().string().find(suffix) != std::string::npos) return entry.path();
    }
    ADD_FAILURE() << "no file with " << suffix;
    return {};
  }
  static void FlipByte(const fs::path& path, std::streamoff at) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(at);
    const char flipped = static_cast<char>(file.get() ^ 0x40);
    file.seekp(at);
    file.put(flipped);
  }
  void MakeTable() {
    { ASSERT_TRUE(Put(*OpenOrDie(), "key", std::string(1000, 'v'))); }
    { OpenOrDie(); }
  }

  std::string folder_;
  std::string db_;
};

TEST_F(RocksdbStoreTest, HoldsItsContentOverAReopen) {
  { ASSERT_TRUE(Put(*OpenOrDie(), "a", "1")); }
  EXPECT_EQ(AsText(OpenOrDie(Mode::kExisting)->Get("a").value().value()), "1");
}

TEST_F(RocksdbStoreTest, SaysThatThereIsNoStoreInsteadOfMakingOne) {
  EXPECT_EQ(OpenError(Mode::kExisting).code, ErrorCode::kNotFound);
  EXPECT_EQ(OpenError(Mode::kReadOnly).code, ErrorCode::kNotFound);
  EXPECT_FALSE(fs::exists(db_));
}

TEST_F(RocksdbStoreTest, RefusesASecondOpenerWithThePidOfTheFirst) {
  const auto first = OpenOrDie();
  const Error error = OpenError();
  EXPECT_EQ(error.code, ErrorCode::kLocked);
  EXPECT_NE(error.text.find("by pid " + std::to_string(::getpid())), std::string::npos)
      << error.text;
}

TEST_F(RocksdbStoreTest, CanBeReadBesideItsOwnerButNotWritten) {
  const auto owner = OpenOrDie();
  ASSERT_TRUE(Put(*owner, "a", "1"));
  const auto reader = OpenOrDie(Mode::kReadOnly);
  EXPECT_EQ(AsText(reader->Get("a").value().value()), "1");
  EXPECT_FALSE(Put(*reader, "b", "2"));
}

TEST_F(RocksdbStoreTest, KeepsEverySyncedBatchWhenItsWriterIsKilled) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, pipe_ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, pipe_ends[0]);
  const std::string program = SLUICE_STORE_WRITER;
  char* arguments[] = {const_cast<char*>(program.c_str()), db_.data(), nullptr};
  pid_t writer = 0;
  ASSERT_EQ(::posix_spawn(&writer, program.c_str(), &actions, nullptr, arguments, environ), 0);
  posix_spawn_file_actions_destroy(&actions);
  ::close(pipe_ends[1]);

  std::uint64_t durable = 0;
  while (durable < 200 && ::read(pipe_ends[0], &durable, sizeof durable) == sizeof durable) {
  }
  ASSERT_EQ(durable, 200u);
  EXPECT_EQ(OpenError().code, ErrorCode::kLocked);
  ASSERT_EQ(::kill(writer, SIGKILL), 0);
  ASSERT_EQ(::waitpid(writer, nullptr, 0), writer);
  for (std::uint64_t more = 0; ::read(pipe_ends[0], &more, sizeof more) == sizeof more;)
    durable = more;
  ::close(pipe_ends[0]);

  const auto store = OpenOrDie(Mode::kExisting);
  for (std::uint64_t number = 1; number <= durable + 1; ++number) {
    const bool left =
        store->Get(store_key::Join("left", {store_key::Number(number)})).value().has_value();
    const bool right =
        store->Get(store_key::Join("right", {store_key::Number(number)})).value().has_value();
    EXPECT_EQ(left, right) << "batch " << number << " is torn";
    EXPECT_TRUE(left || number > durable) << "batch " << number << " is lost";
  }
}

TEST_F(RocksdbStoreTest, TakesNoMoreWritesAfterOneFailedUntilItIsOpenedAgain) {
  auto store = OpenOrDie();
  ASSERT_TRUE(Put(*store, "before", "1"));
  rlimit full{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &full), 0);
  rlimit small = full;
  small.rlim_cur = 4096;
  ::signal(SIGXFSZ, SIG_IGN);  // the write fails with EFBIG instead
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const Status failing = Put(*store, "big", std::string(1 << 16, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);

  ASSERT_FALSE(failing);
  EXPECT_EQ(failing.error().code, ErrorCode::kStoreIo) << failing.error().Line();
  EXPECT_EQ(Put(*store, "after", "2").error().code, ErrorCode::kStoreReadonly);
  EXPECT_EQ(AsText(store->Get("before").value().value()), "1");
  store.reset();
  store = OpenOrDie();
  EXPECT_EQ(AsText(store->Get("before").value().value()), "1");
  EXPECT_EQ(store->Get("after").value(), std::nullopt);
  EXPECT_TRUE(Put(*store, "after", "2"));
}

TEST_F(RocksdbStoreTest, RefusesATableWithAFlippedByteAndNamesIt) {
  MakeTable();
  const fs::path table = OneFile(".sst");
  FlipByte(table, 40);
  const Error error = OpenError();
  EXPECT_EQ(error.code, ErrorCode::kStoreCorrupt);
  EXPECT_NE(error.text.find("file=" + table.string()), std::string::npos) << error.text;
  EXPECT_NE(error.text.find("restore"), std::string::npos) << error.text;
}

TEST_F(RocksdbStoreTest, RefusesAMissingTable) {
  MakeTable();
  fs::remove(OneFile(".sst"));
  EXPECT_EQ(OpenError().code, ErrorCode::kStoreCorrupt);
}

TEST_F(RocksdbStoreTest, RefusesADamagedManifest) {
  MakeTable();
  FlipByte(OneFile("MANIFEST-"), 10);
  EXPECT_EQ(OpenError().code, ErrorCode::kStoreCorrupt);
}

TEST_F(RocksdbStoreTest, NeverStartsEmptyBesideOrphanedData) {
  MakeTable();
  fs::remove(fs::path(db_) / "CURRENT");
  const Error error = OpenError();
  EXPECT_EQ(error.code, ErrorCode::kStoreCorrupt);
  EXPECT_NE(error.text.find("/CURRENT"), std::string::npos) << error.text;
}

TEST_F(RocksdbStoreTest, RefusesAStoreOfANewerSchema) {
  { ASSERT_TRUE(Put(*OpenOrDie(), "meta/schema", "999")); }
  EXPECT_EQ(OpenError().code, ErrorCode::kStoreSchema);
}

TEST_F(RocksdbStoreTest, RefusesABatchBeyondItsLimitAndGoesOn) {
  const auto store = OpenOrDie();
  WriteBatch batch;
  batch.Put("huge", Bytes((std::size_t{64} << 20) + 1));
  EXPECT_EQ(store->Write(batch, true).error().code, ErrorCode::kTooBig);
  EXPECT_TRUE(Put(*store, "small", "1"));
}

TEST_F(RocksdbStoreTest, SaysWhichFolderItCannotWrite) {
  const auto opened = RocksdbStore::Open("/proc/nowhere/db", Mode::kCreate);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::kStoreIo);
  EXPECT_NE(opened.error().text.find("/proc/nowhere/db"), std::string::npos);
}

}  // namespace
}  // namespace sluice
