// How a hook talks to its application: one packet there with at most one descriptor, one packet
// back, on a Unix socket.
#pragma once

#include <string>
#include <string_view>

#include "common/base/result.h"
#include "device_sdk/agent/unique_fd.h"

namespace sluice::digits {

using device::UniqueFd;

struct Packet {
  std::string text;
  UniqueFd fd;  // -1 when none came along
};

/// A socket that listens at `path`, in place of whatever socket was there, for this user only.
/// E_USAGE for a path that is too long, E_IO.
Result<UniqueFd> ListenAt(const std::string& path);
/// E_NOT_CONNECTED when nobody listens there.
Result<UniqueFd> ConnectTo(const std::string& path);
/// The next client of a listening socket; E_IO when it is gone already.
Result<UniqueFd> AcceptFrom(int listener);

/// `fd` -1 = none. E_IO.
Status SendPacket(int socket, std::string_view text, int fd);
/// E_TIMEOUT after 8 s, E_IO for an end, a packet over 4 KiB or more than one descriptor.
Result<Packet> ReceivePacket(int socket);

}  // namespace sluice::digits
