// The Broker port on Mosquitto's own functions.
//
// Broker thread only: from another one they corrupt the broker's lists.
#pragma once

#include "broker_plugin/broker.h"

namespace sluice::plugin {

class MosquittoBroker final : public Broker {
 public:
  [[nodiscard]] BrokerBuffer Allocate(std::size_t size_bytes) override;
  /// Always routed by topic. The targeted form keeps what a slow client refuses for ever, and the
  /// copying one unbalances the broker's count of its memory.
  bool Publish(std::string_view topic, BrokerBuffer payload, int qos, bool retain) override;
  /// The wills of those connections are sent.
  void Kick(std::string_view username) override;
  void Log(LogLevel level, std::string_view line) override;
};

}  // namespace sluice::plugin
