#include "rollout_engine/engine/chunk_server.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "common/contract/codec.h"
#include "common/contract/topics.h"
#include "tests/support/temporary_directory.h"

namespace sluice {
namespace {

/// Takes everything, or pushes back after so many.
class RecordingTransport final : public Transport {
 public:
  struct Sent {
    std::string device;
    Chunk chunk;
  };
  Status Start(Will, std::vector<Subscription>, TransportEvents&) override { return {}; }
  Status SetSubscriptions(std::vector<Subscription>) override { return {}; }
  void Stop() override {}
  Result<std::uint64_t> Publish(std::string_view topic, ByteView payload, Qos, bool) override {
    if (room == 0) return Fail(ErrorCode::kBackpressure);
    --room;
    sent.push_back({ParseDownTopic(topic)->device, *Decode<Chunk>(payload)});
    return 1;
  }
  void Reconnect() override {}
  [[nodiscard]] LinkUse Used() const override { return {}; }

  std::vector<Sent> sent;
  std::size_t room = 1'000'000;
};

class ChunkServerTest : public testing::Test {
 protected:
  ChunkServerTest() : objects_(*ObjectStore::Open(directory_.path().string())), server_(objects_) {
    bytes_.resize(300'000);
    for (std::size_t i = 0; i < bytes_.size(); ++i)
      bytes_[i] = static_cast<std::uint8_t>(i * 31 >> 4);
    object_ = objects_.PutBytes(bytes_)->sha256;
  }

  FetchRequest Request(std::vector<ByteRange> wanted, std::uint32_t window = 64 * 1024) const {
    FetchRequest request;
    request.object = object_;
    request.chunk_size = 4'096;
    request.window_bytes = window;
    request.request_id = 5;
    request.wanted = std::move(wanted);
    return request;
  }

  test_support::TemporaryDirectory directory_;
  ObjectStore objects_;
  ChunkServer server_;
  RecordingTransport transport_;
  Bytes bytes_;
  Digest object_;
};

TEST_F(ChunkServerTest, SendsTheBytesThatWereAskedForAndNoMore) {
  server_.Ask("a", Request({{8'192, 5'000}, {40'960, 4'096}}), {0});
  server_.Serve(transport_, {0});
  ASSERT_EQ(transport_.sent.size(), 3U);
  EXPECT_EQ(transport_.sent[0].chunk.offset, 8'192U);
  EXPECT_EQ(transport_.sent[1].chunk.offset, 12'288U);
  EXPECT_EQ(transport_.sent[2].chunk.offset, 40'960U);
  for (const auto& sent : transport_.sent) {
    const Chunk& chunk = sent.chunk;
    EXPECT_EQ(chunk.object_id, object_.Prefix64());
    EXPECT_EQ(chunk.object_size, bytes_.size());
    EXPECT_EQ(chunk.request_id, 5U);
    EXPECT_TRUE(std::equal(chunk.data.begin(), chunk.data.end(),
                           bytes_.begin() + static_cast<long>(chunk.offset)));
  }
  EXPECT_FALSE(server_.NextDeadline());
}

TEST_F(ChunkServerTest, OwesAtMostOneWindow) {
  server_.Ask("a", Request({{0, 0}}), {0});
  server_.Serve(transport_, {0});
  EXPECT_EQ(transport_.sent.size(), 16U);
  transport_.sent.clear();
  server_.Ask("a", Request({{0, 0}}, 0xFFFFFFFF), {0});
  server_.Ask("a", Request({{0, 0}}, 0xFFFFFFFF), {0});
  for (int turn = 0; turn < 10; ++turn) server_.Serve(transport_, {0});
  EXPECT_EQ(transport_.sent.size(), (bytes_.size() + 4'095) / 4'096);
  EXPECT_EQ(transport_.sent.back().chunk.data.size(), bytes_.size() % 4'096);
}

TEST_F(ChunkServerTest, TakesTurnsBetweenDevices) {
  server_.Ask("greedy", Request({{0, 0}}), {0});
  server_.Ask("modest", Request({{0, 8'192}}), {0});
  server_.Serve(transport_, {0});
  ASSERT_EQ(transport_.sent.size(), 18U);
  EXPECT_EQ(transport_.sent[1].device, "modest");
  EXPECT_EQ(transport_.sent[3].device, "modest");
}

TEST_F(ChunkServerTest, SendsABoundedNumberOfBytesPerTurn) {
  for (int i = 0; i < 20; ++i) server_.Ask("dev-" + std::to_string(i), Request({{0, 0}}), {0});
  server_.Serve(transport_, {0});
  EXPECT_EQ(transport_.sent.size(), limits::kChunkBytesPerTurn / 4'096);
  EXPECT_EQ(server_.NextDeadline(), BootMs{0});
}

TEST_F(ChunkServerTest, WaitsWhenTheTransportPushesBackAndLosesNothing) {
  transport_.room = 3;
  server_.Ask("a", Request({{0, 0}}), {10});
  server_.Serve(transport_, {10});
  EXPECT_EQ(transport_.sent.size(), 3U);
  EXPECT_EQ(server_.NextDeadline(), BootMs{10} + limits::kChunkRetry);
  transport_.room = 100;
  server_.Serve(transport_, {11});
  ASSERT_EQ(transport_.sent.size(), 16U);
  EXPECT_EQ(transport_.sent[3].chunk.offset, 3U * 4'096);
}

TEST_F(ChunkServerTest, SaysWhatItDoesNotHave) {
  FetchRequest request = Request({{0, 0}});
  request.object.bytes[0] ^= 1;
  server_.Ask("a", request, {0});
  server_.Serve(transport_, {0});
  ASSERT_EQ(transport_.sent.size(), 1U);
  EXPECT_EQ(transport_.sent[0].chunk.status, ChunkStatus::kNotFound);
  EXPECT_TRUE(transport_.sent[0].chunk.data.empty());
}

TEST_F(ChunkServerTest, StopsAtOnceWhenAnObjectIsBlocked) {
  transport_.room = 2;
  server_.Ask("a", Request({{0, 0}}), {0});
  server_.Serve(transport_, {0});
  server_.Block({object_});
  transport_.room = 100;
  server_.Serve(transport_, {5});
  ASSERT_EQ(transport_.sent.size(), 3U);
  EXPECT_EQ(transport_.sent[2].chunk.status, ChunkStatus::kDenied);
  server_.Ask("a", Request({{0, 0}}), {6});
  server_.Serve(transport_, {6});
  EXPECT_EQ(transport_.sent.back().chunk.status, ChunkStatus::kDenied);
  server_.Block({});
  server_.Ask("a", Request({{0, 4'096}}), {7});
  server_.Serve(transport_, {7});
  EXPECT_EQ(transport_.sent.back().chunk.status, ChunkStatus::kOk);
}

TEST_F(ChunkServerTest, ReplacesTheJobOfADeviceThatAsksForAnotherObject) {
  const Digest other = objects_.PutBytes(Bytes(10'000, 7))->sha256;
  transport_.room = 0;
  server_.Ask("a", Request({{0, 0}}), {0});
  FetchRequest second = Request({{0, 0}});
  second.object = other;
  server_.Ask("a", second, {0});
  transport_.room = 100;
  server_.Serve(transport_, {0});
  ASSERT_EQ(transport_.sent.size(), 3U);
  for (const auto& sent : transport_.sent) EXPECT_EQ(sent.chunk.object_id, other.Prefix64());
}

TEST_F(ChunkServerTest, DropsTheJobOfADeviceThatHasGoneSilent) {
  transport_.room = 0;
  server_.Ask("a", Request({{0, 0}}), {0});
  server_.Serve(transport_, {0});
  transport_.room = 100;
  server_.Serve(transport_, BootMs{limits::kChunkJobIdle + 1});
  EXPECT_TRUE(transport_.sent.empty());
  EXPECT_EQ(server_.jobs(), 0U);
}

}  // namespace
}  // namespace sluice
