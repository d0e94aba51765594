// One raw MQTT 3.1.1 connection for load: as little work of its own as possible, so that what is
// measured is the broker's.
//
// Not thread-safe. Every failure is a Status: a benchmark that loses a connection is void.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace sluice::bench {

class MqttConnection {
 public:
  using OnPublish = std::function<void(std::string_view topic, ByteView payload)>;

  /// Connects to 127.0.0.1 and waits for the CONNACK; the client id is also the username.
  static Result<MqttConnection> Open(std::uint16_t port, const std::string& client_id);
  MqttConnection(MqttConnection&& other) noexcept;
  MqttConnection& operator=(MqttConnection&& other) noexcept;
  ~MqttConnection();

  /// Waits for the SUBACK; E_BROKER_REFUSED when it is refused.
  Status Subscribe(const std::string& filter, int qos);
  /// QoS 0. Waits while the socket is full, 10 s at most.
  Status Publish(std::string_view topic, ByteView payload);
  /// Takes what has arrived, whole packets only; waits for nothing. E_NOT_CONNECTED when the broker
  /// hung up.
  Status Read(const OnPublish& on_publish);
  /// Read, after a wait for something to arrive; false at the timeout.
  Result<bool> ReadWithin(int timeout_ms, const OnPublish& on_publish);
  /// Ends it as a cut link would: no DISCONNECT.
  void Cut();

  [[nodiscard]] int fd() const { return fd_; }

 private:
  explicit MqttConnection(int fd) : fd_(fd) {}
  Status Write(ByteView bytes);
  Status AwaitPacket(std::uint8_t type, Bytes& body);
  /// Calls `on_packet` for each whole packet in the buffer.
  void TakePackets(const std::function<void(std::uint8_t first, ByteView body)>& on_packet);
  Status Fill();

  int fd_ = -1;
  Bytes in_;
  std::size_t in_used_ = 0;  // bytes of in_ that hold data
  Bytes out_;
};

}  // namespace sluice::bench
