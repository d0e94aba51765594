// Switches TCP_NODELAY on for every TCP connection of the executable that links this object.
//
// Paho has no option for it, and without it each small message waits for the delayed ACK of the one
// before: some 40 to 90 ms a chunk. This definition of connect(2) stands before libc's, so it
// belongs into our own executables and never into a library: an application's sockets are not ours.
// It needs a dynamic libc.
#include <dlfcn.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>

extern "C" __attribute__((visibility("default"))) int connect(int fd, const sockaddr* address,
                                                              socklen_t address_size) {
  using ConnectFunction = int (*)(int, const sockaddr*, socklen_t);
  static const auto next = reinterpret_cast<ConnectFunction>(dlsym(RTLD_NEXT, "connect"));
  if (next == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  if (address != nullptr && (address->sa_family == AF_INET || address->sa_family == AF_INET6)) {
    const int saved = errno;
    const int on = 1;
    // Fails on UDP sockets, which have no delay to switch off.
    static_cast<void>(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on));
    errno = saved;
  }
  return next(fd, address, address_size);
}
