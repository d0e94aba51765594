#include "rollout_engine/store/keys.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/support/memory_store.h"

namespace sluice {
namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();

TEST(StoreKey, NumbersSortAsTextTheWayTheySortAsNumbers) {
  const std::vector<std::uint64_t> rising = {0, 1, 9, 10, 99, 100, 4'294'967'296, kMax - 1, kMax};
  for (std::size_t i = 1; i < rising.size(); ++i) {
    EXPECT_LT(store_key::Number(rising[i - 1]), store_key::Number(rising[i]));
  }
}

TEST(StoreKey, NumbersComeBackFromTheirText) {
  for (const std::uint64_t number : {std::uint64_t{0}, std::uint64_t{42}, kMax}) {
    EXPECT_EQ(store_key::ParseNumber(store_key::Number(number)), number);
  }
}

TEST(StoreKey, RefusesTextsThatNumberNeverWrites) {
  for (const char* text : {"", "42", "0000000000000000004x", "-0000000000000000001",
                           "99999999999999999999", "000000000000000000042"}) {
    EXPECT_EQ(store_key::ParseNumber(text), std::nullopt) << text;
  }
}

TEST(StoreKey, ScanningBelowOneEntityDoesNotMeetAnother) {
  MemoryStore store;
  WriteBatch batch;
  for (const char* rollout : {"r-1", "r-10", "r-1.5"})
    batch.Put(store_key::Join("event", {rollout, "1"}), rollout);
  ASSERT_TRUE(store.Write(batch, true));
  std::vector<std::string> seen;
  ASSERT_TRUE(store.Scan(store_key::Below("event", {"r-1"}), [&](std::string_view key, ByteView) {
    seen.emplace_back(key);
    return true;
  }));
  EXPECT_EQ(seen, std::vector<std::string>{"event/r-1/1"});
}

TEST(StoreSchema, MarksAnEmptyStoreAndAcceptsItAfterwards) {
  MemoryStore store;
  ASSERT_TRUE(store_key::CheckSchema(store));
  EXPECT_EQ(store.synced_writes(), 1u);
  ASSERT_TRUE(store_key::CheckSchema(store));
  EXPECT_EQ(store.writes(), 1u);
}

TEST(StoreSchema, RefusesANewerStoreAndLeavesItAlone) {
  MemoryStore store;
  WriteBatch batch;
  batch.Put("meta/schema", std::to_string(store_key::kSchemaVersion + 1));
  ASSERT_TRUE(store.Write(batch, true));
  const Status checked = store_key::CheckSchema(store);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().Line(),
            "E_STORE_SCHEMA: the store has schema 2, this program reads 1; start the version of "
            "Sluice that wrote it");
  EXPECT_EQ(store.writes(), 1u);
}

TEST(StoreSchema, RefusesDataWithoutAVersion) {
  MemoryStore store;
  WriteBatch batch;
  batch.Put("release/a", "{}");
  ASSERT_TRUE(store.Write(batch, true));
  const Status checked = store_key::CheckSchema(store);
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().code, ErrorCode::kStoreCorrupt);
}

}  // namespace
}  // namespace sluice
