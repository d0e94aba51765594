#include "broker_plugin/acl.h"

#include <algorithm>

#include "broker_plugin/partition.h"
#include "common/contract/limits.h"

namespace sluice::plugin {
namespace {

constexpr std::string_view kUp = "sluice-dev/v1/up/";
constexpr std::string_view kDown = "sluice-dev/v1/down/";
constexpr std::string_view kAll = "sluice-dev/v1/all/";
constexpr std::string_view kAllFreshness = "sluice-dev/v1/all/freshness";
constexpr std::string_view kServer = "sluice/v1/server";
constexpr std::string_view kControl = "$CONTROL/sluice/v1";
constexpr std::string_view kControlResponse = "$CONTROL/sluice/v1/response";
constexpr std::string_view kTrigger = "sluice/v1/trigger/";

constexpr AclDecision kAllowed{AclAnswer::kAllow, DenyReason::kNone};
constexpr AclDecision kDeferred{AclAnswer::kDefer, DenyReason::kNone};

constexpr AclDecision Deny(DenyReason reason) { return {AclAnswer::kDeny, reason}; }

/// `root` itself, or below it.
bool IsUnder(std::string_view topic, std::string_view root) {
  return topic.starts_with(root) && (topic.size() == root.size() || topic[root.size()] == '/');
}

/// What a device may write: in the order of UpKind.
struct UpRule {
  std::string_view name;
  int qos;
  bool retain;
  std::size_t bytes_max;
};
constexpr std::array<UpRule, 5> kUpRules = {{
    {"hello", 1, false, sluice::limits::kHelloBytesMax},
    {"report", 1, false, sluice::limits::kReportBytesMax},
    {"telemetry", 0, false, sluice::limits::kTelemetryBytesMax},
    {"presence", 1, true, 7},
    {"fetch", 0, false, sluice::limits::kFetchBytesMax},
}};

AclDecision CheckDeviceWrite(const ClientPolicy& device, const AclRequest& request) {
  const int kind = OwnUpKind(device, request.topic);
  if (kind < 0) return Deny(DenyReason::kTopic);
  const UpRule& rule = kUpRules[static_cast<std::size_t>(kind)];
  if (request.qos != rule.qos) return Deny(DenyReason::kQos);
  if (request.retain != rule.retain) return Deny(DenyReason::kRetain);
  if (request.payload.size() > rule.bytes_max) return Deny(DenyReason::kSize);
  // A will never reaches MESSAGE, so its text is looked at here.
  const std::string_view text = AsText(request.payload);
  if (kind == static_cast<int>(UpKind::kPresence) && text != "online" && text != "offline") {
    return Deny(DenyReason::kPayload);
  }
  return kAllowed;
}

/// The five topics that a device hears, each by its exact name.
bool IsOwnDownTopic(const ClientPolicy& device, std::string_view topic) {
  if (topic.starts_with(kAll)) {
    const std::string_view last = topic.substr(kAll.size());
    return last == "root" || last == "freshness" || last == "order";
  }
  if (!topic.starts_with(kDown)) return false;
  topic.remove_prefix(kDown.size());
  if (!topic.starts_with(device.identity())) return false;
  topic.remove_prefix(device.identity().size());
  return topic == "/directive" || topic == "/chunk";
}

AclDecision CheckDevice(const ClientPolicy& device, const AclRequest& request) {
  switch (request.access) {
    case Access::kWrite:
      return CheckDeviceWrite(device, request);
    case Access::kRead:
      return IsOwnDownTopic(device, request.topic) ? kAllowed : Deny(DenyReason::kTopic);
    case Access::kSubscribe:
      if (!IsOwnDownTopic(device, request.topic)) return Deny(DenyReason::kFilter);
      return request.qos <= 1 ? kAllowed : Deny(DenyReason::kQos);
    case Access::kUnsubscribe:
      return IsOwnDownTopic(device, request.topic) ? kAllowed : Deny(DenyReason::kFilter);
  }
  return Deny(DenyReason::kTopic);
}

AclDecision CheckEngine(const AclRequest& request) {
  const std::string_view topic = request.topic;
  if (request.access != Access::kWrite) {
    const bool heard = topic.starts_with(kUp) || topic == kAllFreshness;
    return heard ? kAllowed : Deny(DenyReason::kTopic);
  }
  if (!topic.starts_with(kDown) && !topic.starts_with(kAll)) return Deny(DenyReason::kTopic);
  if (request.qos > 1) return Deny(DenyReason::kQos);
  if (request.payload.size() > sluice::limits::kMqttPayloadMax) return Deny(DenyReason::kSize);
  return kAllowed;
}

AclDecision CheckDevicePlane(const ClientPolicy& client, const AclRequest& request) {
  switch (client.role()) {
    case Role::kDevice:
      return CheckDevice(client, request);
    case Role::kEngine:
      return CheckEngine(request);
    case Role::kNobody:
      return Deny(DenyReason::kIdentity);
    case Role::kOperator:
    case Role::kAdmin:
      break;
  }
  return Deny(DenyReason::kTopic);
}

bool IsOperatorRole(Role role) { return role == Role::kOperator || role == Role::kAdmin; }

/// sluice/#, without sluice/v1/server. Who reads it beside the engine and the operators is for the
/// broker's own ACL to say.
AclDecision CheckOperatorPlane(Role role, const AclRequest& request) {
  if (role == Role::kEngine) return kAllowed;
  if (request.access != Access::kWrite) return IsOperatorRole(role) ? kAllowed : kDeferred;
  if (!IsOperatorRole(role)) return Deny(DenyReason::kTopic);
  const bool command = request.topic.starts_with("sluice/v1/") && request.topic.ends_with("/cmd");
  if (!command && !request.topic.starts_with(kTrigger)) return Deny(DenyReason::kTopic);
  // The broker would say a retained one again to each engine that connects.
  return request.retain ? Deny(DenyReason::kRetain) : kAllowed;
}

AclDecision CheckServerPlane(Role role, const AclRequest& request) {
  if (request.access == Access::kWrite) return Deny(DenyReason::kTopic);
  return role == Role::kEngine || IsOperatorRole(role) ? kAllowed : kDeferred;
}

AclDecision CheckControl(Role role, const AclRequest& request) {
  if (role != Role::kEngine && role != Role::kAdmin) return Deny(DenyReason::kTopic);
  const std::string_view expected = request.access == Access::kWrite ? kControl : kControlResponse;
  return request.topic == expected ? kAllowed : Deny(DenyReason::kTopic);
}

Role RoleOfUser(const PluginConfig& config, std::string_view username) {
  if (config.engine_users.contains(username)) return Role::kEngine;
  if (config.admin_users.contains(username)) return Role::kAdmin;
  if (config.operator_users.contains(username)) return Role::kOperator;
  return Role::kNobody;
}

bool IsNamedDevice(const PluginConfig& config, std::string_view username) {
  return config.device_users.contains(username) ||
         std::any_of(config.device_prefixes.begin(), config.device_prefixes.end(),
                     [&](const std::string& prefix) { return username.starts_with(prefix); });
}

}  // namespace

std::string_view RoleName(Role role) noexcept {
  constexpr std::array<std::string_view, 5> kNames = {"nobody", "device", "engine", "operator",
                                                      "admin"};
  return kNames[static_cast<std::size_t>(role)];
}

std::string_view DenyReasonName(DenyReason reason) noexcept {
  constexpr std::array<std::string_view, 10> kNames = {
      "none",   "identity", "topic",   "filter",      "qos",
      "retain", "size",     "payload", "quarantined", "closed"};
  return kNames[static_cast<std::size_t>(reason)];
}

ClientPolicy::ClientPolicy(const PluginConfig& config, const Client& client) {
  if (client.username.empty()) return;
  role_ = RoleOfUser(config, client.username);
  if (role_ != Role::kNobody) return;
  is_named_device_ = IsNamedDevice(config, client.username);
  const bool anybody = config.device_users.empty() && config.device_prefixes.empty();
  if (!is_named_device_ && !anybody) return;
  if (!IsTopicLevel(client.username) ||
      (config.client_id_is_username && client.client_id != client.username)) {
    is_bad_identity_ = true;
    return;
  }
  role_ = Role::kDevice;
  identity_size_ = static_cast<std::uint8_t>(client.username.size());
  std::copy(client.username.begin(), client.username.end(), identity_.begin());
  partition_ = static_cast<std::uint8_t>(PartitionOfDevice(client.username));
}

Plane PlaneOf(std::string_view topic) noexcept {
  if (IsSurelyForeign(topic)) return Plane::kForeign;
  if (topic.starts_with("$share/")) {  // a filter behind a group's name
    const std::size_t slash = topic.find('/', std::string_view("$share/").size());
    topic = slash == std::string_view::npos ? std::string_view{} : topic.substr(slash + 1);
  }
  if (IsDevicePlane(topic)) return Plane::kDevice;
  if (IsUnder(topic, kServer)) return Plane::kServer;
  if (IsUnder(topic, "sluice")) return Plane::kOperator;
  if (IsUnder(topic, "$CONTROL/sluice")) return Plane::kControl;
  if (topic.starts_with('#') || topic.starts_with('+')) return Plane::kEverywhere;
  return Plane::kForeign;
}

int OwnUpKind(const ClientPolicy& device, std::string_view topic) noexcept {
  if (device.role() != Role::kDevice || !topic.starts_with(kUp)) return -1;
  topic.remove_prefix(kUp.size());
  const std::array<char, 4> partition = {'p', static_cast<char>('0' + device.partition() / 10),
                                         static_cast<char>('0' + device.partition() % 10), '/'};
  if (!topic.starts_with(std::string_view(partition.data(), partition.size()))) return -1;
  topic.remove_prefix(partition.size());
  if (!topic.starts_with(device.identity())) return -1;
  topic.remove_prefix(device.identity().size());
  if (!topic.starts_with('/')) return -1;
  topic.remove_prefix(1);
  for (std::size_t i = 0; i < kUpRules.size(); ++i) {
    if (topic == kUpRules[i].name) return static_cast<int>(i);
  }
  return -1;
}

AclDecision CheckAcl(const PluginConfig& config, const ClientPolicy& client,
                     const AclRequest& request) noexcept {
  const AclDecision foreign = config.allow_foreign_topics ? kAllowed : kDeferred;
  const Plane plane = PlaneOf(request.topic);
  switch (plane) {
    case Plane::kDevice:
      return CheckDevicePlane(client, request);
    case Plane::kServer:
    case Plane::kOperator: {
      const AclDecision decision = plane == Plane::kServer
                                       ? CheckServerPlane(client.role(), request)
                                       : CheckOperatorPlane(client.role(), request);
      return decision == kDeferred ? foreign : decision;
    }
    case Plane::kControl:
      return CheckControl(client.role(), request);
    case Plane::kEverywhere:
      // Each message is checked again before it is delivered, but a parked '#' costs the broker
      // that check for every message of the fleet. Only who is surely a device is refused it.
      return client.is_named_device() ? Deny(DenyReason::kFilter) : foreign;
    case Plane::kForeign:
      break;
  }
  return foreign;
}

AclDecision CheckAclClosed(bool allow_foreign_topics, const AclRequest& request) noexcept {
  const Plane plane = PlaneOf(request.topic);
  if (plane == Plane::kDevice || plane == Plane::kControl) return Deny(DenyReason::kClosed);
  if (plane == Plane::kServer && request.access == Access::kWrite) {
    return Deny(DenyReason::kClosed);
  }
  return allow_foreign_topics ? kAllowed : kDeferred;
}

}  // namespace sluice::plugin
