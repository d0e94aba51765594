#include "broker_plugin/chunk_runs.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace sluice::plugin {
namespace {

std::vector<std::uint64_t> Drain(ChunkRuns runs) {
  std::vector<std::uint64_t> chunks;
  for (; !runs.empty(); runs.PopFront()) chunks.push_back(runs.front().first);
  return chunks;
}

TEST(ChunkRuns, GivesOutTheLowestChunkFirst) {
  ChunkRuns runs;
  EXPECT_TRUE(runs.Add({7, 8}, 100));
  EXPECT_TRUE(runs.Add({2, 3}, 100));
  EXPECT_EQ(runs.count(), 4U);
  EXPECT_EQ(Drain(runs), (std::vector<std::uint64_t>{2, 3, 7, 8}));
}

TEST(ChunkRuns, JoinsWhatTouches) {
  ChunkRuns runs;
  runs.Add({0, 1}, 100);
  runs.Add({4, 5}, 100);
  runs.Add({2, 3}, 100);
  EXPECT_EQ(runs.front(), (ChunkRuns::Run{0, 5}));
  EXPECT_EQ(runs.count(), 6U);
}

TEST(ChunkRuns, StopsAtTheRoomItIsGiven) {
  ChunkRuns runs;
  EXPECT_FALSE(runs.Add({0, 9}, 4));
  EXPECT_EQ(Drain(runs), (std::vector<std::uint64_t>{0, 1, 2, 3}));
  EXPECT_FALSE(runs.Add({20, 20}, 4));
  EXPECT_EQ(runs.count(), 4U);
}

TEST(ChunkRuns, NeedsNoRoomForWhatIsOwedAlready) {
  ChunkRuns runs;
  runs.Add({0, 3}, 4);
  EXPECT_TRUE(runs.Add({1, 3}, 4));
  EXPECT_FALSE(runs.Add({0, 4}, 4));
  EXPECT_EQ(runs.count(), 4U);
}

TEST(ChunkRuns, SeesWhatOverlaps) {
  ChunkRuns runs;
  runs.Add({4, 6}, 100);
  EXPECT_TRUE(runs.Overlaps({6, 9}));
  EXPECT_TRUE(runs.Overlaps({0, 4}));
  EXPECT_TRUE(runs.Overlaps({5, 5}));
  EXPECT_FALSE(runs.Overlaps({0, 3}));
  EXPECT_FALSE(runs.Overlaps({7, 9}));
  EXPECT_FALSE(ChunkRuns().Overlaps({0, 9}));
}

TEST(ChunkRuns, IsASetOfNumbersWithARoom) {
  std::mt19937_64 random(20'261'128);
  for (int round = 0; round < 2'000; ++round) {
    ChunkRuns runs;
    std::set<std::uint64_t> model;
    for (int step = 0; step < 12; ++step) {
      const std::uint64_t first = random() % 40;
      const std::uint64_t last = first + random() % 12;
      const std::uint64_t room = random() % 30;
      bool overlaps = false;
      for (std::uint64_t chunk = first; chunk <= last; ++chunk)
        overlaps = overlaps || model.contains(chunk);
      ASSERT_EQ(runs.Overlaps({first, last}), overlaps) << "round " << round;
      bool all = true;
      for (std::uint64_t chunk = first; all && chunk <= last; ++chunk) {
        if (model.contains(chunk)) continue;
        all = model.size() < room;
        if (all) model.insert(chunk);
      }
      ASSERT_EQ(runs.Add({first, last}, room), all) << "round " << round;
      ASSERT_EQ(runs.count(), model.size()) << "round " << round;
      ASSERT_EQ(Drain(runs), std::vector<std::uint64_t>(model.begin(), model.end()))
          << "round " << round;
    }
  }
}

}  // namespace
}  // namespace sluice::plugin
