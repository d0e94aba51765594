// The MQTT port: one session, at least once or at most once, nothing retained is trusted.
//
// One reconnect policy lives behind the port (full jitter, 1 s doubling to 5 min): a new connection
// subscribes to every filter again and only then reports OnConnected. Publish is thread-safe; it
// never blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"

namespace sluice {

enum class Qos : std::uint8_t { k0 = 0, k1 = 1 };

struct MqttMessage {
  std::string topic;
  Bytes payload;
  Qos qos = Qos::k0;
  bool retained = false;  // delivered from the broker's store, so old news
};

struct Will {
  std::string topic;  // "" = none
  Bytes payload;
  Qos qos = Qos::k1;
  bool retain = true;
};

struct Subscription {
  std::string filter;
  Qos qos = Qos::k1;
  /// Whether a connection without it is none: a broker that refuses it is then left. What is
  /// optional and refused is reported by OnSubscriptionRefused, and the connection goes on.
  bool required = true;
  friend bool operator==(const Subscription&, const Subscription&) = default;
};

/// Bytes at the MQTT level (topic, payload, 8 bytes of framing each) since the transport was made:
/// the byte budget.
struct LinkUse {
  std::uint64_t bytes_up = 0;
  std::uint64_t bytes_down = 0;
};

/// Called on the transport's thread, one at a time. An implementation hands over to its own queue
/// and returns.
class TransportEvents {
 public:
  virtual ~TransportEvents() = default;
  /// Every subscription has its SUBACK.
  virtual void OnConnected() = 0;
  /// The broker refuses an optional filter on this connection; its ACL, most likely.
  virtual void OnSubscriptionRefused(const std::string& /*filter*/) {}
  virtual void OnDisconnected(const Error& why) = 0;
  virtual void OnMessage(MqttMessage message) = 0;
  /// The PUBACK of a QoS 1 publish (`ok`), or the loss of it with the connection.
  virtual void OnPublished(std::uint64_t publish_id, bool ok) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  /// Connects in the background and stays at it until Stop. `events` must outlive Stop.
  virtual Status Start(Will will, std::vector<Subscription> subscriptions,
                       TransportEvents& events) = 0;
  /// Other filters from now on, on this connection and on those to come. What stays is not
  /// interrupted; what is new is subscribed to in the background, and brings its retained messages.
  /// E_TOPIC as CheckSession, E_STATE before Start.
  virtual Status SetSubscriptions(std::vector<Subscription> subscriptions) = 0;
  /// Disconnects; no event is called after it returns.
  virtual void Stop() = 0;
  /// The id that OnPublished names later (QoS 1). E_NOT_CONNECTED, E_BACKPRESSURE (too much
  /// outstanding: try again), E_TOO_BIG over 64 KiB.
  virtual Result<std::uint64_t> Publish(std::string_view topic, ByteView payload, Qos qos,
                                        bool retain) = 0;
  /// Drops the connection and makes a new one.
  virtual void Reconnect() = 0;
  [[nodiscard]] virtual LinkUse Used() const = 0;
};

}  // namespace sluice
