#include "common/base/clock.h"

#include <time.h>

namespace sluice {
namespace {

std::int64_t Read(clockid_t id, std::int64_t units_per_second) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<std::int64_t>(now.tv_sec) * units_per_second +
         now.tv_nsec / (1'000'000'000 / units_per_second);
}

}  // namespace

WallMs SystemClock::Wall() const { return {Read(CLOCK_REALTIME, 1000)}; }
BootMs SystemClock::Boot() const { return {Read(CLOCK_BOOTTIME, 1000)}; }
std::int64_t SystemClock::MonotonicUs() const { return Read(CLOCK_MONOTONIC, 1'000'000); }

}  // namespace sluice
