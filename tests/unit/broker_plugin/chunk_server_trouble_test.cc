// What is not served, and what happens when files, disks or the broker fail.
#include "tests/unit/broker_plugin/chunk_server_fixture.h"

namespace sluice::plugin {
namespace {

// ---- refusals ----

TEST_F(ChunkServerTest, EndsTheJobsOfABlockedObjectWithOneDeniedEach) {
  const Digest other = Put(2, 10 * kChunk);
  server_->OnFetch("a", Chunks(0, 100), {0});
  server_->OnFetch("b", Request(other, {{0, kChunk}}), {0});
  ASSERT_FALSE(TickAt(0).empty());
  server_->OnFetch("b", Request(other, {{0, kChunk}}), {0});
  server_->Block({object_});
  const auto sent = DrainAt(0);
  ASSERT_EQ(sent.size(), 2U);
  EXPECT_EQ(sent[0].device, "a");
  EXPECT_EQ(sent[0].chunk.status, ChunkStatus::kDenied);
  EXPECT_EQ(sent[0].chunk.object_id, object_.Prefix64());
  EXPECT_EQ(sent[0].chunk.request_id, 5U);
  EXPECT_EQ(sent[1].device, "b");
  EXPECT_EQ(sent[1].chunk.status, ChunkStatus::kOk);
}

TEST_F(ChunkServerTest, DeniesLaterFetchesOfABlockedObjectUntilItIsNoLongerBlocked) {
  server_->Block({object_});
  EXPECT_TRUE(server_->OnFetch("a", Chunks(0, 1), {0}));
  EXPECT_TRUE(server_->OnFetch("a", Chunks(0, 1), {0}));
  const auto sent = DrainAt(0);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].chunk.status, ChunkStatus::kDenied);
  server_->Block({});
  server_->OnFetch("a", Chunks(0, 1), {0});
  EXPECT_EQ(DrainAt(0).at(0).chunk.status, ChunkStatus::kOk);
}

TEST_F(ChunkServerTest, DeniesABlockedObjectThatItDoesNotHave) {
  Digest unknown;
  unknown.bytes.fill(9);
  server_->Block({unknown});
  EXPECT_TRUE(server_->OnFetch("a", Request(unknown, {{0, 0}}), {0}));
  EXPECT_EQ(DrainAt(0).at(0).chunk.status, ChunkStatus::kDenied);
}

TEST_F(ChunkServerTest, ServesNothingWhenMoreIsBlockedThanItCanRemember) {
  server_->OnFetch("a", Chunks(0, 1), {0});
  std::set<Digest> blocked;
  for (std::size_t i = 0; i <= limits::kBlockedObjectsMax; ++i) {
    Digest digest;
    StoreLe<std::uint32_t>(digest.bytes.data(), static_cast<std::uint32_t>(i));
    blocked.insert(digest);
  }
  server_->Block(blocked);
  EXPECT_EQ(DrainAt(0).at(0).chunk.status, ChunkStatus::kBusy);
  EXPECT_FALSE(server_->OnFetch("a", Chunks(0, 1), {0}));
  EXPECT_FALSE(server_->Snapshot({0}).serving);
  server_->Block({});
  EXPECT_TRUE(server_->OnFetch("a", Chunks(0, 1), {0}));
}

TEST_F(ChunkServerTest, LeavesEverythingToTheEngineWhilePaused) {
  server_->OnFetch("a", Chunks(0, 10), {0});
  server_->Pause();
  EXPECT_FALSE(server_->Snapshot({0}).serving);
  const auto sent = DrainAt(0);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].chunk.status, ChunkStatus::kBusy);
  EXPECT_FALSE(server_->OnFetch("a", Chunks(0, 10), {0}));
  server_->Resume();
  EXPECT_TRUE(server_->OnFetch("a", Chunks(0, 10), {0}));
  EXPECT_EQ(DrainAt(0).size(), 10U);
}

TEST_F(ChunkServerTest, SaysBusyToWhomThereIsNoRoomForAndServesThoseItHas) {
  for (std::size_t i = 0; i < limits::kChunkJobsMax; ++i)
    server_->OnFetch("dev-" + std::to_string(i), Chunks(0, 1), {0});
  EXPECT_TRUE(server_->OnFetch("late", Chunks(0, 1), {0}));
  EXPECT_TRUE(server_->OnFetch("dev-0", Chunks(1, 1), {0}));
  EXPECT_EQ(server_->Snapshot({0}).jobs, limits::kChunkJobsMax);
  const auto sent = TickAt(0);
  EXPECT_EQ(sent.at(0).device, "late");
  EXPECT_EQ(sent.at(0).chunk.status, ChunkStatus::kBusy);
  EXPECT_EQ(sent.at(1).device, "dev-0");
}

TEST_F(ChunkServerTest, RemembersABoundedNumberOfRefusalsAndSendsAFewPerTick) {
  server_->Block({object_});
  for (std::size_t i = 0; i < limits::kRefusalsMax + 100; ++i)
    server_->OnFetch("dev-" + std::to_string(i), Chunks(0, 1), {0});
  EXPECT_EQ(TickAt(0).size(), limits::kTickRefusalsMax);
  EXPECT_EQ(DrainAt(0).size(), limits::kRefusalsMax - limits::kTickRefusalsMax);
}

TEST_F(ChunkServerTest, TellsNothingToADeviceThatHasGone) {
  server_->Block({object_});
  server_->OnFetch("a", Chunks(0, 1), {0});
  server_->OnDisconnect("a");
  EXPECT_FALSE(server_->HasPendingJobs());
}

// ---- files ----

TEST_F(ChunkServerTest, EndsAJobWithBusyWhenItsFileIsShorterThanItWas) {
  server_->OnFetch("a", Chunks(0, 10), {0});
  std::filesystem::resize_file(PathOf(object_), 5 * kChunk + 1);
  const auto sent = DrainAt(0);
  ASSERT_EQ(sent.size(), 6U);
  EXPECT_EQ(sent[4].chunk.status, ChunkStatus::kOk);
  EXPECT_EQ(sent[5].chunk.status, ChunkStatus::kBusy);
  EXPECT_TRUE(sent[5].chunk.data.empty());
  EXPECT_EQ(Counters().read_failed, 1U);
}

TEST_F(ChunkServerTest, EndsAJobWithBusyWhenItsFileIsAnotherOneByNow) {
  server_->OnFetch("a", Chunks(0, 10), {0});
  std::filesystem::remove(PathOf(object_));
  std::ofstream(PathOf(object_)) << "short";
  files_.Forget(object_);
  const auto sent = DrainAt(0);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].chunk.status, ChunkStatus::kBusy);
  EXPECT_EQ(Counters().read_failed, 1U);
}

// ---- cold disks ----

TEST_F(ChunkServerTest, HandsAColdRangeToTheReaderAndServesOthersMeanwhile) {
  reads_.is_cold = true;
  server_->OnFetch("cold", Chunks(4, 6), {0});
  EXPECT_TRUE(TickAt(0).empty());
  ASSERT_EQ(ahead_.wanted.size(), 1U);
  EXPECT_EQ(ahead_.wanted[0], (ByteRange{4 * kChunk, 6 * kChunk}));
  reads_.is_cold = false;
  server_->OnFetch("warm", Chunks(0, 1), {0});
  const auto sent = TickAt(0);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].device, "warm");
  EXPECT_EQ(ahead_.wanted.size(), 1U);
  ahead_.Finish(true);
  EXPECT_EQ(ChunkNumbers(TickAt(0)), (std::vector<std::uint64_t>{4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(reads_.blocking, 0);
  EXPECT_EQ(Counters().cold, 1U);
}

TEST_F(ChunkServerTest, ReadsWhatIsStillColdAfterReadingAheadAllTheSame) {
  reads_.is_cold = true;
  server_->OnFetch("a", Chunks(0, 3), {0});
  TickAt(0);
  ahead_.Finish(true);
  EXPECT_EQ(TickAt(0).size(), 3U);
  EXPECT_EQ(reads_.blocking, 3);
  EXPECT_EQ(Counters().blocking_reads, 3U);
  EXPECT_EQ(ahead_.wanted.size(), 1U);
}

TEST_F(ChunkServerTest, NeverReadsAheadBehindTheEndOfTheObject) {
  const Digest small = Put(2, kChunk + 7);
  reads_.is_cold = true;
  server_->OnFetch("a", Request(small, {{0, 0}}), {0});
  TickAt(0);
  EXPECT_EQ(ahead_.wanted.at(0), (ByteRange{0, kChunk + 7}));
}

TEST_F(ChunkServerTest, EndsAJobWithBusyWhenTheReaderFails) {
  reads_.is_cold = true;
  server_->OnFetch("a", Chunks(0, 3), {0});
  TickAt(0);
  ahead_.Finish(false);
  const auto sent = DrainAt(0);
  ASSERT_EQ(sent.size(), 1U);
  EXPECT_EQ(sent[0].chunk.status, ChunkStatus::kBusy);
  EXPECT_EQ(Counters().read_failed, 1U);
}

TEST_F(ChunkServerTest, AsksTheReaderAgainInALaterTickWhenItHasNoRoom) {
  reads_.is_cold = true;
  ahead_.is_full = true;
  server_->OnFetch("a", Chunks(0, 3), {0});
  EXPECT_TRUE(TickAt(0).empty());
  ahead_.is_full = false;
  EXPECT_TRUE(TickAt(0).empty());
  ASSERT_EQ(ahead_.wanted.size(), 1U);
  ahead_.Finish(true);
  EXPECT_EQ(TickAt(0).size(), 3U);
}

TEST_F(ChunkServerTest, IgnoresAReadWhoseJobHasGoneOrWantsSomethingElse) {
  const Digest other = Put(2, 10 * kChunk);
  reads_.is_cold = true;
  server_->OnFetch("a", Chunks(0, 3), {0});
  TickAt(0);
  server_->OnFetch("a", Request(other, {{0, kChunk}}), {0});
  ahead_.Finish(false);  // of the first object
  EXPECT_TRUE(TickAt(0).empty());
  EXPECT_EQ(ahead_.wanted.size(), 2U);
  server_->OnDisconnect("a");
  ahead_.Finish(true);
  EXPECT_TRUE(TickAt(0).empty());
  EXPECT_EQ(Counters().read_failed, 0U);
}

TEST_F(ChunkServerTest, LooksAtABoundedNumberOfWaitingJobsPerTick) {
  reads_.is_cold = true;
  for (std::size_t i = 0; i < 2 * limits::kTickSkipsMax; ++i)
    server_->OnFetch("dev-" + std::to_string(i), Chunks(0, 1), {0});
  TickAt(0);
  EXPECT_EQ(ahead_.wanted.size(), limits::kTickSkipsMax);
  TickAt(0);
  EXPECT_EQ(ahead_.wanted.size(), 2 * limits::kTickSkipsMax);
}

// ---- the broker ----

TEST_F(ChunkServerTest, LosesNothingWhenTheBrokerHasNoMemory) {
  server_->OnFetch("a", Chunks(0, 3), {0});
  broker_.out_of_memory = true;
  EXPECT_TRUE(TickAt(0).empty());
  broker_.out_of_memory = false;
  broker_.refuses = true;
  EXPECT_TRUE(TickAt(0).empty());
  broker_.refuses = false;
  EXPECT_EQ(ChunkNumbers(TickAt(0)), (std::vector<std::uint64_t>{0, 1, 2}));
  EXPECT_EQ(Counters().publish_failed, 2U);
}

TEST_F(ChunkServerTest, SaysNoLessWhenTheBrokerRefusesARefusal) {
  server_->Block({object_});
  server_->OnFetch("a", Chunks(0, 1), {0});
  broker_.refuses = true;
  EXPECT_TRUE(TickAt(0).empty());
  broker_.refuses = false;
  EXPECT_EQ(TickAt(0).size(), 1U);
}

}  // namespace
}  // namespace sluice::plugin
