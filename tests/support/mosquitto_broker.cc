#include "tests/support/mosquitto_broker.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <thread>

#include "common/base/check.h"

namespace sluice::test_support {
namespace {

constexpr const char* kProgram = "/usr/sbin/mosquitto";
constexpr int kStartAttempts = 5;
constexpr std::chrono::seconds kStartPatience{10};
constexpr std::chrono::milliseconds kAcceptInterval{2};
constexpr std::chrono::seconds kStopPatience{10};
constexpr int kPollsPerSignal = 100;

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

bool Accepts(std::uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  SLUICE_CHECK(fd >= 0);
  const sockaddr_in address = Loopback(port);
  const bool accepted =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(fd);
  return accepted;
}

/// The child between fork and exec: only async-signal-safe calls.
[[noreturn]] void ExecBroker(pid_t parent, int log_fd, char* const* arguments) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  dup2(log_fd, STDOUT_FILENO);
  dup2(log_fd, STDERR_FILENO);
  execv(arguments[0], arguments);
  _exit(127);
}

}  // namespace

std::uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  SLUICE_CHECK(fd >= 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  SLUICE_CHECK(bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0);
  SLUICE_CHECK(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  close(fd);
  return ntohs(address.sin_port);
}

Result<std::unique_ptr<MosquittoBroker>> MosquittoBroker::Start(const std::string& more_config) {
  if (access(kProgram, X_OK) != 0) {
    return Fail(ErrorCode::kNotFound, std::string(kProgram) + ": install the package mosquitto");
  }
  std::unique_ptr<MosquittoBroker> broker(new MosquittoBroker());
  broker->more_config_ = more_config;
  Status started;
  for (int attempt = 0; attempt < kStartAttempts; ++attempt) {
    broker->port_ = FreePort();  // somebody else may take it before the broker does
    started = broker->Restart();
    if (started.has_value()) return broker;
  }
  return Fail(std::move(started).error());
}

Status MosquittoBroker::Restart() {
  Stop();
  std::string config = "listener " + std::to_string(port_) +
                       " 127.0.0.1\n"
                       "allow_anonymous true\n"
                       "set_tcp_nodelay true\n"
                       "max_queued_messages 1000\n"
                       "persistence false\n"
                       "log_dest stderr\n";
  // As root it would change to a user who cannot read the directory.
  if (geteuid() == 0) config += "user root\n";
  directory_.Write("mosquitto.conf", config + more_config_);
  SLUICE_TRY(Spawn());
  return AwaitAccept();
}

Status MosquittoBroker::Spawn() {
  const std::string config = directory_.File("mosquitto.conf");
  const std::string log = directory_.File("mosquitto.log");
  const int log_fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (log_fd < 0) return Fail(ErrorCode::kIo, "cannot write " + log);
  std::string program = kProgram;
  std::string flag = "-c";
  std::string config_argument = config;
  char* const arguments[] = {program.data(), flag.data(), config_argument.data(), nullptr};
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child == 0) ExecBroker(parent, log_fd, arguments);
  close(log_fd);
  if (child < 0) return Fail(ErrorCode::kIo, "cannot fork for mosquitto");
  pid_ = child;
  return {};
}

Status MosquittoBroker::AwaitAccept() {
  const auto deadline = std::chrono::steady_clock::now() + kStartPatience;
  while (std::chrono::steady_clock::now() < deadline) {
    if (Accepts(port_)) {
      // Another process may hold the port: then ours has ended.
      if (waitpid(pid_, nullptr, WNOHANG) == 0) return {};
    } else if (waitpid(pid_, nullptr, WNOHANG) == 0) {
      std::this_thread::sleep_for(kAcceptInterval);  // it has no way to say that it listens
      continue;
    }
    pid_ = -1;
    return Fail(ErrorCode::kConflict, "mosquitto ended at once: " + Log());
  }
  Stop();
  return Fail(ErrorCode::kTimeout, "mosquitto does not accept connections: " + Log());
}

void MosquittoBroker::Stop() {
  if (pid_ < 0) return;
  // Between listening and its loop a broker forgets a SIGTERM: it is told until it goes.
  const auto deadline = std::chrono::steady_clock::now() + kStopPatience;
  int status = 0;
  for (int polls = 0; waitpid(pid_, &status, WNOHANG) == 0; ++polls) {
    const bool is_late = std::chrono::steady_clock::now() > deadline;
    if (is_late || polls % kPollsPerSignal == 0) kill(pid_, is_late ? SIGKILL : SIGTERM);
    std::this_thread::sleep_for(kAcceptInterval);
  }
  ended_well_ = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  pid_ = -1;
}

void MosquittoBroker::Reload() const { kill(pid_, SIGHUP); }

bool MosquittoBroker::AwaitLog(const std::string& text) const {
  const auto deadline = std::chrono::steady_clock::now() + kStartPatience;
  while (Log().find(text) == std::string::npos) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kAcceptInterval);  // a file says nothing when it grows
  }
  return true;
}

std::string MosquittoBroker::Log() const {
  std::ifstream in(directory_.File("mosquitto.log"), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace sluice::test_support
