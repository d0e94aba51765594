// The MQTT port on a MemoryBroker: for tests and for simulations that run many devices in one
// thread.
#pragma once

#include <string>

#include "common/mqtt/memory_broker.h"
#include "common/mqtt/transport.h"

namespace sluice {

/// Thread-safe like the broker. Events come from the thread that calls MemoryBroker::DeliverUntil.
class MemoryTransport final : public Transport {
 public:
  /// `broker` must outlive it.
  MemoryTransport(MemoryBroker& broker, std::string client_id)
      : broker_(broker), client_id_(std::move(client_id)) {}
  ~MemoryTransport() override;
  MemoryTransport(const MemoryTransport&) = delete;
  MemoryTransport& operator=(const MemoryTransport&) = delete;

  /// E_TOPIC and E_TOO_BIG as CheckSession, E_STATE when started before.
  Status Start(Will will, std::vector<Subscription> subscriptions,
               TransportEvents& events) override;
  Status SetSubscriptions(std::vector<Subscription> subscriptions) override;
  void Stop() override;
  Result<std::uint64_t> Publish(std::string_view topic, ByteView payload, Qos qos,
                                bool retain) override;
  void Reconnect() override;
  [[nodiscard]] LinkUse Used() const override;

 private:
  MemoryBroker& broker_;
  const std::string client_id_;
  MemoryBroker::SessionId session_ = 0;  // 0 = not started or stopped
  bool started_ = false;
};

}  // namespace sluice
