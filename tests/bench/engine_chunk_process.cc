#include "tests/bench/engine_chunk_process.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>

#include "common/contract/codec.h"
#include "common/contract/topics.h"
#include "common/mqtt/paho_transport.h"
#include "rollout_engine/engine/chunk_server.h"

namespace sluice::bench {
namespace {

/// Hands messages from the transport's thread to the serving one.
class Inbox final : public TransportEvents {
 public:
  void OnConnected() override {}
  void OnDisconnected(const Error&) override {}
  void OnPublished(std::uint64_t, bool) override {}
  void OnMessage(MqttMessage message) override {
    {
      const std::lock_guard lock(mutex_);
      messages_.push_back(std::move(message));
    }
    changed_.notify_one();
  }
  std::deque<MqttMessage> Take(std::chrono::milliseconds wait) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, wait, [this] { return !messages_.empty(); });
    return std::exchange(messages_, {});
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<MqttMessage> messages_;
};

}  // namespace

Status ServeChunksAsEngine(const std::string& broker_url, const std::string& folder) {
  SLUICE_ASSIGN(const ObjectStore objects, ObjectStore::OpenExisting(folder));
  PahoOptions options;
  options.broker_url = broker_url;
  options.client_id = "engine";
  options.username = "engine";
  PahoTransport transport(options, std::make_unique<SeededRandom>(1));
  Inbox inbox;
  SLUICE_TRY(transport.Start({}, {{UpFilter(UpKind::kFetch), Qos::k0}}, inbox));
  ChunkServer server(objects);
  const SystemClock clock;
  std::chrono::milliseconds wait{0};
  while (true) {
    for (const MqttMessage& message : inbox.Take(wait)) {
      const auto topic = ParseUpTopic(message.topic);
      const auto request = Decode<FetchRequest>(message.payload);
      if (topic && request) server.Ask(topic->device, *request, clock.Boot());
    }
    server.Serve(transport, clock.Boot());
    const std::optional<BootMs> next = server.NextDeadline();
    wait = std::chrono::milliseconds(next ? std::max<std::int64_t>(0, *next - clock.Boot())
                                          : std::int64_t{1'000});
  }
}

}  // namespace sluice::bench
