// A blocking MQTT 3.1.1 client, byte by byte: it does what a well-behaved one hides, sees each
// return code, and notices at once when the broker hangs up.
//
// One thread. Every wait ends after kPatience.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "common/mqtt/transport.h"

namespace sluice::test_support {

class RawMqttClient {
 public:
  struct Login {
    std::string client_id;
    std::string username;  // "" = none
    std::string password;  // "" = none
    std::optional<Will> will;
  };

  explicit RawMqttClient(std::uint16_t port) : port_(port) {}
  ~RawMqttClient() { Drop(); }
  RawMqttClient(const RawMqttClient&) = delete;
  RawMqttClient& operator=(const RawMqttClient&) = delete;

  /// The code of the CONNACK, 0 = accepted; -1 when the connection ended instead.
  int Connect(const Login& login);
  /// Client id and user name alike.
  int ConnectAs(const std::string& name) { return Connect({name, name, "", std::nullopt}); }
  /// The code of the SUBACK, 0x80 = refused; -1 when the connection ended.
  int Subscribe(std::string_view filter, int qos);
  /// QoS 0: true when it was written. QoS 1: true once its PUBACK came, false when the connection
  /// ended instead.
  bool Publish(std::string_view topic, ByteView payload, int qos = 0, bool retain = false);
  bool Publish(std::string_view topic, std::string_view payload, int qos = 0, bool retain = false) {
    return Publish(topic, AsBytes(payload), qos, retain);
  }
  /// Writes a QoS 1 publish and does not wait. False when the connection has ended.
  bool PublishUnanswered(std::string_view topic, ByteView payload);
  /// The next message; nothing when the connection ended or patience ran out.
  std::optional<MqttMessage> Next();
  /// Waits for the broker to hang up; messages that come before it are kept.
  bool AwaitEnd();
  /// A PINGREQ and its answer: the broker has handled all that was sent before. False when the
  /// connection ended.
  bool Ping();
  /// PUBACKs seen so far.
  [[nodiscard]] std::size_t pubacks() const { return pubacks_.size(); }
  /// Closes the socket without a DISCONNECT, so the will is sent.
  void Drop();

 private:
  struct Packet {
    std::uint8_t type = 0;  // with its flags
    Bytes body;
  };

  bool Write(std::uint8_t type, const Bytes& body);
  bool ReadExactly(std::uint8_t* to, std::size_t size);
  std::optional<Packet> Read();
  /// Reads until a packet of that type; messages and PUBACKs on the way are kept.
  std::optional<Packet> ReadUntil(std::uint8_t type);
  void Keep(const Packet& packet);
  void SendPublish(std::string_view topic, ByteView payload, int qos, bool retain,
                   std::uint16_t packet_id, bool& written);

  std::uint16_t port_;
  int fd_ = -1;
  std::uint16_t last_packet_id_ = 0;
  std::deque<MqttMessage> messages_;
  std::vector<std::uint16_t> pubacks_;
};

}  // namespace sluice::test_support
