// What is served to whom: jobs, turns, budgets and windows.
#include "broker_plugin/chunk_server.h"

#include <algorithm>

#include "tests/unit/broker_plugin/chunk_server_fixture.h"

namespace sluice::plugin {
namespace {

using Numbers = std::vector<std::uint64_t>;

// ---- jobs ----

TEST_F(ChunkServerTest, SendsTheBytesThatWereAskedForAndOnlyFromTick) {
  ASSERT_TRUE(server_->OnFetch("a", Request(object_, {{8'192, 5'000}, {40'960, 4'096}}), {0}));
  EXPECT_TRUE(broker_.published.empty());
  EXPECT_TRUE(server_->HasPendingJobs());
  const auto sent = TickAt(0);
  EXPECT_EQ(ChunkNumbers(sent), (Numbers{2, 3, 10}));
  EXPECT_EQ(sent[0].device, "a");
  EXPECT_EQ(sent[0].chunk.object_id, object_.Prefix64());
  EXPECT_EQ(sent[0].chunk.request_id, 5U);
  EXPECT_FALSE(server_->HasPendingJobs());
}

TEST_F(ChunkServerTest, EndsWithTheRestOfTheObject) {
  const Digest small = Put(2, kChunk + 7);
  server_->OnFetch("a", Request(small, {{0, 0}}), {0});
  const auto sent = DrainAt(0);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[1].chunk.data.size(), 7U);
}

TEST_F(ChunkServerTest, LeavesWhatItDoesNotHaveToTheEngine) {
  Digest unknown;
  unknown.bytes.fill(9);
  EXPECT_FALSE(server_->OnFetch("a", Request(unknown, {{0, 0}}), {0}));
  EXPECT_FALSE(server_->HasPendingJobs());
}

TEST_F(ChunkServerTest, EndsTheJobOfADeviceThatTurnsToAnObjectOfTheEngine) {
  server_->OnFetch("a", Chunks(0, 10), {0});
  Digest unknown;
  unknown.bytes.fill(9);
  EXPECT_FALSE(server_->OnFetch("a", Request(unknown, {{0, 0}}), {0}));
  EXPECT_TRUE(TickAt(0).empty());
}

TEST_F(ChunkServerTest, ExtendsAJobByRangesOfTheSameObject) {
  server_->OnFetch("a", Chunks(0, 2), {0});
  server_->OnFetch("a", Chunks(5, 2), {0});
  server_->OnFetch("a", Chunks(2, 1), {0});
  EXPECT_EQ(ChunkNumbers(TickAt(0)), (Numbers{0, 1, 2, 5, 6}));
}

TEST_F(ChunkServerTest, ReplacesAJobWhenItsDeviceAsksAgainForWhatIsStillUnsent) {
  server_->OnFetch("a", Chunks(0, 8), {0});
  server_->OnFetch("a", Chunks(6, 2), {0});
  EXPECT_EQ(ChunkNumbers(TickAt(0)), (Numbers{6, 7}));
}

TEST_F(ChunkServerTest, ReplacesAJobByAnotherObjectOrAnotherChunkSize) {
  const Digest other = Put(2, 10 * kChunk);
  server_->OnFetch("a", Chunks(0, 8), {0});
  server_->OnFetch("a", Request(other, {{0, kChunk}}), {0});
  const auto sent = TickAt(0);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].chunk.object_id, other.Prefix64());

  server_->OnFetch("a", Chunks(0, 8), {0});
  server_->OnFetch("a", Request(object_, {{16 * 1'024, 1'024}}, 65'536, 1'024), {0});
  const auto smaller = TickAt(0);
  ASSERT_EQ(smaller.size(), 1U);
  EXPECT_EQ(smaller[0].chunk.data.size(), 1'024U);
  EXPECT_EQ(smaller[0].chunk.offset, 16U * 1'024);
}

TEST_F(ChunkServerTest, OwesNothingBehindTheEndOfAnObject) {
  ASSERT_TRUE(server_->OnFetch("a", Request(object_, {{500 * kChunk, kChunk}}), {0}));
  EXPECT_FALSE(server_->HasPendingJobs());
}

TEST_F(ChunkServerTest, DropsTheJobOfADeviceThatIsSilentForThirtySeconds) {
  server_->SetBudget(limits::kTickBytesMin, 0, 0, {0});
  server_->OnFetch("a", Chunks(0, 100), {0});
  EXPECT_FALSE(TickAt(limits::kChunkJobSilenceMax).empty());
  EXPECT_TRUE(TickAt(limits::kChunkJobSilenceMax + 1).empty());
  EXPECT_FALSE(server_->HasPendingJobs());
  EXPECT_EQ(Counters().dropped_silent, 1U);
}

TEST_F(ChunkServerTest, DropsTheJobOfADeviceThatDisconnects) {
  server_->OnFetch("a", Chunks(0, 8), {0});
  server_->OnFetch("b", Chunks(0, 1), {0});
  server_->OnDisconnect("a");
  server_->OnDisconnect("nobody");
  const auto sent = DrainAt(0);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].device, "b");
}

// ---- turns, budgets, rates ----

TEST_F(ChunkServerTest, SendsAFewChunksPerDeviceInTurn) {
  server_->OnFetch("greedy", Chunks(0, 10), {0});
  server_->OnFetch("modest", Chunks(0, 6), {0});
  std::string order;
  for (const Sent& sent : TickAt(0)) order += sent.device[0];
  EXPECT_EQ(order, "ggmmggmmggmmgggg");
}

TEST_F(ChunkServerTest, KeepsTurnsAtADevicesOwnRate) {
  // One chunk at a time: what is over its rate is not sent because its turn is not over.
  server_->SetBudget(limits::kTickBytesDefault, 0, 4'096, {0});
  server_->OnFetch("slow", Chunks(0, 10), {0});
  EXPECT_EQ(TickAt(0).size(), 1U);
}

TEST_F(ChunkServerTest, SendsItsBudgetPerTickAndGoesOnWithWhoeverIsNext) {
  for (int i = 0; i < 100; ++i) server_->OnFetch("dev-" + std::to_string(i), Chunks(0, 100), {0});
  const auto first = TickAt(0);
  EXPECT_EQ(BytesOf(first), limits::kTickBytesDefault);
  EXPECT_EQ(first.back().device, "dev-31");
  const auto second = TickAt(0);
  EXPECT_EQ(BytesOf(second), limits::kTickBytesDefault);
  EXPECT_EQ(second.front().device, "dev-32");
}

TEST_F(ChunkServerTest, GivesEveryDeviceTheSameWhileAllAskForMore) {
  std::map<std::string, std::size_t> bytes;
  for (int i = 0; i < 50; ++i) server_->OnFetch("dev-" + std::to_string(i), Chunks(0, 128), {0});
  for (int tick = 0; tick < 60; ++tick) {
    for (const Sent& sent : TickAt(0)) bytes[sent.device] += sent.chunk.data.size();
  }
  ASSERT_EQ(bytes.size(), 50U);
  const auto [least, most] = std::minmax_element(
      bytes.begin(), bytes.end(), [](auto& a, auto& b) { return a.second < b.second; });
  EXPECT_LE(most->second - least->second, limits::kTurnChunks * 4'096) << "one turn apart";
}

TEST_F(ChunkServerTest, KeepsItsBudgetBetween64KiBAnd1MiB) {
  for (int i = 0; i < 10; ++i) server_->OnFetch("dev-" + std::to_string(i), Chunks(0, 128), {0});
  server_->SetBudget(1, 0, 0, {0});
  EXPECT_EQ(BytesOf(TickAt(0)), limits::kTickBytesMin);
  server_->SetBudget(SIZE_MAX, 0, 0, {0});
  EXPECT_EQ(BytesOf(TickAt(0)), limits::kTickBytesMax);
}

TEST_F(ChunkServerTest, SendsMoreAtATimeWhileNobodyElseUsesTheBroker) {
  for (int i = 0; i < 40; ++i) server_->OnFetch("dev-" + std::to_string(i), Chunks(0, 128), {0});
  server_->OnForeignMessage({0});
  EXPECT_EQ(BytesOf(TickAt(0)), 256U << 10);
  EXPECT_EQ(BytesOf(TickAt(limits::kQuietBeforeGrowth - 1)), 256U << 10);
  EXPECT_EQ(BytesOf(TickAt(limits::kQuietBeforeGrowth)), 256U << 10);
  EXPECT_EQ(BytesOf(TickAt(101)), 512U << 10);
  EXPECT_EQ(BytesOf(TickAt(102)), 1'024U << 10);
  EXPECT_EQ(BytesOf(TickAt(103)), 1'024U << 10);
  server_->OnForeignMessage({103});
  EXPECT_EQ(BytesOf(TickAt(104)), 256U << 10);
}

TEST_F(ChunkServerTest, KeepsToTheRateOfAllDevicesTogether) {
  Restart({.bytes_per_s = 1'000'000});
  std::size_t sent_bytes = 0;
  for (std::int64_t ms = 0; ms < 4'000; ++ms) {
    for (const char* device : {"a", "b", "c"}) {
      if (ms % 100 == 0) server_->OnFetch(device, Chunks(0, 128), {ms});
    }
    sent_bytes += BytesOf(TickAt(ms));
  }
  EXPECT_GE(sent_bytes, 4'000'000U);
  EXPECT_LE(sent_bytes, 4'000'000U + 250'000 + kChunk);
}

TEST_F(ChunkServerTest, KeepsToTheRateOfEachDeviceAlsoOverSeveralWindows) {
  Restart({.device_bytes_per_s = 100'000});
  std::map<std::string, std::size_t> bytes;
  for (std::int64_t ms = 0; ms < 4'000; ++ms) {
    for (const char* device : {"a", "b"}) {
      // A window at a time: the job ends in between, its rate must not.
      if (ms % 20 == 0)
        server_->OnFetch(device, Chunks(static_cast<std::uint64_t>(ms / 20), 1), {ms});
    }
    for (const Sent& sent : TickAt(ms)) bytes[sent.device] += sent.chunk.data.size();
  }
  for (const char* device : {"a", "b"}) {
    EXPECT_GE(bytes[device], 400'000U) << device;
    EXPECT_LE(bytes[device], 400'000U + 25'000 + kChunk) << device;
  }
}

// ---- windows ----

TEST_F(ChunkServerTest, OwesADeviceAtMostTheWindowThatItNamed) {
  server_->OnFetch("a", Request(object_, {{0, 0}}, 5 * kChunk), {0});
  EXPECT_EQ(DrainAt(0).size(), 5U);
  server_->OnFetch("a", Request(object_, {{0, 0}}, 1), {0});
  EXPECT_EQ(DrainAt(0).size(), 1U);
}

TEST_F(ChunkServerTest, OwesADeviceAtMost512KiBHoweverOftenItAsks) {
  Restart({.queue_length = 1'000});
  for (std::uint64_t i = 0; i < 4; ++i) server_->OnFetch("a", Chunks(i * 100, 100), {0});
  EXPECT_EQ(BytesOf(DrainAt(0)), sluice::limits::kWindowBytesMax);
}

TEST_F(ChunkServerTest, OwesADeviceAtMostFourFifthsOfTheQueueThatTheBrokerKeepsForIt) {
  Restart({.queue_length = 20});
  server_->OnFetch("a", Request(object_, {{0, 0}}), {0});
  EXPECT_EQ(DrainAt(0).size(), 16U);
  EXPECT_EQ(server_->Snapshot({0}).max_window_bytes, 16U * sluice::limits::kChunkBytesDefault);
  Restart({.queue_length = 1});
  server_->OnFetch("a", Request(object_, {{0, 0}}), {0});
  EXPECT_EQ(DrainAt(0).size(), 1U);
  Restart({.queue_length = 0});
  EXPECT_EQ(server_->Snapshot({0}).max_window_bytes, sluice::limits::kWindowBytesMax);
}

// ---- status ----

TEST_F(ChunkServerTest, SaysWhatItDoes) {
  server_->OnFetch("a", Chunks(0, 80), {500});
  const auto sent = TickAt(500);
  const auto status = server_->Snapshot({500});
  EXPECT_TRUE(status.serving);
  EXPECT_EQ(status.jobs, 1U);
  EXPECT_EQ(status.chunk_bytes_max, sluice::limits::kChunkBytesMax);
  EXPECT_EQ(status.counters.fetches, 1U);
  EXPECT_EQ(status.counters.chunks, sent.size());
  EXPECT_EQ(status.counters.bytes, BytesOf(sent));
  const auto jobs = server_->ListJobs(10, {600});
  ASSERT_EQ(jobs.size(), 1U);
  EXPECT_EQ(jobs[0].device, "a");
  EXPECT_EQ(jobs[0].object, object_);
  EXPECT_EQ(jobs[0].unsent_bytes, (80 - sent.size()) * kChunk);
  EXPECT_EQ(jobs[0].asked_ms_ago, 100);
  EXPECT_TRUE(server_->ListJobs(0, {600}).empty());
}

TEST_F(ChunkServerTest, MeasuresItsRateOverTheLastWholeSecond) {
  server_->OnFetch("a", Chunks(0, 50), {500});
  TickAt(500);
  TickAt(1'000);
  EXPECT_EQ(server_->Snapshot({1'000}).bytes_per_s, 50U * kChunk);
  TickAt(2'000);
  EXPECT_EQ(server_->Snapshot({2'000}).bytes_per_s, 0U);
}

}  // namespace
}  // namespace sluice::plugin
