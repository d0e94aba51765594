#include "broker_plugin/guard.h"

#include <utility>

#include "broker_plugin/limits.h"
#include "broker_plugin/message_check.h"
#include "broker_plugin/partition.h"
#include "common/contract/topics.h"

namespace sluice::plugin {
namespace {

Verdict VerdictOf(AclAnswer answer) {
  switch (answer) {
    case AclAnswer::kAllow:
      return Verdict::kAllow;
    case AclAnswer::kDeny:
      return Verdict::kDeny;
    case AclAnswer::kDefer:
      break;
  }
  return Verdict::kDefer;
}

/// The will of a device that was shut out still says that it is gone.
bool IsGoodbye(const ClientPolicy& policy, const AclRequest& request) {
  return request.access == Access::kWrite && AsText(request.payload) == "offline" &&
         OwnUpKind(policy, request.topic) == static_cast<int>(UpKind::kPresence);
}

}  // namespace

Guard::Guard(const PluginConfig& config, Events& events, BootMs now)
    : config_(config), events_(events), crowd_(NewState(now)) {}

std::optional<Verdict> Guard::OnForeignAclCheck(const Client& client, const AclRequest& request) {
  if (PlaneOf(request.topic) != Plane::kForeign) return std::nullopt;
  return OnForeignAclCheck(client.key, request.access);
}

Verdict Guard::OnForeignAclCheck(const void* client, Access access) {
  if (client != closing_ || access != Access::kWrite) closing_ = nullptr;
  return config_.allow_foreign_topics ? Verdict::kAllow : Verdict::kDefer;
}

Verdict Guard::OnAclCheck(const Client& client, const AclRequest& request, BootMs now) {
  if (const auto foreign = OnForeignAclCheck(client, request)) return *foreign;
  // A will follows its DISCONNECT at once; after anything else that address is another client's.
  if (client.key != closing_ || request.access != Access::kWrite) closing_ = nullptr;
  const ClientPolicy& policy = PolicyOf(client);
  AclDecision decision = CheckAcl(config_, policy, request);
  if (decision.answer == AclAnswer::kAllow && policy.role() == Role::kDevice &&
      IsDevicePlane(request.topic) && IsQuarantined(policy.identity(), now) &&
      !IsGoodbye(policy, request)) {
    decision = {AclAnswer::kDeny, DenyReason::kQuarantined};
  }
  if (decision.answer == AclAnswer::kDeny) {
    NoteDenied(client, policy, request, decision.reason, now);
  }
  return VerdictOf(decision.answer);
}

void Guard::NoteDenied(const Client& client, const ClientPolicy& policy, const AclRequest& request,
                       DenyReason reason, BootMs now) {
  ++counters_.denied;
  // Whoever holds a '#' is denied each chunk as it passes: no news, and nothing that he did.
  if (request.access == Access::kRead || request.access == Access::kUnsubscribe) return;
  const bool is_will = client.key == closing_ && request.access == Access::kWrite;
  if (is_will) ++counters_.wills_refused;
  events_.Emit(is_will ? EventType::kWill : EventType::kDenied, client.username,
               DenyReasonName(reason));
  if (is_will || !IsDevicePlane(request.topic)) return;
  const bool cannot_be_a_device = policy.is_bad_identity() || (policy.role() == Role::kNobody &&
                                                               !IsTopicLevel(client.username));
  if (cannot_be_a_device || reason == DenyReason::kQuarantined) RequestKick(client.username);
  const bool malformed = reason == DenyReason::kSize || reason == DenyReason::kPayload;
  if (malformed && policy.role() == Role::kDevice) {
    NoteMalformed(policy.identity(), DenyReasonName(reason), now);
  }
}

MessageDecision Guard::OnMessage(const Client& client, const InboundMessage& message, BootMs now) {
  if (!IsDevicePlane(message.topic)) return {};
  closing_ = nullptr;
  const ClientPolicy& policy = PolicyOf(client);
  if (policy.role() == Role::kDevice) return OnDeviceMessage(policy, message, now);
  return OnBridgedMessage(message);
}

MessageDecision Guard::OnDeviceMessage(const ClientPolicy& policy, const InboundMessage& message,
                                       BootMs now) {
  const std::string_view device = policy.identity();
  const int own = OwnUpKind(policy, message.topic);
  if (own < 0 || IsQuarantined(device, now)) return {Verdict::kDrop, std::nullopt, device};
  const auto kind = static_cast<UpKind>(own);
  if (!WithinLimits(StateOf(device, now), kind, message.payload.size(), now)) {
    events_.Emit(EventType::kRate, device, kind == UpKind::kFetch ? "fetch" : "messages");
    if (message.qos == 0) {
      ++counters_.over_limit_dropped;
      return {Verdict::kDrop, std::nullopt, device};
    }
    ++counters_.over_limit_refused;
    return {Verdict::kRefuse, std::nullopt, device};
  }
  Result<CheckedMessage> checked = CheckDeviceMessage(kind, message.payload);
  if (!checked) {
    return {NoteMalformed(device, CodeName(checked.error().code), now), std::nullopt, device};
  }
  return {Verdict::kRoute, std::move(checked->fetch), device};
}

MessageDecision Guard::OnBridgedMessage(const InboundMessage& message) {
  if (!message.topic.starts_with("sluice-dev/v1/up/")) return {};
  const Result<UpTopic> topic = ParseUpTopic(message.topic);
  if (topic && topic->partition == PartitionOfDevice(topic->device) &&
      CheckDeviceMessage(topic->kind, message.payload)) {
    return {};
  }
  ++counters_.malformed;
  return {Verdict::kDrop, std::nullopt, {}};
}

bool Guard::WithinLimits(DeviceState& state, UpKind kind, std::size_t payload_bytes, BootMs now) {
  if (kind == UpKind::kFetch) return state.fetches.TryTake(1, now);
  const auto bytes = static_cast<std::uint32_t>(payload_bytes);  // capped by the broker: 256 MiB
  if (!state.bytes.Has(bytes, now) || !state.messages.TryTake(1, now)) return false;
  return state.bytes.TryTake(bytes, now);
}

Verdict Guard::NoteMalformed(std::string_view device, std::string_view why, BootMs now) {
  ++counters_.malformed;
  events_.Emit(EventType::kMalformed, device, why);
  DeviceState& state = StateOf(device, now);
  if (now - state.malformed_since >= limits::kMalformedWindow) {
    state.malformed_since = now;
    state.malformed = 0;
  }
  ++state.malformed;
  // In the crowd nobody knows whose they were.
  if (&state != &crowd_ && state.malformed >= config_.rates.malformed_max) {
    state.malformed = 0;
    Quarantine(device, config_.rates.quarantine_s, "malformed", now);
  }
  return Verdict::kDrop;
}

Verdict Guard::OnBasicAuth(const Client& client, BootMs now) {
  closing_ = nullptr;
  if (client.username.empty()) return Verdict::kDefer;
  // Not from the cache: the broker may not have settled the client id yet.
  const ClientPolicy policy(config_, {client.key, client.username, client.username});
  const bool shut_out = policy.is_bad_identity() ||
                        (policy.role() == Role::kDevice && IsQuarantined(policy.identity(), now));
  if (!shut_out) return Verdict::kDefer;
  ++counters_.denied;
  events_.Emit(
      EventType::kDenied, client.username,
      DenyReasonName(policy.is_bad_identity() ? DenyReason::kIdentity : DenyReason::kQuarantined));
  return Verdict::kDeny;
}

std::optional<std::string> Guard::OnDisconnect(const Client& client) {
  closing_ = client.key;
  const auto cached = policies_.find(client.key);
  if (cached == policies_.end()) return std::nullopt;
  const ClientPolicy policy = cached->second.policy;
  const bool same = cached->second.username == client.username;  // the id may be gone already
  policies_.erase(cached);
  if (!same || policy.role() != Role::kDevice || !devices_.contains(policy.identity())) {
    return std::nullopt;
  }
  return std::string(policy.identity());
}

void Guard::OnConfigChanged() {
  policies_.clear();
  const RateLimits& rates = config_.rates;
  const auto set = [&rates](DeviceState& state) {
    state.messages.SetRate(rates.messages_per_s, rates.messages_burst);
    state.bytes.SetRate(rates.up_bytes_per_s, rates.up_bytes_per_s);
    state.fetches.SetRate(rates.fetches_per_s, rates.fetches_per_s);
  };
  set(crowd_);
  for (auto& [device, state] : devices_) set(state);
}

bool Guard::Quarantine(std::string_view device, std::uint32_t seconds, std::string_view why,
                       BootMs now) {
  RequestKick(device);
  const BootMs until = now + std::int64_t{seconds} * limits::kSecond;
  const auto known = quarantined_until_.find(device);
  if (known != quarantined_until_.end()) {
    known->second = until;
    return true;
  }
  if (quarantined_until_.size() >= limits::kDeviceStatesMax) {
    std::erase_if(quarantined_until_, [now](const auto& entry) { return entry.second <= now; });
    if (quarantined_until_.size() >= limits::kDeviceStatesMax) return false;
  }
  quarantined_until_.emplace(device, until);
  ++counters_.quarantines;
  events_.Emit(EventType::kQuarantined, device, why);
  return true;
}

bool Guard::LiftQuarantine(std::string_view device) {
  const auto found = quarantined_until_.find(device);
  if (found == quarantined_until_.end()) return false;
  quarantined_until_.erase(found);
  return true;
}

bool Guard::IsQuarantined(std::string_view device, BootMs now) {
  if (quarantined_until_.empty()) return false;
  const auto found = quarantined_until_.find(device);
  if (found == quarantined_until_.end()) return false;
  if (now < found->second) return true;
  quarantined_until_.erase(found);
  return false;
}

void Guard::RequestKick(std::string_view username) {
  // Without a name the broker would end every anonymous connection.
  if (username.empty() || kicks_.size() >= limits::kPendingKicksMax) return;
  if (kicks_.find(username) == kicks_.end()) kicks_.emplace(username);
}

std::vector<std::string> Guard::TakeKicks() {
  if (kicks_.empty()) return {};
  std::vector<std::string> names(kicks_.begin(), kicks_.end());
  kicks_.clear();
  counters_.kicks += names.size();
  return names;
}

const ClientPolicy& Guard::PolicyOf(const Client& client) {
  const auto found = policies_.find(client.key);
  // The key is an address: a session that was freed unseen may have left it to another client.
  if (found != policies_.end()) {
    if (found->second.username == client.username && found->second.client_id == client.client_id) {
      return found->second.policy;
    }
    policies_.erase(found);
  }
  ClientPolicy policy(config_, client);
  if (client.key == closing_ || client.username.size() > limits::kUserNameMax ||
      client.client_id.size() > limits::kUserNameMax) {
    uncached_ = policy;
    return uncached_;
  }
  // Rebuilding one costs a microsecond, which is cheaper than to know which is the oldest.
  if (policies_.size() >= limits::kCachedPoliciesMax) policies_.clear();
  CachedPolicy entry{std::string(client.username), std::string(client.client_id), policy};
  return policies_.emplace(client.key, std::move(entry)).first->second.policy;
}

Guard::DeviceState Guard::NewState(BootMs now) const {
  const RateLimits& rates = config_.rates;
  return {.messages = {rates.messages_per_s, rates.messages_burst, now},
          .bytes = {rates.up_bytes_per_s, rates.up_bytes_per_s, now},
          .fetches = {rates.fetches_per_s, rates.fetches_per_s, now},
          .last_seen = now,
          .malformed_since = now};
}

Guard::DeviceState& Guard::StateOf(std::string_view device, BootMs now) {
  const auto found = devices_.find(device);
  if (found != devices_.end()) {
    found->second.last_seen = now;
    return found->second;
  }
  if (devices_.size() >= limits::kDeviceStatesMax) ForgetIdleDevices(now);
  if (devices_.size() >= limits::kDeviceStatesMax) return crowd_;
  return devices_.emplace(device, NewState(now)).first->second;
}

void Guard::ForgetIdleDevices(BootMs now) {
  if (now < idle_sweep_not_before_) return;  // it looks at every entry
  idle_sweep_not_before_ = now + limits::kMinute;
  std::erase_if(devices_, [now](const auto& entry) {
    return now - entry.second.last_seen >= limits::kDeviceStateIdle;
  });
}

}  // namespace sluice::plugin
