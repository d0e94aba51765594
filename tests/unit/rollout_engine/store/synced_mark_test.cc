// A log that is cut short by a power cut and one that has rotted look the same to RocksDB; the mark
// tells them apart.
#include "rollout_engine/store/synced_mark.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "rollout_engine/store/keys.h"
#include "rollout_engine/store/rocksdb_store.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using Mode = RocksdbStore::Mode;

constexpr int kBatches = 20;

std::string ContentOf(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void SetContent(const fs::path& path, const std::string& content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
}

class SyncedMarkTest : public testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/sluice-mark-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    folder_ = path;
    db_ = folder_ + "/db";
    mark_ = fs::path(db_) / SyncedMark::kFileName;
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::unique_ptr<RocksdbStore> OpenOrDie(Mode mode = Mode::kCreate) {
    auto opened = RocksdbStore::Open(db_, mode);
    EXPECT_TRUE(opened) << opened.error().Line();
    return opened ? std::move(*opened) : nullptr;
  }
  static std::string Key(int number) {
    return store_key::Join("key", {store_key::Number(static_cast<std::uint64_t>(number))});
  }
  static void Put(Store& store, int number, bool sync = true) {
    WriteBatch batch;
    batch.Put(Key(number), std::string(200, 'v'));
    ASSERT_TRUE(store.Write(batch, sync));
  }
  void WriteSynced() {
    const auto store = OpenOrDie();
    for (int number = 0; number < kBatches; ++number) Put(*store, number);
  }
  static int CountIn(const Store& store) {
    int count = 0;
    EXPECT_TRUE(store.Scan("key/", [&count](std::string_view, ByteView) { return ++count > 0; }));
    return count;
  }
  fs::path Log() {
    for (const auto& entry : fs::directory_iterator(db_)) {
      if (entry.path().extension() == ".log" && fs::file_size(entry.path()) > 0) return entry;
    }
    ADD_FAILURE() << "no log";
    return {};
  }
  void FlipByteOfLog(std::size_t at) {
    const fs::path log = Log();
    std::string content = ContentOf(log);
    content.at(at) = static_cast<char>(content.at(at) ^ 0x40);
    SetContent(log, content);
  }
  void ExpectRefused(const std::string& because) {
    for (const Mode mode : {Mode::kReadOnly, Mode::kExisting, Mode::kCreate}) {
      const auto opened = RocksdbStore::Open(db_, mode);
      ASSERT_FALSE(opened);
      EXPECT_EQ(opened.error().code, ErrorCode::kStoreCorrupt);
      EXPECT_NE(opened.error().text.find(because), std::string::npos) << opened.error().text;
      EXPECT_NE(opened.error().text.find("restore a backup"), std::string::npos);
    }
  }

  std::string folder_;
  std::string db_;
  fs::path mark_;
};

TEST_F(SyncedMarkTest, RefusesALogWithAFlippedByteInTheMiddleAndLeavesItAsItIs) {
  WriteSynced();
  FlipByteOfLog(fs::file_size(Log()) / 2);
  const fs::path log = Log();
  const std::string damaged = ContentOf(log);
  ExpectRefused(": 11 lost");
  EXPECT_EQ(ContentOf(log), damaged) << "what is left of the records is for people to look at";
}

TEST_F(SyncedMarkTest, RefusesALogWhoseLastSyncedRecordDoesNotReadBack) {
  WriteSynced();
  FlipByteOfLog(fs::file_size(Log()) - 5);
  ExpectRefused(": 1 lost");
}

TEST_F(SyncedMarkTest, RefusesALogWithAFlippedByteAnywhere) {
  WriteSynced();
  const std::string log = ContentOf(Log());
  const fs::path path = Log();
  for (std::size_t at = 0; at < log.size(); at += 97) {
    FlipByteOfLog(at);
    EXPECT_FALSE(RocksdbStore::Open(db_, Mode::kReadOnly)) << "byte " << at;
    SetContent(path, log);
  }
  EXPECT_EQ(CountIn(*OpenOrDie()), kBatches);
}

TEST_F(SyncedMarkTest, RefusesAStoreWhoseLogIsGone) {
  WriteSynced();
  fs::remove(Log());
  ExpectRefused("readable up to");
}

TEST_F(SyncedMarkTest, GoesOnWithoutTheTornRecordThatNobodyWasPromised) {
  WriteSynced();
  Put(*OpenOrDie(), kBatches, false);
  fs::resize_file(Log(), fs::file_size(Log()) - 3);
  const auto store = OpenOrDie();
  EXPECT_EQ(CountIn(*store), kBatches);
  EXPECT_EQ(store->warning(), "");
}

TEST_F(SyncedMarkTest, MayBeBehindWhenItsWriterIsKilledBetweenTheTwo) {
  WriteSynced();
  const std::string before = ContentOf(mark_);
  Put(*OpenOrDie(), kBatches);
  SetContent(mark_, before);
  const auto store = OpenOrDie();
  EXPECT_EQ(CountIn(*store), kBatches + 1);
  EXPECT_EQ(store->warning(), "");
}

TEST_F(SyncedMarkTest, IsMadeAnewWithAWarningWhenItIsMissingOrDamaged) {
  for (const char* content : {"", "00000000000000000007 00000000000000000008\n", "gone"}) {
    WriteSynced();
    content == std::string("gone") ? (void)fs::remove(mark_) : SetContent(mark_, content);
    EXPECT_NE(OpenOrDie(Mode::kReadOnly)->warning(), "") << "a reader makes nothing";
    EXPECT_NE(OpenOrDie()->warning().find(mark_.string()), std::string::npos);
    EXPECT_EQ(OpenOrDie()->warning(), "");
    EXPECT_TRUE(SyncedMark::Read(db_).value());
  }
}

TEST_F(SyncedMarkTest, IsSilentAboutANewStoreAndGuardsItFromTheFirstChange) {
  const auto store = OpenOrDie();
  EXPECT_EQ(store->warning(), "");
  EXPECT_GT(SyncedMark::Read(db_).value().value(), 0U);
}

TEST_F(SyncedMarkTest, ComesAlongInACopyOfTheFolder) {
  WriteSynced();
  fs::copy(db_, folder_ + "/copy");
  { Put(*OpenOrDie(), kBatches); }
  fs::remove_all(db_);
  fs::rename(folder_ + "/copy", db_);
  const auto store = OpenOrDie();
  EXPECT_EQ(CountIn(*store), kBatches);
  EXPECT_EQ(store->warning(), "");
}

TEST_F(SyncedMarkTest, StandsInForLostDataWhenEverythingElseIsGone) {
  WriteSynced();
  for (const auto& entry : fs::directory_iterator(db_)) {
    if (entry.path() != mark_) fs::remove(entry.path());
  }
  ExpectRefused("CURRENT");
}

TEST_F(SyncedMarkTest, RaisesNoFalseAlarmForAReaderBesideABusyOwner) {
  const auto store = OpenOrDie();
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int number = 0; !stop; ++number) {  // big ones, so that tables are written and logs go
      WriteBatch batch;
      batch.Put(Key(number % 8), std::string(1 << 20, 'v'));
      if (!store->Write(batch, true)) return;
    }
  });
  for (int reader = 0; reader < 20; ++reader) {
    const auto opened = RocksdbStore::Open(db_, Mode::kReadOnly);
    EXPECT_TRUE(opened) << opened.error().Line();
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace sluice
