// Who may do what on Sluice's topics: the table of the broker plugin, as a function without state.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "broker_plugin/plugin_config.h"
#include "common/base/bytes.h"
#include "common/contract/topics.h"

namespace sluice::plugin {

/// A connection as the broker shows it. Anonymous: no user name, or an empty one.
struct Client {
  const void* key = nullptr;  // the same for every call about one connection; never looked into
  std::string_view username;
  std::string_view client_id;  // empty after the broker took it away
};

enum class Role : std::uint8_t {
  kNobody,  // anonymous, or a name that can be no identity: nothing of Sluice's is theirs
  kDevice,
  kEngine,
  kOperator,
  kAdmin,  // an operator who may use $CONTROL
};
std::string_view RoleName(Role role) noexcept;

/// What is remembered of a connection: fixed size, copied freely.
class ClientPolicy {
 public:
  ClientPolicy() = default;
  ClientPolicy(const PluginConfig& config, const Client& client);

  [[nodiscard]] Role role() const { return role_; }
  /// The device's identity; empty in every other role.
  [[nodiscard]] std::string_view identity() const { return {identity_.data(), identity_size_}; }
  [[nodiscard]] int partition() const { return partition_; }
  /// The configuration names it as a device; it is not one just because it is nothing else.
  [[nodiscard]] bool is_named_device() const { return is_named_device_; }
  /// It should have been a device: the configuration names it, yet its identity cannot be one.
  [[nodiscard]] bool is_bad_identity() const { return is_bad_identity_; }

 private:
  Role role_ = Role::kNobody;
  bool is_named_device_ = false;
  bool is_bad_identity_ = false;
  std::uint8_t identity_size_ = 0;
  std::uint8_t partition_ = 0;
  std::array<char, sluice::limits::kTopicLevelMax> identity_{};
};

enum class Access : std::uint8_t { kRead, kWrite, kSubscribe, kUnsubscribe };

struct AclRequest {
  Access access = Access::kRead;
  std::string_view topic;  // the filter, for kSubscribe and kUnsubscribe
  ByteView payload;        // kWrite only
  int qos = 0;
  bool retain = false;
};

enum class AclAnswer : std::uint8_t { kAllow, kDeny, kDefer };

/// Why it was denied; the names stand in events.
enum class DenyReason : std::uint8_t {
  kNone,
  kIdentity,
  kTopic,
  kFilter,
  kQos,
  kRetain,
  kSize,
  kPayload,
  kQuarantined,
  kClosed,
};
std::string_view DenyReasonName(DenyReason reason) noexcept;

struct AclDecision {
  AclAnswer answer = AclAnswer::kDefer;
  DenyReason reason = DenyReason::kNone;
  friend bool operator==(const AclDecision&, const AclDecision&) = default;
};

/// Where a topic or filter lies. A filter that begins with a wildcard reaches everywhere.
enum class Plane : std::uint8_t { kForeign, kDevice, kServer, kOperator, kControl, kEverywhere };
Plane PlaneOf(std::string_view topic) noexcept;

/// True of most of a broker's traffic, by one letter: nothing of ours begins so, no `$share/` and
/// no wildcard. False says nothing.
inline bool IsSurelyForeign(std::string_view topic) noexcept {
  return topic.empty() ||
         (topic[0] != 's' && topic[0] != '$' && topic[0] != '#' && topic[0] != '+');
}

/// "sluice-dev" and all below it, which is what fails closed.
inline bool IsDevicePlane(std::string_view topic) noexcept {
  constexpr std::string_view kRoot = "sluice-dev";
  return topic.starts_with(kRoot) && (topic.size() == kRoot.size() || topic[kRoot.size()] == '/');
}

/// Which of its own topics a device names; -1 when it is none of them. Allocates nothing.
int OwnUpKind(const ClientPolicy& device, std::string_view topic) noexcept;

/// The table. On topics that are not Sluice's the answer is kDefer whoever asks, or kAllow where
/// the configuration says that nobody else answers. Allocates nothing.
AclDecision CheckAcl(const PluginConfig& config, const ClientPolicy& client,
                     const AclRequest& request) noexcept;

/// While the plugin is closed: nothing below sluice-dev/, nobody writes sluice/v1/server/ or
/// $CONTROL, and the rest is not its business.
AclDecision CheckAclClosed(bool allow_foreign_topics, const AclRequest& request) noexcept;

}  // namespace sluice::plugin
