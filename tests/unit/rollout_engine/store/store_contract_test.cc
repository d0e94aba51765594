// What every implementation of the store port keeps, run against the one on disk and the one in
// memory.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "rollout_engine/store/rocksdb_store.h"
#include "tests/support/memory_store.h"

namespace sluice {
namespace {

class StoreContract : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string_view(GetParam()) == "memory") {
      store_ = std::make_unique<MemoryStore>();
      return;
    }
    char path[] = "/tmp/sluice-store-XXXXXX";
    ASSERT_NE(::mkdtemp(path), nullptr);
    folder_ = path;
    auto opened = RocksdbStore::Open(folder_ + "/db", RocksdbStore::Mode::kCreate);
    ASSERT_TRUE(opened) << opened.error().Line();
    store_ = std::move(*opened);
  }
  void TearDown() override {
    store_.reset();
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  std::vector<std::string> KeysWith(std::string_view prefix) {
    std::vector<std::string> keys;
    EXPECT_TRUE(store_->Scan(prefix, [&keys](std::string_view key, ByteView) {
      keys.emplace_back(key);
      return true;
    }));
    return keys;
  }

  std::string folder_;
  std::unique_ptr<Store> store_;
};

TEST_P(StoreContract, GivesNothingForAKeyThatWasNeverWritten) {
  const auto value = store_->Get("absent");
  ASSERT_TRUE(value);
  EXPECT_EQ(*value, std::nullopt);
}

TEST_P(StoreContract, GivesBackEveryByteOfAValue) {
  Bytes all_bytes(256);
  for (std::size_t i = 0; i < all_bytes.size(); ++i) all_bytes[i] = static_cast<std::uint8_t>(i);
  WriteBatch batch;
  batch.Put("binary", all_bytes);
  batch.Put("empty", Bytes{});
  ASSERT_TRUE(store_->Write(batch, true));
  EXPECT_EQ(store_->Get("binary").value(), all_bytes);
  EXPECT_EQ(store_->Get("empty").value(), Bytes{});
}

TEST_P(StoreContract, AppliesTheChangesOfABatchInTheirOrder) {
  WriteBatch batch;
  batch.Put("a", "first");
  batch.Put("a", "second");
  batch.Put("b", "gone");
  batch.Delete("b");
  batch.Delete("never there");
  ASSERT_TRUE(store_->Write(batch, false));
  EXPECT_EQ(AsText(store_->Get("a").value().value()), "second");
  EXPECT_EQ(store_->Get("b").value(), std::nullopt);
}

TEST_P(StoreContract, ScansAPrefixInByteOrderAndStopsWhenTold) {
  WriteBatch batch;
  for (const char* key : {"p/b", "p/a", "p/\xff", "o/z", "q"}) batch.Put(key, key);
  ASSERT_TRUE(store_->Write(batch, true));
  EXPECT_EQ(KeysWith("p/"), (std::vector<std::string>{"p/a", "p/b", "p/\xff"}));
  EXPECT_EQ(KeysWith("r"), std::vector<std::string>{});
  int visits = 0;
  ASSERT_TRUE(store_->Scan("p/", [&visits](std::string_view, ByteView) { return ++visits < 2; }));
  EXPECT_EQ(visits, 2);
}

INSTANTIATE_TEST_SUITE_P(Implementations, StoreContract, testing::Values("rocksdb", "memory"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(MemoryStore, LosesWhatWasNotSyncedWhenItCrashes) {
  MemoryStore store;
  WriteBatch first, second;
  first.Put("kept", "1");
  first.Put("changed", "old");
  ASSERT_TRUE(store.Write(first, true));
  second.Delete("kept");
  second.Put("changed", "new");
  second.Put("added", "2");
  ASSERT_TRUE(store.Write(second, false));
  const auto before = store.content().size();
  store.Crash();
  EXPECT_EQ(before, 2u);
  EXPECT_EQ(AsText(store.Get("kept").value().value()), "1");
  EXPECT_EQ(AsText(store.Get("changed").value().value()), "old");
  EXPECT_EQ(store.Get("added").value(), std::nullopt);
}

TEST(MemoryStore, FailsTheWriteThatTheTestNamesAndStaysReadOnly) {
  MemoryStore store;
  WriteBatch batch;
  batch.Put("a", "1");
  store.FailWrite(2);
  EXPECT_TRUE(store.Write(batch, true));
  batch.Put("b", "2");
  EXPECT_EQ(store.Write(batch, true).error().code, ErrorCode::kStoreIo);
  EXPECT_EQ(store.Write(batch, true).error().code, ErrorCode::kStoreReadonly);
  EXPECT_EQ(store.Get("b").value(), std::nullopt);
  store.Crash();
  EXPECT_TRUE(store.Write(batch, true));
}

}  // namespace
}  // namespace sluice
