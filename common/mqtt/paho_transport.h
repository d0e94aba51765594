// The MQTT port on Eclipse Paho: MQTT 3.1.1, clean session, one thread of its own that makes every
// event call.
//
// Paho's threads only put what happened into a bounded queue, and no lock of ours is held while
// Paho is called, so an event may publish and a publisher may hold the locks that its events take.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "common/base/random.h"
#include "common/mqtt/reconnect_backoff.h"
#include "common/mqtt/transport.h"

namespace sluice {

/// Files in PEM form; used with an ssl:// URL. The broker's certificate and its host name are
/// always checked.
struct TlsFiles {
  std::string ca_path;           // "" = the system's trust store
  std::string certificate_path;  // "" = no client certificate
  std::string key_path;
};

struct PahoOptions {
  std::string broker_url;  // "tcp://host:port" or "ssl://host:port"
  std::string client_id;
  std::string username;  // "" = anonymous
  std::string password;
  TlsFiles tls;
  std::chrono::seconds keepalive{60};
  std::chrono::seconds connect_timeout{
      30};  // for TCP, TLS and CONNACK together, then again for all SUBACKs
  ReconnectDelays reconnect;
};

/// Any thread may publish. Start and Stop are one thread's; Stop must not be called from an event.
///
/// OnDisconnected comes after each connection and after each attempt that failed. Messages come
/// after the OnConnected of their connection. When events stay behind, messages beyond 4,096 or 16
/// MiB are dropped and counted.
class PahoTransport final : public Transport {
 public:
  /// REQUIRES: `random` is not null; it draws the reconnect delays.
  PahoTransport(PahoOptions options, std::unique_ptr<Random> random);
  ~PahoTransport() override;

  /// E_USAGE for a URL, option or TLS file that cannot work, E_TOPIC and E_TOO_BIG as CheckSession,
  /// E_STATE when started before.
  Status Start(Will will, std::vector<Subscription> subscriptions,
               TransportEvents& events) override;
  Status SetSubscriptions(std::vector<Subscription> subscriptions) override;
  void Stop() override;
  Result<std::uint64_t> Publish(std::string_view topic, ByteView payload, Qos qos,
                                bool retain) override;
  void Reconnect() override;
  [[nodiscard]] LinkUse Used() const override;
  /// Messages that arrived and did not fit into the queue.
  [[nodiscard]] std::uint64_t DroppedMessages() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sluice
