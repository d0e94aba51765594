#include "broker_plugin/wake_timer.h"

#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace sluice::plugin {
namespace {

TEST(WakeTimer, WakesAThreadThatWaitsForNothing) {
  auto timer = WakeTimer::ForThisThread().value();
  timer.Set(true);
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(::epoll_wait(epoll, &event, 1, 60'000), -1);
    EXPECT_EQ(errno, EINTR);
  }
  ::close(epoll);
}

TEST(WakeTimer, IsArmedOnlyWhenSaidSo) {
  auto timer = WakeTimer::ForThisThread().value();
  EXPECT_FALSE(timer.IsArmed());
  timer.Set(true);
  timer.Set(true);
  EXPECT_TRUE(timer.IsArmed());
  timer.Set(false);
  EXPECT_FALSE(timer.IsArmed());
}

TEST(WakeTimer, StaysArmedWhenItIsMoved) {
  auto timer = WakeTimer::ForThisThread().value();
  timer.Set(true);
  const WakeTimer moved(std::move(timer));
  EXPECT_TRUE(moved.IsArmed());
}

TEST(WakeTimer, GivesTheSignalItsFormerHandlerBackWithNoneLeftPending) {
  struct sigaction before {};
  ::sigaction(WakeTimer::Signal(), nullptr, &before);
  sigset_t wake{};
  sigemptyset(&wake);
  sigaddset(&wake, WakeTimer::Signal());
  pthread_sigmask(SIG_BLOCK, &wake, nullptr);
  {
    auto timer = WakeTimer::ForThisThread().value();
    timer.Set(true);
    sigset_t pending{};
    do {
      sigpending(&pending);
    } while (sigismember(&pending, WakeTimer::Signal()) == 0);
  }
  // Its default would end this process.
  pthread_sigmask(SIG_UNBLOCK, &wake, nullptr);
  struct sigaction after {};
  ::sigaction(WakeTimer::Signal(), nullptr, &after);
  EXPECT_EQ(after.sa_handler, before.sa_handler);
}

TEST(WakeTimer, RestartsTheCallsThatItInterrupts) {
  const auto timer = WakeTimer::ForThisThread().value();
  struct sigaction action {};
  ASSERT_EQ(::sigaction(WakeTimer::Signal(), nullptr, &action), 0);
  EXPECT_NE(action.sa_flags & SA_RESTART, 0);
}

}  // namespace
}  // namespace sluice::plugin
