#include "device_sdk/daemon/control_socket.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <optional>

namespace sluice::device {
namespace {

constexpr std::string_view kName = "agent.sock";
constexpr int kBacklog = 4;
constexpr int kPollMs = 500;
constexpr int kAnswerWaitMs = 15'000;  // a revert may wait for a hook
constexpr int kRequestWaitMs = 2'000;

Error SystemError(ErrorCode code, const std::string& what) {
  return {code, what + ": " + std::strerror(errno)};
}

/// Addresses the socket through the directory's descriptor: a path of any length fits.
struct Address {
  UniqueFd directory;
  sockaddr_un name{};

  static Result<Address> Of(const std::string& state_dir) {
    Address address;
    address.directory = UniqueFd(open(state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!address.directory.IsOpen()) return Fail(SystemError(ErrorCode::kNotFound, state_dir));
    const std::string path =
        "/proc/self/fd/" + std::to_string(address.directory.get()) + "/" + std::string(kName);
    address.name.sun_family = AF_UNIX;
    path.copy(address.name.sun_path, sizeof address.name.sun_path - 1);
    return address;
  }
  [[nodiscard]] const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&name); }
};

bool WaitReadable(int fd, int wait_ms) {
  pollfd polled{fd, POLLIN, 0};
  return poll(&polled, 1, wait_ms) == 1;
}

/// One line without its newline; nothing when the peer is slow, gone or endless.
std::optional<std::string> ReadLine(int fd, int wait_ms) {
  std::string line;
  char buffer[4096];
  while (line.size() <= kControlLineMax && WaitReadable(fd, wait_ms)) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got <= 0) return std::nullopt;
    line.append(buffer, static_cast<std::size_t>(got));
    if (const std::size_t end = line.find('\n'); end != std::string::npos)
      return line.substr(0, end);
  }
  return std::nullopt;
}

void WriteLine(int fd, const std::string& line) {
  const std::string text = line + "\n";
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t wrote = send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (wrote <= 0) return;
    at += static_cast<std::size_t>(wrote);
  }
}

}  // namespace

Result<std::unique_ptr<ControlSocket>> ControlSocket::Serve(const std::string& state_dir,
                                                            Answer answer) {
  SLUICE_ASSIGN(const Address address, Address::Of(state_dir));
  const std::string path = state_dir + "/" + std::string(kName);
  unlink(path.c_str());
  UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const bool listens =
      listener.IsOpen() && bind(listener.get(), address.get(), sizeof address.name) == 0 &&
      chmod(path.c_str(), S_IRUSR | S_IWUSR) == 0 && listen(listener.get(), kBacklog) == 0;
  if (!listens) return Fail(SystemError(ErrorCode::kIo, path));
  return std::unique_ptr<ControlSocket>(
      new ControlSocket(std::move(listener), path, std::move(answer)));
}

ControlSocket::ControlSocket(UniqueFd listener, std::string path, Answer answer)
    : listener_(std::move(listener)),
      path_(std::move(path)),
      answer_(std::move(answer)),
      thread_([this](const std::stop_token& stop) { Loop(stop); }) {}

ControlSocket::~ControlSocket() {
  thread_.request_stop();
  shutdown(listener_.get(), SHUT_RDWR);  // wakes the poll
  thread_.join();
  unlink(path_.c_str());
}

void ControlSocket::Loop(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (!WaitReadable(listener_.get(), kPollMs)) continue;
    const UniqueFd peer(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!peer.IsOpen()) continue;
    if (const auto request = ReadLine(peer.get(), kRequestWaitMs))
      WriteLine(peer.get(), answer_(*request));
  }
}

Result<std::string> AskAgent(const std::string& state_dir, const std::string& request) {
  SLUICE_ASSIGN(const Address address, Address::Of(state_dir));
  const UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.IsOpen() || connect(fd.get(), address.get(), sizeof address.name) != 0) {
    return Fail(SystemError(ErrorCode::kNotFound, "no agent runs on " + state_dir));
  }
  WriteLine(fd.get(), request);
  if (auto answer = ReadLine(fd.get(), kAnswerWaitMs)) return *std::move(answer);
  return Fail(ErrorCode::kTimeout, "the agent on " + state_dir + " does not answer");
}

}  // namespace sluice::device
