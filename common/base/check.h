// SLUICE_CHECK: a bug, not an expected failure. On in every build; prints where and ends the
// process, unless a handler was set that knows how to give up less.
#pragma once

#include <exception>
#include <string>
#include <utility>

namespace sluice {

/// What a handler may throw instead of ending the process: ThrowCheckFailure does.
class CheckFailure final : public std::exception {
 public:
  explicit CheckFailure(std::string what) : what_(std::move(what)) {}
  [[nodiscard]] const char* what() const noexcept override { return what_.c_str(); }

 private:
  std::string what_;
};

/// Leaves by an exception or ends the process. One that returns is followed by an abort.
using CheckHandler = void (*)(const char* expression, const char* file, int line);

/// For a guest in somebody else's process, which must switch itself off and not its host: the
/// handler of every check of this copy of the library from now on; null puts the abort back.
/// Returns the former one. Thread-safe. A check inside a noexcept function still ends the process.
CheckHandler SetCheckHandler(CheckHandler handler) noexcept;

/// A handler that throws CheckFailure with the line that would have been printed.
[[noreturn]] void ThrowCheckFailure(const char* expression, const char* file, int line);

[[noreturn]] void CheckFailed(const char* expression, const char* file, int line);

}  // namespace sluice

#define SLUICE_CHECK(expression) \
  ((expression) ? static_cast<void>(0) : ::sluice::CheckFailed(#expression, __FILE__, __LINE__))
