// Who says that it serves chunks from inside its broker, and for how long that is to be believed.
//
// Pure: time is a parameter. A server renews its lease every five seconds; only a live renewal
// counts, since a broker shows a retained one for ever.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/base/bytes.h"
#include "common/base/clock.h"

namespace sluice {

/// What an engine subscribes to, and where a server listens.
inline constexpr std::string_view kServerLeaseFilter = "sluice/v1/server/+/lease";
inline constexpr std::string_view kServerControlTopic = "$CONTROL/sluice/v1";

/// One server's word about itself.
struct ServerLease {
  std::string server;  // a topic level
  std::string boot;    // another one each time it starts
  std::uint64_t seq = 0;
  bool serving = false;
  std::uint64_t policy_seq = 0;  // the newest BlockPolicy that it took; 0 = none
  friend bool operator==(const ServerLease&, const ServerLease&) = default;
};

bool IsServerLeaseTopic(std::string_view topic) noexcept;
/// Nothing when it is malformed, too long or speaks for another server than its topic.
std::optional<ServerLease> ParseServerLease(std::string_view topic, ByteView payload);

class ServerLeases {
 public:
  /// What people are shown of all servers together.
  struct Shown {
    enum class Health : std::uint8_t { kNone, kLive, kLapsed };
    Health health = Health::kNone;
    bool serving = false;  // a live one says that it serves
    std::string server;    // the one that `health` and `serving` are about
    friend bool operator==(const Shown&, const Shown&) = default;
  };

  /// A renewal. Ignored: a retained copy, a repeated number of the same boot, one server too many.
  void Take(const ServerLease& lease, bool retained, BootMs now);
  /// Counts those dead that have not renewed for 15 s.
  void Lapse(BootMs now);

  [[nodiscard]] Shown Summary() const;
  [[nodiscard]] bool AnyLive() const;

  /// Whether a live server has an older policy than `policy_seq` and may be told again: at once
  /// after it started, else every five seconds; all together once a second.
  [[nodiscard]] bool PolicyDue(std::uint64_t policy_seq, BootMs now) const;
  /// The whole policy is on its way to all of them.
  void NotePolicySent(BootMs now);
  /// A new connection: what was sent may be lost.
  void ForgetSent();

  /// When Lapse or PolicyDue has something new to say, if ever.
  [[nodiscard]] std::optional<BootMs> NextDeadline(std::uint64_t policy_seq) const;

  static std::string_view HealthName(Shown::Health health) noexcept;

 private:
  struct Server {
    ServerLease lease;
    bool live = false;
    BootMs renewed_at;
    std::optional<BootMs> policy_sent_at;
  };
  [[nodiscard]] std::optional<BootMs> PolicyDueAt(const Server& server,
                                                  std::uint64_t policy_seq) const;

  std::map<std::string, Server> servers_;
  std::optional<BootMs> sent_at_;  // to anyone
};

}  // namespace sluice
