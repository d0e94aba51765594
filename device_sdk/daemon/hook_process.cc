#include "device_sdk/daemon/hook_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace sluice::device {
namespace {

using SteadyTime = std::chrono::steady_clock::time_point;

constexpr int kCannotExec = 127;
constexpr int kWaitStepMs = 5;

std::vector<char*> PointersTo(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> EnvironmentOf(const HookCommand& command) {
  std::vector<std::string> environment;
  for (const char* name : {"PATH", "LANG"}) {
    if (const char* value = std::getenv(name))
      environment.push_back(std::string(name) + "=" + value);
  }
  for (const auto& [name, value] : command.environment) environment.push_back(name + "=" + value);
  return environment;
}

struct Pipes {
  std::array<int, 2> out{-1, -1}, err{-1, -1};
  ~Pipes() {
    for (const int fd : {out[0], out[1], err[0], err[1]}) {
      if (fd >= 0) close(fd);
    }
  }
  Status Open() {
    if (pipe2(out.data(), O_CLOEXEC) == 0 && pipe2(err.data(), O_CLOEXEC) == 0) return {};
    return Fail(ErrorCode::kHookFailed, "pipe: " + std::string(std::strerror(errno)));
  }
  void CloseWriters() {
    close(out[1]);
    close(err[1]);
    out[1] = err[1] = -1;
  }
};

// In the child, between fork and exec: async-signal-safe calls only.
[[noreturn]] void BecomeHook(const Pipes& pipes, const std::vector<int>& inherited,
                             char* const* argv, char* const* environment) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int empty = open("/dev/null", O_RDONLY);
  dup2(empty, STDIN_FILENO);
  dup2(pipes.out[1], STDOUT_FILENO);
  dup2(pipes.err[1], STDERR_FILENO);
  for (const int fd : inherited) fcntl(fd, F_SETFD, 0);
  execvpe(argv[0], argv, environment);
  _exit(kCannotExec);
}

// Reads both pipes to their end; false when the deadline came first.
class OutputReader {
 public:
  OutputReader(int out_fd, int err_fd)
      : polled_{pollfd{out_fd, POLLIN, 0}, pollfd{err_fd, POLLIN, 0}} {}

  bool ReadUntil(SteadyTime deadline) {
    while (polled_[0].fd >= 0 || polled_[1].fd >= 0) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return false;
      poll(polled_.data(), polled_.size(), static_cast<int>(left.count()));
      ReadFrom(polled_[0], out_);
      ReadFrom(polled_[1], err_);
      if (err_.size() > kHookStderrTail) err_.erase(0, err_.size() - kHookStderrTail);
      if (out_.size() > kHookOutputMax) return true;
    }
    return true;
  }
  [[nodiscard]] bool TooMuch() const { return out_.size() > kHookOutputMax; }
  [[nodiscard]] std::string LastLine() const {
    const std::size_t end = out_.find_last_not_of("\r\n");
    if (end == std::string::npos) return {};
    const std::size_t newline = out_.find_last_of('\n', end);
    const std::size_t begin = newline == std::string::npos ? 0 : newline + 1;
    return out_.substr(begin, end + 1 - begin);
  }
  [[nodiscard]] const std::string& err() const { return err_; }

 private:
  static void ReadFrom(pollfd& polled, std::string& text) {
    if (polled.fd < 0 || polled.revents == 0) return;
    char buffer[4096];
    const ssize_t got = read(polled.fd, buffer, sizeof buffer);
    if (got > 0) {
      text.append(buffer, static_cast<std::size_t>(got));
    } else if (got == 0 || errno != EINTR) {
      polled.fd = -1;
    }
  }

  std::array<pollfd, 2> polled_;
  std::string out_, err_;
};

bool WaitUntil(pid_t pid, SteadyTime deadline, int& wait_status) {
  while (waitpid(pid, &wait_status, WNOHANG) != pid) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    poll(nullptr, 0, kWaitStepMs);
  }
  return true;
}

// Ends the whole group: a hook's own children must not outlive it.
void EndGroup(pid_t pid, int& wait_status) {
  kill(-pid, SIGTERM);
  if (!WaitUntil(pid, std::chrono::steady_clock::now() + kHookTermGrace, wait_status)) {
    kill(-pid, SIGKILL);
    waitpid(pid, &wait_status, 0);
  }
  kill(-pid, SIGKILL);
}

}  // namespace

Result<HookOutcome> RunHook(const HookCommand& command) {
  const std::vector<char*> argv = PointersTo(command.argv);
  const std::vector<std::string> variables = EnvironmentOf(command);
  const std::vector<char*> environment = PointersTo(variables);
  Pipes pipes;
  SLUICE_TRY(pipes.Open());
  const SteadyTime deadline = std::chrono::steady_clock::now() + command.timeout;
  const pid_t pid = fork();
  if (pid < 0) return Fail(ErrorCode::kHookFailed, "fork: " + std::string(std::strerror(errno)));
  if (pid == 0) BecomeHook(pipes, command.inherited_fds, argv.data(), environment.data());
  setpgid(pid, pid);  // also here, so that EndGroup finds the group however early it comes
  pipes.CloseWriters();

  OutputReader reader(pipes.out[0], pipes.err[0]);
  int wait_status = 0;
  const bool in_time =
      reader.ReadUntil(deadline) && !reader.TooMuch() && WaitUntil(pid, deadline, wait_status);
  if (!in_time) EndGroup(pid, wait_status);
  if (reader.TooMuch()) {
    return Fail(ErrorCode::kHookOutput,
                command.argv[0] + " printed more than 64 KiB; its answer is one line of JSON");
  }
  HookOutcome outcome;
  outcome.last_line = reader.LastLine();
  outcome.stderr_tail = reader.err();
  if (!in_time) {
    outcome.end = HookEnd::kTimedOut;
  } else if (WIFSIGNALED(wait_status)) {
    outcome.end = HookEnd::kSignalled;
  } else {
    outcome.exit_code = WEXITSTATUS(wait_status);
    if (outcome.exit_code == kCannotExec) {
      return Fail(ErrorCode::kHookFailed,
                  "cannot run " + command.argv[0] + "; is the path in the configuration right?");
    }
  }
  return outcome;
}

}  // namespace sluice::device
