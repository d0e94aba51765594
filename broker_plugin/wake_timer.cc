#include "broker_plugin/wake_timer.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "broker_plugin/chunk_limits.h"

namespace sluice::plugin {
namespace {

void DoNothing(int) {}

Error SystemError(const char* call) {
  return {ErrorCode::kInternal, std::string(call) + ": " + std::strerror(errno)};
}

}  // namespace

Result<WakeTimer> WakeTimer::ForThisThread() {
  struct sigaction action {};
  action.sa_handler = &DoNothing;
  action.sa_flags = SA_RESTART;  // all but the waits, which it never restarts
  sigemptyset(&action.sa_mask);
  struct sigaction before {};
  if (::sigaction(Signal(), &action, &before) != 0) return Fail(SystemError("sigaction"));

  struct sigevent event {};
  event.sigev_notify = SIGEV_THREAD_ID;
  event.sigev_signo = Signal();
  // glibc has no name of its own for it before 2.38.
  event._sigev_un._tid = static_cast<pid_t>(::syscall(SYS_gettid));
  timer_t timer{};
  if (::timer_create(CLOCK_MONOTONIC, &event, &timer) != 0) {
    const Error error = SystemError("timer_create");
    ::sigaction(Signal(), &before, nullptr);
    return Fail(error);
  }
  return WakeTimer(timer, before);
}

WakeTimer::WakeTimer(WakeTimer&& other) noexcept
    : timer_(std::exchange(other.timer_, std::nullopt)),
      before_(other.before_),
      armed_(other.armed_) {}

WakeTimer::~WakeTimer() {
  if (!timer_) return;
  ::timer_delete(*timer_);
  // One signal may be pending still, and its default is to end the process: take it before the
  // handler goes.
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  sigemptyset(&ignore.sa_mask);
  ::sigaction(Signal(), &ignore, nullptr);
  ::sigaction(Signal(), &before_, nullptr);
}

void WakeTimer::Set(bool armed) {
  if (armed == armed_) return;
  itimerspec when{};
  if (armed) when.it_value.tv_nsec = when.it_interval.tv_nsec = limits::kWakeIntervalNs;
  if (::timer_settime(*timer_, 0, &when, nullptr) == 0) armed_ = armed;
}

bool WakeTimer::IsArmed() const {
  itimerspec left{};
  return ::timer_gettime(*timer_, &left) == 0 && left.it_interval.tv_nsec != 0;
}

}  // namespace sluice::plugin
