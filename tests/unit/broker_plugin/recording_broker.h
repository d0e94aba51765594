// A broker that writes down what the plugin asks of it, and a clock that stands where it is put.
#pragma once

#include <functional>
#include <new>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "broker_plugin/broker.h"
#include "common/base/clock.h"

namespace sluice::plugin {

class FakeClock final : public Clock {
 public:
  [[nodiscard]] WallMs Wall() const override { return {1'767'225'600'000 + boot.ms}; }
  [[nodiscard]] BootMs Boot() const override { return boot; }
  [[nodiscard]] std::int64_t MonotonicUs() const override { return boot.ms * 1'000; }
  void Advance(std::int64_t ms) { boot.ms += ms; }

  BootMs boot{1'000'000};
};

class RecordingBroker final : public Broker {
 public:
  struct Publication {
    std::string topic, payload;
    int qos = 0;
    bool retain = false;
  };

  BrokerBuffer Allocate(std::size_t size_bytes) override {
    if (throw_on_allocate) throw std::bad_alloc();
    return {new std::uint8_t[size_bytes + 1], size_bytes,
            [](void* data) { delete[] static_cast<std::uint8_t*>(data); }};
  }
  bool Publish(std::string_view topic, BrokerBuffer payload, int qos, bool retain) override {
    published.push_back({std::string(topic),
                         std::string(AsText({payload.data(), payload.size_bytes()})), qos, retain});
    return true;
  }
  void Kick(std::string_view username) override {
    kicked.emplace_back(username);
    if (on_kick) on_kick(username);
  }
  void Log(LogLevel level, std::string_view line) override {
    logged.emplace_back(level, std::string(line));
  }

  /// The payloads on topics that end so, parsed, and forgets them.
  std::vector<nlohmann::json> Take(std::string_view topic_end) {
    std::vector<nlohmann::json> taken;
    for (const Publication& one : published) {
      if (one.topic.ends_with(topic_end)) taken.push_back(nlohmann::json::parse(one.payload));
    }
    std::erase_if(published,
                  [&](const Publication& one) { return one.topic.ends_with(topic_end); });
    return taken;
  }

  std::vector<Publication> published;
  std::vector<std::string> kicked;
  std::vector<std::pair<LogLevel, std::string>> logged;
  std::function<void(std::string_view)> on_kick;
  bool throw_on_allocate = false;
};

}  // namespace sluice::plugin
