// A program started by the demo or a test: ends with its parent, and is always waited for.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace sluice::demo {

/// What a finished program left.
struct Finished {
  int exit_code = 0;  // 128 + signal when it was killed
  std::string out;
  std::string err;
};

/// Runs `argv` to its end and collects stdout and stderr (64 MiB each at most); killed after
/// `timeout`, or within 0.1 s once `interrupted` says so (E_TIMEOUT).
Result<Finished> RunProgram(const std::vector<std::string>& argv, std::chrono::seconds timeout,
                            const std::function<bool()>& interrupted = {});

/// A program that runs beside its parent; stdout and stderr go to a file. Killed (SIGTERM, then
/// SIGKILL after 5 s) by the destructor, and by the kernel when the parent dies.
class ChildProcess {
 public:
  static Result<ChildProcess> Start(const std::vector<std::string>& argv,
                                    const std::string& log_path);

  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess& operator=(ChildProcess&& other) noexcept;
  ~ChildProcess();

  [[nodiscard]] pid_t pid() const { return pid_; }
  /// The exit code if it has ended.
  std::optional<int> Poll();
  /// Sends `signal` and waits; the exit code as in Finished.
  int Stop(int signal);
  /// SIGKILL, as a power cut for a process.
  int Kill();

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

}  // namespace sluice::demo
