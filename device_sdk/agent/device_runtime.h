// An agent with a thread: events from the transport go through a bounded queue to the thread that
// is in Run.
#pragma once

#include <condition_variable>
#include <deque>
#include <future>
#include <memory>
#include <mutex>
#include <variant>

#include "device_sdk/agent/agent.h"
#include "device_sdk/slots/file_system.h"

namespace sluice::device {

inline constexpr std::size_t kEventQueueMax = 256;

/// The same in the words of the public header.
sdk::Status ToSdk(const Status& status);
sdk::DeviceStatus ToSdk(const AgentStatus& status);

class DeviceRuntime final : public sdk::Device, private TransportEvents {
 public:
  /// What the agent stands on, in the order in which it is taken down, last first.
  struct Foundation {
    std::unique_ptr<FileSystem> files;  // under the store, if that is on disk
    std::unique_ptr<Clock> clock;
    std::unique_ptr<Random> random;
    std::unique_ptr<SlotStore> store;
    std::unique_ptr<Transport> transport;
    std::unique_ptr<ModelHost> host;
  };
  static Result<std::unique_ptr<DeviceRuntime>> Open(AgentOptions options, Foundation foundation);

  void RecordInference(std::chrono::microseconds latency, bool ok) noexcept override;
  void RecordOutcome(double score) noexcept override;
  sdk::Status Run(std::stop_token stop) override;
  [[nodiscard]] sdk::DeviceStatus Inspect() const override;
  sdk::Status Revert(std::string_view reason) override;

 private:
  struct Connected {};
  struct Disconnected {};
  struct PublishDone {
    std::uint64_t id;
    bool ok;
  };
  struct RevertRequest {
    std::string reason;
    std::promise<Status> done;
  };
  using QueuedEvent =
      std::variant<Connected, Disconnected, MqttMessage, PublishDone, RevertRequest>;

  explicit DeviceRuntime(Foundation foundation) : foundation_(std::move(foundation)) {}

  // On the transport's thread. They wait while the queue is full, and so slow the transport down.
  void OnConnected() override { Push(Connected{}); }
  void OnDisconnected(const Error&) override { Push(Disconnected{}); }
  void OnMessage(MqttMessage message) override { Push(std::move(message)); }
  void OnPublished(std::uint64_t publish_id, bool ok) override {
    Push(PublishDone{publish_id, ok});
  }

  void Push(QueuedEvent event);
  std::optional<QueuedEvent> Pop(const std::stop_token& stop, std::int64_t wait_ms);
  void Handle(QueuedEvent& event);
  void EndRun();
  void RefreshStatus();

  Foundation foundation_;
  std::unique_ptr<Agent> agent_;

  mutable std::mutex mutex_;  // the three below
  std::deque<QueuedEvent> queue_;
  bool running_ = false;
  AgentStatus status_;
  std::condition_variable_any news_;  // the queue has an event
  std::condition_variable_any room_;  // the queue has room, or the run is over
};

}  // namespace sluice::device
