// Runs one hook: an executable of the application's owner, with inherited descriptors, limits and
// nothing else.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace sluice::device {

struct HookCommand {
  std::vector<std::string> argv;                   // argv[0] is looked up in PATH
  std::vector<int> inherited_fds;                  // keep their numbers in the child
  std::map<std::string, std::string> environment;  // beside PATH and LANG, which are passed on
  std::chrono::milliseconds timeout{0};
};

enum class HookEnd : std::uint8_t { kExited, kSignalled, kTimedOut };

struct HookOutcome {
  HookEnd end = HookEnd::kExited;
  int exit_code = 0;        // kExited
  std::string last_line;    // of stdout, without the newline
  std::string stderr_tail;  // at most 4 KiB
};

inline constexpr std::size_t kHookOutputMax = 64 * 1024;  // of stdout; more is E_HOOK_OUTPUT
inline constexpr std::size_t kHookStderrTail = 4 * 1024;
inline constexpr std::chrono::milliseconds kHookTermGrace{2'000};

/// Waits for the hook's end. It has a process group of its own, which gets SIGTERM at the timeout
/// and SIGKILL after kHookTermGrace; its stdin is empty. Blocks the calling thread for timeout +
/// grace at the most. E_HOOK_FAILED when it cannot be started, E_HOOK_OUTPUT when it prints too
/// much.
Result<HookOutcome> RunHook(const HookCommand& command);

}  // namespace sluice::device
