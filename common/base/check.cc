#include "common/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace sluice {

void CheckFailed(const char* expression, const char* file, int line) noexcept {
  std::fprintf(stderr, "E_INTERNAL: check failed: %s at %s:%d; this is a bug in Sluice\n",
               expression, file, line);
  std::abort();
}

}  // namespace sluice
