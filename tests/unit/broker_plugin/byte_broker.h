// A broker that keeps the bytes that are published, and refuses on request.
#pragma once

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "broker_plugin/broker.h"

namespace sluice::plugin {

class ByteBroker final : public Broker {
 public:
  struct Published {
    std::string topic;
    Bytes payload;
    int qos = 0;
    bool retain = false;
  };

  BrokerBuffer Allocate(std::size_t size_bytes) override {
    if (out_of_memory) return {};
    return {static_cast<std::uint8_t*>(std::malloc(size_bytes)), size_bytes, &std::free};
  }
  bool Publish(std::string_view topic, BrokerBuffer payload, int qos, bool retain) override {
    if (refuses) return false;
    published.push_back({std::string(topic),
                         Bytes(payload.data(), payload.data() + payload.size_bytes()), qos,
                         retain});
    return true;
  }
  void Kick(std::string_view) override {}
  void Log(LogLevel, std::string_view) override {}

  bool out_of_memory = false;
  bool refuses = false;
  std::vector<Published> published;
};

}  // namespace sluice::plugin
