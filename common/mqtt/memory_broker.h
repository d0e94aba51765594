// An MQTT broker in memory, on virtual time and without a thread: what was published arrives when
// Deliver is called.
//
// It honours what Sluice asks of a broker (QoS 0 and 1, retained messages, wills, wildcards,
// take-over by the same client id) and misbehaves on request: a fault policy loses, doubles or
// delays single messages, and links are cut, kicked or restored. Same calls, same order of events.
//
// Thread-safe. Events are called inside Deliver, one at a time and without the broker's lock; an
// event may publish, stop its transport or cut a link.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "common/mqtt/publish_window.h"
#include "common/mqtt/transport.h"

namespace sluice {

struct MemoryBrokerOptions {
  std::size_t queue_messages_max = 1'000;   // waiting for one client; more are dropped silently
  std::int64_t reconnect_delay_ms = 1'000;  // after a lost connection; > 0
};

/// One message on its way between the broker and one client.
struct Hop {
  enum class Direction : std::uint8_t { kUp, kDown };
  Direction direction = Direction::kUp;
  const std::string& client_id;
  const MqttMessage& message;
  std::int64_t now_ms = 0;
};

/// What happens to it. A copy never overtakes an earlier message of the same client, direction and
/// topic.
struct Fate {
  int copies = 1;  // 0 = lost, 2 = doubled
  std::int64_t delay_ms = 0;
};

using FaultPolicy = std::function<Fate(const Hop&)>;

class MemoryBroker {
 public:
  explicit MemoryBroker(MemoryBrokerOptions options = {});

  /// Asked for every hop from now on, under the broker's lock: it must not call the broker. Null =
  /// no faults.
  void SetFaultPolicy(FaultPolicy policy);

  /// Moves the virtual time forward to `now_ms` and delivers all that is due by then, in order of
  /// time; returns how many events that were. REQUIRES: `now_ms` is not before an earlier one; not
  /// called from an event.
  std::size_t DeliverUntil(std::int64_t now_ms);
  /// All that is due now.
  std::size_t Deliver() { return DeliverUntil(NowMs()); }
  [[nodiscard]] std::int64_t NowMs() const;
  /// When the next event is due, if there is one.
  [[nodiscard]] std::optional<std::int64_t> NextDueMs() const;

  /// Loses the client's connection and keeps it from a new one until RestoreLink. The broker
  /// publishes the will.
  void CutLink(const std::string& client_id);
  void RestoreLink(const std::string& client_id);
  /// Loses the client's connection; it comes back after the reconnect delay. The broker publishes
  /// the will.
  void Kick(const std::string& client_id);
  /// Every connection ends without a will, every message under way is gone, retained ones if not
  /// `keep_retained`.
  void Restart(bool keep_retained);

  /// The broker refuses this very filter to every client from now on: a connection that requires it
  /// fails, one that does not goes on without it.
  void RefuseFilter(const std::string& filter);

  [[nodiscard]] bool IsConnected(const std::string& client_id) const;
  [[nodiscard]] std::optional<MqttMessage> Retained(const std::string& topic) const;
  /// Messages that found a client's queue full.
  [[nodiscard]] std::uint64_t DroppedMessages() const;

 private:
  friend class MemoryTransport;  // the client's end of the wire, below
  using SessionId = std::uint64_t;
  using Upcall = std::function<void()>;

  struct Session {
    std::string client_id;
    Will will;
    std::vector<Subscription> subscriptions;
    TransportEvents* events = nullptr;  // null = stopped
    std::uint64_t connection = 0;       // 0 = not connected
    std::size_t queued_messages = 0;
    PublishWindow window;
    LinkUse used;
    // Until when the next message of a topic must wait behind a delayed one, by direction and
    // topic.
    std::map<std::pair<Hop::Direction, std::string>, std::int64_t> not_before_ms;
  };

  /// What is due at a time. `connection` is the one it belongs to; if that is over, so is this.
  struct Due {
    enum class Kind : std::uint8_t { kConnect, kLost, kPublish, kPuback, kMessage, kRefused };
    Kind kind;
    SessionId session = 0;
    std::uint64_t connection = 0;
    std::uint64_t publish_id = 0;
    MqttMessage message{};
    bool retain = false;                  // kPublish
    Error why{};                          // kLost
    std::string filter{};                 // kRefused
    std::vector<std::uint64_t> failed{};  // kLost: publishes without PUBACK
  };

  // The client's end.
  SessionId Attach(std::string client_id, Will will, std::vector<Subscription> subscriptions,
                   TransportEvents& events);
  void SetSubscriptions(SessionId id, std::vector<Subscription> subscriptions);
  void Detach(SessionId id);
  void Forget(SessionId id);
  Result<std::uint64_t> Publish(SessionId id, std::string_view topic, ByteView payload, Qos qos,
                                bool retain);
  void Reconnect(SessionId id);
  LinkUse Used(SessionId id) const;

  // Under mutex_. An Upcall is run by DeliverUntil after it has let the lock go.
  Upcall Take(Due due);
  Upcall TakeConnect(SessionId id, Session& session);
  /// Grants the filter and sends what is retained; false if the broker refuses it.
  bool Grant(SessionId id, Session& session, const Subscription& subscription);
  void Revoke(SessionId id, const std::string& filter);
  Upcall TakePublish(Session& session, Due due);
  Upcall TakeMessage(Session& session, Due due);
  void Schedule(std::int64_t delay_ms, Due due);
  /// False if the fault policy lost it.
  bool SendHop(Hop::Direction direction, Session& session, const Due& due);
  void Route(const MqttMessage& message, bool retain);
  void SendTo(SessionId id, Session& session, const MqttMessage& message, Qos granted);
  /// Ends the connection silently; returns the QoS 1 publishes that will have no PUBACK.
  std::vector<std::uint64_t> EndConnection(SessionId id, Session& session);
  void Lose(SessionId id, Error why, bool publish_will);
  void LoseClient(const std::string& client_id, const char* why);
  Session* Find(SessionId id);

  const MemoryBrokerOptions options_;
  // Held while an event runs, so that Detach can promise that none runs after it; recursive for a
  // Detach inside one.
  std::recursive_mutex delivering_;
  mutable std::mutex mutex_;  // all below
  FaultPolicy policy_;
  std::int64_t now_ms_ = 0;
  std::uint64_t last_sequence_ = 0;
  std::uint64_t last_connection_ = 0;
  SessionId last_session_ = 0;
  std::map<std::pair<std::int64_t, std::uint64_t>, Due> due_;  // by time, then order of scheduling
  std::map<SessionId, Session> sessions_;
  std::map<std::string, SessionId> connected_;  // by client id
  // Connected sessions by filter: those without a wildcard are looked up, the others walked.
  std::map<std::string, std::map<SessionId, Qos>, std::less<>> exact_;
  std::map<std::string, std::map<SessionId, Qos>, std::less<>> wildcard_;
  std::map<std::string, MqttMessage, std::less<>> retained_;
  std::set<std::string> cut_links_;
  std::set<std::string> refused_filters_;
  std::uint64_t dropped_messages_ = 0;
};

}  // namespace sluice
