// A chunk server over real files, with a broker that records and disks that are as cold as the test
// says.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "broker_plugin/chunk_server.h"
#include "common/contract/codec.h"
#include "common/contract/topics.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/broker_plugin/byte_broker.h"

namespace sluice::plugin {

/// The kernel's files, with pages that are in memory or not.
class ColdReads final : public FileReads {
 public:
  ReadOutcome ReadIfCached(const ObjectFile& file, std::uint64_t offset,
                           std::span<std::uint8_t> to) override {
    return is_cold ? ReadOutcome::kCold : system_.Read(file, offset, to);
  }
  ReadOutcome Read(const ObjectFile& file, std::uint64_t offset,
                   std::span<std::uint8_t> to) override {
    ++blocking;
    return system_.Read(file, offset, to);
  }

  bool is_cold = false;
  int blocking = 0;

 private:
  SystemFileReads system_;
};

/// Finishes what the test tells it to.
class ManualReadAhead final : public ReadAhead {
 public:
  std::optional<std::uint64_t> Want(std::shared_ptr<const ObjectFile>,
                                    const ByteRange& range) override {
    if (is_full) return std::nullopt;
    wanted.push_back(range);
    return ++last_ticket_;
  }
  std::vector<Finished> Collect() override { return std::exchange(finished_, {}); }
  /// The newest range.
  void Finish(bool ok) { finished_.push_back({last_ticket_, ok}); }

  bool is_full = false;
  std::vector<ByteRange> wanted;

 private:
  std::uint64_t last_ticket_ = 0;
  std::vector<Finished> finished_;
};

class ChunkServerTest : public testing::Test {
 protected:
  static constexpr std::uint32_t kChunk = 4'096;
  static constexpr std::uint64_t kObjectBytes = 2'000'000;

  struct Sent {
    std::string device;
    Chunk chunk;
  };

  ChunkServerTest() { object_ = Put(1, kObjectBytes); }

  /// An object of so many bytes, which are different for each `name`.
  Digest Put(std::uint8_t name, std::uint64_t size_bytes) {
    Digest object;
    object.bytes.fill(name);
    Bytes bytes(size_bytes);
    for (std::size_t i = 0; i < bytes.size(); ++i)
      bytes[i] = static_cast<std::uint8_t>((i * 31 >> 4) + name);
    std::filesystem::create_directories(std::filesystem::path(PathOf(object)).parent_path());
    std::ofstream(PathOf(object)) << AsText(bytes);
    contents_[object.Prefix64()] = std::move(bytes);
    return object;
  }
  [[nodiscard]] std::string PathOf(const Digest& object) const {
    const std::string hex = object.Hex();
    return directory_.File(hex.substr(0, 2)) + "/" + hex;
  }
  static FetchRequest Request(const Digest& object, std::vector<ByteRange> wanted,
                              std::uint32_t window_bytes = sluice::limits::kWindowBytesMax,
                              std::uint32_t chunk_size = kChunk) {
    return {.object = object,
            .chunk_size = chunk_size,
            .window_bytes = window_bytes,
            .request_id = 5,
            .wanted = std::move(wanted)};
  }
  [[nodiscard]] FetchRequest Chunks(std::uint64_t first, std::uint64_t count) const {
    return Request(object_, {{first * kChunk, count * kChunk}});
  }
  void Restart(const ChunkServerOptions& options) { server_.emplace(options, parts_, BootMs{0}); }

  /// What one TICK sends. Data is compared with the object here, once for all tests.
  std::vector<Sent> TickAt(std::int64_t ms) {
    broker_.published.clear();
    server_->OnTick({ms});
    std::vector<Sent> sent;
    for (const auto& published : broker_.published) {
      EXPECT_EQ(published.qos, 0);
      EXPECT_FALSE(published.retain);
      const auto topic = ParseDownTopic(published.topic);
      const auto chunk = Decode<Chunk>(published.payload);
      if (!topic || topic->kind != DownKind::kChunk || !chunk) {
        ADD_FAILURE() << published.topic << " carries no chunk";
        continue;
      }
      const Bytes& content = contents_[chunk->object_id];
      EXPECT_TRUE(std::equal(chunk->data.begin(), chunk->data.end(),
                             content.begin() + static_cast<std::ptrdiff_t>(chunk->offset)));
      EXPECT_EQ(chunk->object_size, chunk->status == ChunkStatus::kOk ? content.size() : 0U);
      sent.push_back({topic->device, *chunk});
    }
    return sent;
  }
  /// Ticks at this moment until nothing is pending.
  std::vector<Sent> DrainAt(std::int64_t ms) {
    std::vector<Sent> all;
    for (int i = 0; i < 1'000 && server_->HasPendingJobs(); ++i) {
      for (Sent& sent : TickAt(ms)) all.push_back(std::move(sent));
    }
    return all;
  }
  static std::size_t BytesOf(const std::vector<Sent>& sent) {
    std::size_t bytes = 0;
    for (const Sent& s : sent) bytes += s.chunk.data.size();
    return bytes;
  }
  static std::vector<std::uint64_t> ChunkNumbers(const std::vector<Sent>& sent) {
    std::vector<std::uint64_t> numbers;
    for (const Sent& s : sent) numbers.push_back(s.chunk.offset / kChunk);
    return numbers;
  }
  [[nodiscard]] ChunkCounters Counters() const { return server_->Snapshot({0}).counters; }

  test_support::TemporaryDirectory directory_;
  ByteBroker broker_;
  ObjectFiles files_{directory_.path().string()};
  ColdReads reads_;
  ManualReadAhead ahead_;
  const ChunkServer::Parts parts_{broker_, files_, reads_, ahead_};
  std::optional<ChunkServer> server_{std::in_place, ChunkServerOptions{}, parts_, BootMs{0}};
  std::map<std::uint64_t, Bytes> contents_;
  Digest object_;
};

}  // namespace sluice::plugin
