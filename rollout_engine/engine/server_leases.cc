#include "rollout_engine/engine/server_leases.h"

#include <algorithm>

#include "common/contract/topics.h"
#include "rollout_engine/engine/limits.h"
#include "rollout_engine/engine/stored_json.h"

namespace sluice {
namespace {

constexpr std::string_view kPrefix = "sluice/v1/server/";
constexpr std::string_view kSuffix = "/lease";

std::string_view ServerOf(std::string_view topic) {
  return topic.substr(kPrefix.size(), topic.size() - kPrefix.size() - kSuffix.size());
}

}  // namespace

bool IsServerLeaseTopic(std::string_view topic) noexcept {
  return topic.size() > kPrefix.size() + kSuffix.size() && topic.starts_with(kPrefix) &&
         topic.ends_with(kSuffix) && IsTopicLevel(ServerOf(topic));
}

std::optional<ServerLease> ParseServerLease(std::string_view topic, ByteView payload) {
  if (!IsServerLeaseTopic(topic) || payload.size() > limits::kServerLeaseBytesMax)
    return std::nullopt;
  const auto lease = ReadStoredJson(topic, payload, [](const Json& json) {
    return ServerLease{.server = json.at("server").get<std::string>(),
                       .boot = json.at("boot").get<std::string>(),
                       .seq = json.at("seq").get<std::uint64_t>(),
                       .serving = json.at("serving").get<bool>(),
                       .policy_seq = json.at("policy_seq").get<std::uint64_t>()};
  });
  if (!lease || lease->server != ServerOf(topic) || !IsTopicLevel(lease->boot)) return std::nullopt;
  return *lease;
}

void ServerLeases::Take(const ServerLease& lease, bool retained, BootMs now) {
  if (retained) return;
  auto found = servers_.find(lease.server);
  if (found == servers_.end()) {
    if (servers_.size() >= limits::kServersMax) return;
    found = servers_.try_emplace(lease.server).first;
  }
  Server& server = found->second;
  const bool same_boot = server.lease.boot == lease.boot;
  if (same_boot && lease.seq <= server.lease.seq) return;
  if (!same_boot) server.policy_sent_at.reset();
  server.lease = lease;
  server.live = true;
  server.renewed_at = now;
}

void ServerLeases::Lapse(BootMs now) {
  for (auto& [name, server] : servers_)
    server.live = server.live && now - server.renewed_at < limits::kServerLeaseLife;
}

bool ServerLeases::AnyLive() const {
  return std::any_of(servers_.begin(), servers_.end(), [](const auto& s) { return s.second.live; });
}

/// The first by name of the best kind: live and serving, live, lapsed.
ServerLeases::Shown ServerLeases::Summary() const {
  Shown best;
  const auto rank = [](const Shown& shown) {
    if (shown.health == Shown::Health::kLive) return shown.serving ? 3 : 2;
    return shown.health == Shown::Health::kLapsed ? 1 : 0;
  };
  for (const auto& [name, server] : servers_) {
    const Shown shown{.health = server.live ? Shown::Health::kLive : Shown::Health::kLapsed,
                      .serving = server.live && server.lease.serving,
                      .server = name};
    if (rank(shown) > rank(best)) best = shown;
  }
  return best;
}

std::optional<BootMs> ServerLeases::PolicyDueAt(const Server& server,
                                                std::uint64_t policy_seq) const {
  if (!server.live || server.lease.policy_seq >= policy_seq) return std::nullopt;
  BootMs due = server.renewed_at;
  if (server.policy_sent_at) due = *server.policy_sent_at + limits::kServerPolicyResend;
  if (sent_at_) due = std::max(due, *sent_at_ + limits::kServerPolicyGap);
  return due;
}

bool ServerLeases::PolicyDue(std::uint64_t policy_seq, BootMs now) const {
  return std::any_of(servers_.begin(), servers_.end(), [&](const auto& server) {
    const auto due = PolicyDueAt(server.second, policy_seq);
    return due && now >= *due;
  });
}

void ServerLeases::NotePolicySent(BootMs now) {
  sent_at_ = now;
  for (auto& [name, server] : servers_) {
    if (server.live) server.policy_sent_at = now;
  }
}

void ServerLeases::ForgetSent() {
  sent_at_.reset();
  for (auto& [name, server] : servers_) server.policy_sent_at.reset();
}

std::optional<BootMs> ServerLeases::NextDeadline(std::uint64_t policy_seq) const {
  std::optional<BootMs> next;
  for (const auto& [name, server] : servers_) {
    if (!server.live) continue;
    const BootMs lapses = server.renewed_at + limits::kServerLeaseLife;
    const BootMs due = std::min(lapses, PolicyDueAt(server, policy_seq).value_or(lapses));
    if (!next || due < *next) next = due;
  }
  return next;
}

std::string_view ServerLeases::HealthName(Shown::Health health) noexcept {
  switch (health) {
    case Shown::Health::kLive:
      return "live";
    case Shown::Health::kLapsed:
      return "lapsed";
    case Shown::Health::kNone:
      break;
  }
  return "none";
}

}  // namespace sluice
