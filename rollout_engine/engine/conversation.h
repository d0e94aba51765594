// Answers: every hello and every report gets one, within a rate per device, in one fixed order of
// messages.
//
// Roots above the version held, Answer, Order if newer, Directive if newer or in force: nothing
// depends on what the broker retains. Keeps nothing durable; what is lost is asked for again.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "rollout_engine/engine/device_directory.h"
#include "rollout_engine/engine/director.h"

namespace sluice {

/// Tokens that come back one per interval, up to a burst.
class TokenBucket {
 public:
  TokenBucket(std::int64_t interval_ms, std::int64_t burst)
      : interval_ms_(interval_ms), burst_(burst) {}
  /// When a token is there, at the earliest `now`.
  [[nodiscard]] BootMs ReadyAt(BootMs now) const;
  void Take(BootMs now);

 private:
  const std::int64_t interval_ms_;
  const std::int64_t burst_;
  std::int64_t full_at_ms_ = INT64_MIN / 2;  // when the bucket would be full again
};

enum class Urgency {
  kHello,   // an ordinary hello: the contract's rate
  kNews,    // the device waits for something that it can act on
  kReport,  // the same after a short gathering
};

class Conversation {
 public:
  explicit Conversation(const Director& director) : director_(director) {}

  /// The device is owed an answer.
  void Owe(const std::string& device, Urgency urgency, BootMs now);
  /// The permit for `manifest` goes out with the next answer, and with those of the next two
  /// minutes.
  void Grant(const std::string& device, const Digest& manifest, BootMs now);
  /// No permit that was given and not yet sent goes out; those on the wire end by themselves.
  void WithdrawPermit(const std::string& device) { partners_[device].permit.reset(); }

  /// Who is to be answered now.
  [[nodiscard]] std::vector<std::string> TakeDue(BootMs now);
  [[nodiscard]] std::optional<BootMs> NextDeadline() const;

  /// Puts the whole answer into the turn. REQUIRES: the device has said hello.
  void Answer(const Device& device, std::uint32_t telemetry_interval_s,
              std::int64_t signing_time_ms, bool retain_directive, Turn& turn);

 private:
  struct Permit {
    Digest manifest;
    BootMs until;
  };
  struct Partner {
    TokenBucket hellos{limits::kAnswerInterval, limits::kAnswerBurst};
    TokenBucket news{limits::kNewsInterval, limits::kNewsBurst};
    std::optional<BootMs> due;
    bool urgent = false;
    bool after_hello = false;
    std::optional<Permit> permit;
    SequenceNumber order_sent;
  };
  [[nodiscard]] Digest PermitFor(const Device& device, Partner& partner, BootMs now) const;

  const Director& director_;
  std::map<std::string, Partner> partners_;
  std::set<std::pair<BootMs, std::string>> due_;
};

}  // namespace sluice
