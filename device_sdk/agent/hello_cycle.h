// When to say hello and when to give up on a connection: docs/protocol.md, "Connect". Time and
// chance are parameters.
#pragma once

#include <optional>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/contract/limits.h"

namespace sluice::device {

inline constexpr std::int64_t kHelloGapMs = 500;    // between two hellos, whatever asks for them
inline constexpr int kUnansweredPerConnection = 3;  // then a new connection is made
inline constexpr std::int64_t kAskAgainDefaultMs = 30 * limits::kSecond;

class HelloCycle {
 public:
  /// Every subscription stands: hello is due.
  void OnConnected(BootMs now);
  void OnDisconnected();
  void OnAnswer(BootMs now);
  /// The engine was away or died: a hello that is not answered by `at` is said again then.
  void OnEngineBack(BootMs at);
  /// A hello at `at` or before; nothing while not connected, since a connection begins with one.
  void Want(BootMs at);
  /// The same, unless a hello is due or unanswered already: for a need that lasts.
  void WantOnce(BootMs at);

  enum class Action { kNone, kSayHello, kReconnect };
  /// What is due. kSayHello: the caller says it now and calls OnHelloSaid.
  [[nodiscard]] Action Poll(BootMs now, Random& random);
  void OnHelloSaid(BootMs now);
  [[nodiscard]] std::optional<BootMs> NextDeadline() const;

  [[nodiscard]] bool connected() const { return connected_; }
  /// Within the last 24 hours of this boot: fetching is allowed.
  [[nodiscard]] bool HasFreshAnswer(BootMs now) const;

 private:
  bool connected_ = false;
  std::optional<BootMs> hello_due_;
  std::optional<BootMs> answer_due_;
  std::optional<BootMs> repeat_due_;  // earlier than answer_due_, and nobody's fault
  std::optional<BootMs> last_hello_;
  std::optional<BootMs> last_answer_;
  int unanswered_ = 0;
};

}  // namespace sluice::device
