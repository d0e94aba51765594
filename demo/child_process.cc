#include "demo/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace sluice::demo {
namespace {

constexpr std::int64_t kInterruptPollMs = 100;
constexpr std::size_t kOutputMax = std::size_t{64} << 20;
constexpr auto kTermGrace = std::chrono::seconds(5);

int ExitCodeOf(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

// Forks and execs with the three standard descriptors replaced. Only async-signal-safe calls happen
// in the child.
Result<pid_t> Spawn(const std::vector<std::string>& argv, int out_fd, int err_fd) {
  std::vector<char*> args;
  args.reserve(argv.size() + 1);
  for (const std::string& arg : argv) args.push_back(const_cast<char*>(arg.c_str()));
  args.push_back(nullptr);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return Fail(ErrorCode::kIo, "fork: " + std::string(std::strerror(errno)));
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // the parent died before the line above
  const int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(null_fd, STDIN_FILENO);
  dup2(out_fd, STDOUT_FILENO);
  dup2(err_fd, STDERR_FILENO);
  execvp(args[0], args.data());
  _exit(127);
}

bool WaitUntil(pid_t pid, std::chrono::steady_clock::time_point deadline, int& wait_status) {
  while (true) {
    const pid_t ended = waitpid(pid, &wait_status, WNOHANG);
    if (ended == pid || (ended < 0 && errno == ECHILD)) return true;
    if (std::chrono::steady_clock::now() >= deadline) return false;
    poll(nullptr, 0, 5);
  }
}

// Reads both pipes until both are closed or the deadline passes.
bool Drain(std::array<int, 2> fds, std::array<std::string*, 2> texts,
           std::chrono::steady_clock::time_point deadline,
           const std::function<bool()>& interrupted) {
  std::array<pollfd, 2> polled = {pollfd{fds[0], POLLIN, 0}, pollfd{fds[1], POLLIN, 0}};
  while (polled[0].fd >= 0 || polled[1].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || (interrupted && interrupted())) return false;
    // A signal may come between the question above and the wait, which then must be short.
    const auto wait = std::min<std::int64_t>(left.count(), kInterruptPollMs);
    if (poll(polled.data(), polled.size(), static_cast<int>(wait)) < 0) {
      if (errno != EINTR) return false;
      continue;
    }
    for (std::size_t i = 0; i < polled.size(); ++i) {
      if (polled[i].fd < 0 || polled[i].revents == 0) continue;
      char buffer[16'384];
      const ssize_t got = read(polled[i].fd, buffer, sizeof buffer);
      if (got <= 0 || texts[i]->size() > kOutputMax) {
        polled[i].fd = -1;
      } else {
        texts[i]->append(buffer, static_cast<std::size_t>(got));
      }
    }
  }
  return true;
}

}  // namespace

Result<Finished> RunProgram(const std::vector<std::string>& argv, std::chrono::seconds timeout,
                            const std::function<bool()>& interrupted) {
  std::array<int, 2> out{}, err{};
  if (pipe2(out.data(), O_CLOEXEC) != 0) return Fail(ErrorCode::kIo, "pipe failed");
  if (pipe2(err.data(), O_CLOEXEC) != 0) {
    close(out[0]);
    close(out[1]);
    return Fail(ErrorCode::kIo, "pipe failed");
  }
  const Result<pid_t> pid = Spawn(argv, out[1], err[1]);
  close(out[1]);
  close(err[1]);
  Finished finished;
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  bool in_time = pid.has_value() &&
                 Drain({out[0], err[0]}, {&finished.out, &finished.err}, deadline, interrupted);
  close(out[0]);
  close(err[0]);
  if (!pid) return Fail(pid.error());
  int wait_status = 0;
  in_time = in_time && WaitUntil(*pid, deadline, wait_status);
  if (!in_time) {
    kill(*pid, SIGKILL);
    waitpid(*pid, &wait_status, 0);
    return Fail(ErrorCode::kTimeout,
                argv[0] + " did not end within " + std::to_string(timeout.count()) + " s");
  }
  finished.exit_code = ExitCodeOf(wait_status);
  return finished;
}

Result<ChildProcess> ChildProcess::Start(const std::vector<std::string>& argv,
                                         const std::string& log_path) {
  const int log = open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log < 0) return Fail(ErrorCode::kIo, "open " + log_path + ": " + std::strerror(errno));
  const Result<pid_t> pid = Spawn(argv, log, log);
  close(log);
  if (!pid) return Fail(pid.error());
  return ChildProcess(*pid);
}

ChildProcess::ChildProcess(ChildProcess&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), exit_code_(other.exit_code_) {}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(exit_code_, other.exit_code_);
  return *this;
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0 && !exit_code_) Stop(SIGTERM);
}

std::optional<int> ChildProcess::Poll() {
  int wait_status = 0;
  if (!exit_code_ && pid_ > 0 && waitpid(pid_, &wait_status, WNOHANG) == pid_)
    exit_code_ = ExitCodeOf(wait_status);
  return exit_code_;
}

int ChildProcess::Stop(int signal) {
  if (Poll()) return *exit_code_;
  kill(pid_, signal);
  int wait_status = 0;
  if (!WaitUntil(pid_, std::chrono::steady_clock::now() + kTermGrace, wait_status)) {
    kill(pid_, SIGKILL);
    waitpid(pid_, &wait_status, 0);
  }
  exit_code_ = ExitCodeOf(wait_status);
  return *exit_code_;
}

int ChildProcess::Kill() { return Stop(SIGKILL); }

}  // namespace sluice::demo
