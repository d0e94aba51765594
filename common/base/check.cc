#include "common/base/check.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>

namespace sluice {
namespace {

// The one piece of state that no constructor can carry to where it is needed.
std::atomic<CheckHandler> check_handler{nullptr};

}  // namespace

CheckHandler SetCheckHandler(CheckHandler handler) noexcept {
  return check_handler.exchange(handler);
}

void ThrowCheckFailure(const char* expression, const char* file, int line) {
  throw CheckFailure(std::string("check failed: ") + expression + " at " + file + ":" +
                     std::to_string(line));
}

void CheckFailed(const char* expression, const char* file, int line) {
  if (const CheckHandler handler = check_handler.load()) handler(expression, file, line);
  std::fprintf(stderr, "E_INTERNAL: check failed: %s at %s:%d; this is a bug in Sluice\n",
               expression, file, line);
  std::abort();
}

}  // namespace sluice
