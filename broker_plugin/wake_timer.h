// Wakes the broker's loop while there are chunks to send: a loop without traffic turns only some
// ten times a second.
//
// A periodic timer sends a signal to one thread, whose epoll_wait then returns early; the handler
// does nothing. Periodic, because a single signal may come just before the thread begins to wait.
// SIGRTMIN+3, because later brokers use SIGRTMIN themselves.
#pragma once

#include <csignal>
#include <ctime>
#include <optional>

#include "common/base/result.h"

namespace sluice::plugin {

/// One at a time in a process. Every method on the thread that is to be woken.
class WakeTimer {
 public:
  /// Made disarmed, for the calling thread. E_INTERNAL when the system has no timer to give: the
  /// broker still turns by itself, only slower.
  static Result<WakeTimer> ForThisThread();
  WakeTimer(WakeTimer&& other) noexcept;
  WakeTimer& operator=(WakeTimer&&) = delete;
  /// Disarms and deletes the timer, discards a signal that is pending, and gives the signal its
  /// former handler back.
  ~WakeTimer();

  /// Every half millisecond, or not at all. Does nothing when it is so already.
  void Set(bool armed);
  /// What the kernel says.
  [[nodiscard]] bool IsArmed() const;

  [[nodiscard]] static int Signal() { return SIGRTMIN + 3; }

 private:
  WakeTimer(timer_t timer, const struct sigaction& before) : timer_(timer), before_(before) {}

  std::optional<timer_t> timer_;
  struct sigaction before_ {};
  bool armed_ = false;
};

}  // namespace sluice::plugin
