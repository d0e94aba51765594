// The guard: who may use which topic how often, and with what in it. Decisions only; what follows
// from them (kicks at the next turn) is asked for.
//
// Broker thread only. Every map has a limit; what does not fit is judged without being remembered.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "broker_plugin/acl.h"
#include "broker_plugin/events.h"
#include "broker_plugin/plugin_config.h"
#include "broker_plugin/token_bucket.h"
#include "common/base/clock.h"
#include "common/contract/fetch.h"

namespace sluice::plugin {

/// What the broker shall do, in the words of its callbacks.
enum class Verdict : std::uint8_t {
  kAllow,   // ACL_CHECK, BASIC_AUTH: yes, and nobody else is asked
  kDeny,    // ACL_CHECK, BASIC_AUTH: no
  kDefer,   // ACL_CHECK, BASIC_AUTH: the next one answers
  kRoute,   // MESSAGE: on to the subscribers
  kDrop,    // MESSAGE: nobody gets it, the connection stays; a QoS 1 sender believes it arrived
  kRefuse,  // MESSAGE: the connection ends before a PUBACK, so the sender keeps the message
};

struct InboundMessage {
  std::string_view topic;
  ByteView payload;
  int qos = 0;
};

struct MessageDecision {
  Verdict verdict = Verdict::kRoute;
  /// A device's fetch that passed, and whose it is: the one message that somebody in here may take.
  std::optional<FetchRequest> fetch;
  std::string_view device;  // into the policy cache; good until the next call
};

struct GuardCounters {
  std::uint64_t denied = 0;         // ACL
  std::uint64_t wills_refused = 0;  // of them
  std::uint64_t malformed = 0;
  std::uint64_t over_limit_dropped = 0;
  std::uint64_t over_limit_refused = 0;
  std::uint64_t quarantines = 0;
  std::uint64_t kicks = 0;
};

class Guard {
 public:
  /// Keeps references to all three. `config` may change in place; then call OnConfigChanged.
  Guard(const PluginConfig& config, Events& events, BootMs now);

  /// The answer for a topic that is not ours; nothing for one that is.
  std::optional<Verdict> OnForeignAclCheck(const Client& client, const AclRequest& request);
  /// The same where the topic is known to be foreign; `client` is the connection's key.
  Verdict OnForeignAclCheck(const void* client, Access access);
  Verdict OnAclCheck(const Client& client, const AclRequest& request, BootMs now);
  MessageDecision OnMessage(const Client& client, const InboundMessage& message, BootMs now);
  /// Only what must not connect at all is refused; passwords are checked by others.
  Verdict OnBasicAuth(const Client& client, BootMs now);
  /// Forgets the connection. The identity when it was a device that has written something.
  std::optional<std::string> OnDisconnect(const Client& client);
  void OnConfigChanged();

  /// Denies a device everything for `seconds` and asks for its kick. False when too many are.
  bool Quarantine(std::string_view device, std::uint32_t seconds, std::string_view why, BootMs now);
  /// False when it was not quarantined.
  bool LiftQuarantine(std::string_view device);
  void RequestKick(std::string_view username);
  /// User names whose connections are to be ended now, each once.
  std::vector<std::string> TakeKicks();
  [[nodiscard]] bool HasKicks() const { return !kicks_.empty(); }
  /// A turn of the broker's loop: no will can come any more of who was closing.
  void OnTurn() { closing_ = nullptr; }

  [[nodiscard]] const GuardCounters& counters() const { return counters_; }
  [[nodiscard]] std::size_t devices() const { return devices_.size(); }
  [[nodiscard]] std::size_t cached_policies() const { return policies_.size(); }
  [[nodiscard]] std::size_t quarantined() const { return quarantined_until_.size(); }

 private:
  struct CachedPolicy {
    std::string username, client_id;
    ClientPolicy policy;
  };
  struct DeviceState {
    TokenBucket messages, bytes, fetches;
    BootMs last_seen;
    BootMs malformed_since;
    std::uint32_t malformed = 0;
  };
  template <class T>
  using ByName = std::unordered_map<std::string, T, TextHash, std::equal_to<>>;

  const ClientPolicy& PolicyOf(const Client& client);
  DeviceState& StateOf(std::string_view device, BootMs now);
  [[nodiscard]] DeviceState NewState(BootMs now) const;
  void ForgetIdleDevices(BootMs now);
  bool IsQuarantined(std::string_view device, BootMs now);

  void NoteDenied(const Client& client, const ClientPolicy& policy, const AclRequest& request,
                  DenyReason reason, BootMs now);
  /// The verdict of one that was taken for malformed: kDrop.
  Verdict NoteMalformed(std::string_view device, std::string_view why, BootMs now);
  bool WithinLimits(DeviceState& state, UpKind kind, std::size_t payload_bytes, BootMs now);
  MessageDecision OnDeviceMessage(const ClientPolicy& policy, const InboundMessage& message,
                                  BootMs now);
  /// From a bridge of this broker, which ACL_CHECK never sees.
  MessageDecision OnBridgedMessage(const InboundMessage& message);

  const PluginConfig& config_;
  Events& events_;
  std::unordered_map<const void*, CachedPolicy> policies_;
  ClientPolicy uncached_;          // what PolicyOf answers with when it must not remember
  const void* closing_ = nullptr;  // after its DISCONNECT only a will can still come of it
  ByName<DeviceState> devices_;
  DeviceState crowd_;  // shared by the devices that found no room
  BootMs idle_sweep_not_before_;
  ByName<BootMs> quarantined_until_;
  NameSet kicks_;
  GuardCounters counters_;
};

}  // namespace sluice::plugin
