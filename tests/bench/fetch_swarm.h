// Many devices that download as fast as they are served, and the plain fan-out they are compared
// with; all on one thread, with as little work per byte as a load can have.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "common/base/bytes.h"
#include "tests/bench/mqtt_connection.h"

namespace sluice::bench {

struct SwarmOptions {
  std::uint16_t port = 0;
  int devices = 0;
  std::uint32_t chunk_bytes = 0;
  std::uint32_t window_bytes = 0;
  Digest object;
  std::uint64_t object_bytes = 0;  // a multiple of chunk_bytes
};

/// The identity of one device of a swarm.
std::string DeviceName(int index);

class FetchSwarm {
 public:
  /// Connects every device and subscribes it to its chunks.
  static Result<FetchSwarm> Connect(const SwarmOptions& options);

  /// Downloads over and over for that long: each device asks on when half its window is here.
  Status Run(std::chrono::milliseconds time);

  /// Bytes of chunks that each device got in all runs.
  [[nodiscard]] std::vector<std::uint64_t> BytesPerDevice() const;
  [[nodiscard]] std::uint64_t TotalBytes() const;
  [[nodiscard]] int timeouts() const { return timeouts_; }  // nothing came for a second
  [[nodiscard]] int refusals() const { return refusals_; }

 private:
  struct Device {
    std::string fetch_topic;
    MqttConnection connection;
    std::uint64_t next_offset = 0;
    std::uint32_t in_flight = 0;  // chunks
    std::uint32_t request_id = 0;
    std::uint64_t bytes = 0;
    std::chrono::steady_clock::time_point heard;
  };
  explicit FetchSwarm(SwarmOptions options) : options_(std::move(options)) {}
  Status Ask(Device& device);
  Status TakeChunks(Device& device);
  Status AskAgainWhereNothingCame();

  SwarmOptions options_;
  std::vector<Device> devices_;
  int timeouts_ = 0;
  int refusals_ = 0;
};

/// One publisher, `receivers` subscribers of one topic, `payload_bytes` a message, at most
/// `messages_ahead` ahead of the slowest. The bytes that the receivers got.
class FanOut {
 public:
  static Result<FanOut> Connect(std::uint16_t port, int receivers);
  Result<std::uint64_t> Run(std::chrono::milliseconds time, std::size_t payload_bytes,
                            int messages_ahead);

 private:
  explicit FanOut(MqttConnection publisher) : publisher_(std::move(publisher)) {}
  MqttConnection publisher_;
  std::vector<MqttConnection> receivers_;
};

/// One device asks for a window, takes a chunk of it and is cut off. False when no chunk came
/// within 5 s.
Result<bool> CutInMidTransfer(const SwarmOptions& options, int index);

}  // namespace sluice::bench
