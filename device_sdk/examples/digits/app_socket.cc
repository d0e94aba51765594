#include "device_sdk/examples/digits/app_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sluice::digits {
namespace {

constexpr int kBacklog = 8;
constexpr timeval kPatience{.tv_sec = 8, .tv_usec = 0};  // below the agent's 10 s for a hook
constexpr std::size_t kPacketBytesMax = 4'096;

tl::unexpected<Error> SystemError(const std::string& what) {
  return Fail(ErrorCode::kIo, what + ": " + std::strerror(errno));
}

Result<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Fail(ErrorCode::kUsage, "socket path '" + path + "': 1 to 107 bytes are possible");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Result<UniqueFd> NewSocket() {
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return SystemError("socket");
  return fd;
}

Status LimitWaits(int fd) {
  if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience) != 0) {
    return SystemError("setsockopt");
  }
  return {};
}

/// Room for the descriptors of one packet, aligned as the kernel wants it.
struct Control {
  alignas(cmsghdr) char bytes[CMSG_SPACE(sizeof(int))] = {};
};

}  // namespace

Result<UniqueFd> ListenAt(const std::string& path) {
  SLUICE_ASSIGN(const sockaddr_un address, AddressOf(path));
  struct stat status {};
  // Only a socket is taken away: a mistyped path must not cost a file.
  if (lstat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode)) unlink(path.c_str());
  SLUICE_ASSIGN(UniqueFd fd, NewSocket());
  const mode_t former = umask(0177);
  const int bound = bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  umask(former);
  if (bound != 0 || listen(fd.get(), kBacklog) != 0) return SystemError("listen at " + path);
  return fd;
}

Result<UniqueFd> ConnectTo(const std::string& path) {
  SLUICE_ASSIGN(const sockaddr_un address, AddressOf(path));
  SLUICE_ASSIGN(UniqueFd fd, NewSocket());
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return Fail(ErrorCode::kNotConnected,
                "no application at " + path + ": " + std::strerror(errno));
  }
  SLUICE_TRY(LimitWaits(fd.get()));
  return fd;
}

Result<UniqueFd> AcceptFrom(int listener) {
  UniqueFd fd(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (fd.get() < 0) return SystemError("accept");
  SLUICE_TRY(LimitWaits(fd.get()));
  return fd;
}

Status SendPacket(int socket, std::string_view text, int fd) {
  iovec part{const_cast<char*>(text.data()), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  Control control;
  if (fd >= 0) {
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  if (sendmsg(socket, &message, MSG_NOSIGNAL) < 0) return SystemError("sendmsg");
  return {};
}

Result<Packet> ReceivePacket(int socket) {
  Packet packet;
  packet.text.resize(kPacketBytesMax);
  iovec part{packet.text.data(), packet.text.size()};
  Control control;
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  const ssize_t got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
    return Fail(ErrorCode::kTimeout, "no packet within 8 s");
  }
  if (got < 0) return SystemError("recvmsg");
  const cmsghdr* const header = CMSG_FIRSTHDR(&message);
  if (header != nullptr && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS) {
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    packet.fd = UniqueFd(fd);
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return Fail(ErrorCode::kIo, "a packet over 4 KiB or with several descriptors");
  }
  if (got == 0) return Fail(ErrorCode::kIo, "the other side hung up");
  packet.text.resize(static_cast<std::size_t>(got));
  return packet;
}

}  // namespace sluice::digits
