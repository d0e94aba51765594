#include "tests/bench/fetch_swarm.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <thread>

#include "common/contract/codec.h"
#include "common/contract/topics.h"
#include "common/crypto/digest.h"

namespace sluice::bench {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kEventsMax = 256;
constexpr int kEpollWaitMs = 20;
constexpr std::chrono::microseconds kLookEvery{100};  // as a network card with moderated interrupts
constexpr std::chrono::seconds kSilence{1};

std::string FetchTopic(const std::string& device) {
  return BuildTopic(UpTopic{PartitionOf(device), device, UpKind::kFetch});
}
std::string ChunkTopic(const std::string& device) {
  return BuildTopic(DownTopic{device, DownKind::kChunk});
}

FetchRequest Request(const SwarmOptions& options, std::uint64_t offset, std::uint64_t length,
                     std::uint32_t id) {
  return {.object = options.object,
          .chunk_size = options.chunk_bytes,
          .window_bytes = options.window_bytes,
          .request_id = id,
          .wanted = {{offset, length}}};
}

/// An epoll over connections, by index.
class Poller {
 public:
  Poller() : fd_(epoll_create1(EPOLL_CLOEXEC)) {}
  ~Poller() { close(fd_); }
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;

  void Add(int fd, std::size_t index) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = index;
    epoll_ctl(fd_, EPOLL_CTL_ADD, fd, &event);
  }
  template <class OnReady>
  Status Wait(OnReady on_ready) {
    // Devices are elsewhere. Here every chunk would wake this process, and that inter-processor
    // interrupt is on the broker's account: a quarter of its CPU, and of the noise.
    std::this_thread::sleep_for(kLookEvery);
    std::array<epoll_event, kEventsMax> events;
    const int ready = epoll_wait(fd_, events.data(), kEventsMax, kEpollWaitMs);
    for (int i = 0; i < ready; ++i)
      SLUICE_TRY(on_ready(static_cast<std::size_t>(events[static_cast<std::size_t>(i)].data.u64)));
    return {};
  }

 private:
  int fd_;
};

}  // namespace

std::string DeviceName(int index) { return "load-" + std::to_string(index); }

Result<FetchSwarm> FetchSwarm::Connect(const SwarmOptions& options) {
  FetchSwarm swarm(options);
  for (int i = 0; i < options.devices; ++i) {
    const std::string name = DeviceName(i);
    SLUICE_ASSIGN(MqttConnection connection, MqttConnection::Open(options.port, name));
    SLUICE_TRY(connection.Subscribe(ChunkTopic(name), 0));
    swarm.devices_.push_back({.fetch_topic = FetchTopic(name),
                              .connection = std::move(connection),
                              .heard = SteadyClock::now()});
  }
  return swarm;
}

Status FetchSwarm::Ask(Device& device) {
  const std::uint32_t window = options_.window_bytes / options_.chunk_bytes;
  const std::uint64_t left = (options_.object_bytes - device.next_offset) / options_.chunk_bytes;
  const std::uint64_t chunks = std::min<std::uint64_t>(window - device.in_flight, left);
  const std::uint64_t length = chunks * options_.chunk_bytes;
  const FetchRequest request = Request(options_, device.next_offset, length, ++device.request_id);
  device.next_offset = (device.next_offset + length) % options_.object_bytes;
  device.in_flight += static_cast<std::uint32_t>(chunks);
  return device.connection.Publish(device.fetch_topic, Encode(request));
}

Status FetchSwarm::TakeChunks(Device& device) {
  SLUICE_TRY(device.connection.Read([&](std::string_view, ByteView payload) {
    if (payload.size() < options_.chunk_bytes) {
      ++refusals_;
      return;
    }
    device.bytes += options_.chunk_bytes;
    if (device.in_flight > 0) --device.in_flight;
  }));
  device.heard = SteadyClock::now();
  const std::uint32_t window = options_.window_bytes / options_.chunk_bytes;
  return device.in_flight <= window / 2 ? Ask(device) : Status{};
}

Status FetchSwarm::AskAgainWhereNothingCame() {
  const auto now = SteadyClock::now();
  for (Device& device : devices_) {
    if (now - device.heard < kSilence) continue;
    ++timeouts_;
    device.heard = now;
    device.in_flight = 0;
    SLUICE_TRY(Ask(device));
  }
  return {};
}

Status FetchSwarm::Run(std::chrono::milliseconds time) {
  Poller poller;
  for (std::size_t i = 0; i < devices_.size(); ++i) poller.Add(devices_[i].connection.fd(), i);
  const auto end = SteadyClock::now() + time;
  for (Device& device : devices_) {
    device.heard = SteadyClock::now();
    if (device.in_flight == 0) SLUICE_TRY(Ask(device));
  }
  auto look_again = SteadyClock::now() + kSilence;
  while (SteadyClock::now() < end) {
    SLUICE_TRY(poller.Wait([&](std::size_t i) { return TakeChunks(devices_[i]); }));
    if (SteadyClock::now() < look_again) continue;
    look_again = SteadyClock::now() + kSilence;
    SLUICE_TRY(AskAgainWhereNothingCame());
  }
  return {};
}

std::vector<std::uint64_t> FetchSwarm::BytesPerDevice() const {
  std::vector<std::uint64_t> bytes;
  for (const Device& device : devices_) bytes.push_back(device.bytes);
  return bytes;
}

std::uint64_t FetchSwarm::TotalBytes() const {
  const std::vector<std::uint64_t> bytes = BytesPerDevice();
  return std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0});
}

Result<FanOut> FanOut::Connect(std::uint16_t port, int receivers) {
  SLUICE_ASSIGN(MqttConnection publisher, MqttConnection::Open(port, "fan-publisher"));
  FanOut fan_out(std::move(publisher));
  for (int i = 0; i < receivers; ++i) {
    SLUICE_ASSIGN(MqttConnection receiver, MqttConnection::Open(port, "fan-" + std::to_string(i)));
    SLUICE_TRY(receiver.Subscribe("fan/out", 0));
    fan_out.receivers_.push_back(std::move(receiver));
  }
  return fan_out;
}

Result<std::uint64_t> FanOut::Run(std::chrono::milliseconds time, std::size_t payload_bytes,
                                  int messages_ahead) {
  Poller poller;
  for (std::size_t i = 0; i < receivers_.size(); ++i) poller.Add(receivers_[i].fd(), i);
  std::vector<std::int64_t> received(receivers_.size(), 0);
  std::int64_t published = 0;
  std::uint64_t bytes = 0;
  const Bytes payload(payload_bytes, 0x5a);
  const auto end = SteadyClock::now() + time;
  while (SteadyClock::now() < end) {
    while (published - *std::min_element(received.begin(), received.end()) < messages_ahead) {
      SLUICE_TRY(publisher_.Publish("fan/out", payload));
      ++published;
    }
    SLUICE_TRY(poller.Wait([&](std::size_t i) {
      return receivers_[i].Read([&](std::string_view, ByteView got) {
        ++received[i];
        bytes += got.size();
      });
    }));
  }
  return bytes;
}

Result<bool> CutInMidTransfer(const SwarmOptions& options, int index) {
  const std::string name = DeviceName(index);
  SLUICE_ASSIGN(MqttConnection connection, MqttConnection::Open(options.port, name));
  SLUICE_TRY(connection.Subscribe(ChunkTopic(name), 0));
  SLUICE_TRY(
      connection.Publish(FetchTopic(name), Encode(Request(options, 0, options.window_bytes, 1))));
  constexpr int kFirstBytesMs = 5'000;
  return connection.ReadWithin(kFirstBytesMs, [](std::string_view, ByteView) {});
}

}  // namespace sluice::bench
