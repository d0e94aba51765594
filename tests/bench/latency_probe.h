// What somebody else on the same broker feels: 32 bytes every 2 ms from one connection to another.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "tests/bench/mqtt_connection.h"

namespace sluice::bench {

/// One-way times in ms.
struct Latencies {
  std::vector<double> ms;  // ascending
  [[nodiscard]] double Quantile(double q) const;
};

class LatencyProbe {
 public:
  /// Connects and begins to send.
  static Result<std::unique_ptr<LatencyProbe>> Start(std::uint16_t port);
  ~LatencyProbe() = default;

  /// Ends it and returns what it saw. E_NOT_CONNECTED when a connection was lost meanwhile.
  Result<Latencies> Stop();

 private:
  LatencyProbe(MqttConnection sender, MqttConnection receiver);
  void Send(const std::stop_token& stop);
  void Receive(const std::stop_token& stop);

  MqttConnection sender_;
  MqttConnection receiver_;
  Latencies seen_;  // the receiving thread's until it is joined
  std::atomic<bool> lost_ = false;
  std::jthread sending_;
  std::jthread receiving_;
};

}  // namespace sluice::bench
