// SLUICE_CHECK: a bug, not an expected failure. On in every build; prints where and ends the
// process.
#pragma once

namespace sluice {

[[noreturn]] void CheckFailed(const char* expression, const char* file, int line) noexcept;

}  // namespace sluice

#define SLUICE_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::sluice::CheckFailed(#expression, __FILE__, __LINE__))
