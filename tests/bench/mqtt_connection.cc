#include "tests/bench/mqtt_connection.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

namespace sluice::bench {
namespace {

constexpr int kPatienceMs = 10'000;
constexpr std::size_t kReadBytes = std::size_t{256} << 10;
constexpr std::uint8_t kConnack = 0x20, kPublish = 0x30, kSuback = 0x90;

void AppendText(Bytes& to, std::string_view text) {
  to.push_back(static_cast<std::uint8_t>(text.size() >> 8));
  to.push_back(static_cast<std::uint8_t>(text.size()));
  to.insert(to.end(), text.begin(), text.end());
}

void BeginPacket(Bytes& packet, std::uint8_t first, std::size_t body_bytes) {
  packet.clear();
  packet.push_back(first);
  do {
    const auto low = static_cast<std::uint8_t>(body_bytes & 0x7f);
    body_bytes >>= 7;
    packet.push_back(body_bytes > 0 ? static_cast<std::uint8_t>(low | 0x80) : low);
  } while (body_bytes > 0);
}

struct Header {
  std::size_t size = 0;
  std::size_t body = 0;
};

std::optional<Header> ParseHeader(ByteView bytes) {
  std::size_t body = 0;
  for (std::size_t i = 1; i < bytes.size() && i < 5; ++i) {
    body |= static_cast<std::size_t>(bytes[i] & 0x7f) << (7 * (i - 1));
    if ((bytes[i] & 0x80) == 0) return Header{i + 1, body};
  }
  return std::nullopt;
}

bool WaitFor(int fd, short events, int timeout_ms) {
  pollfd polled{fd, events, 0};
  return poll(&polled, 1, timeout_ms) > 0;
}

}  // namespace

Result<MqttConnection> MqttConnection::Open(std::uint16_t port, const std::string& client_id) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Fail(ErrorCode::kIo, std::string("socket: ") + std::strerror(errno));
  MqttConnection connection(fd);
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return Fail(ErrorCode::kNotConnected, std::string("connect: ") + std::strerror(errno));
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  Bytes packet;
  BeginPacket(packet, 0x10, 10 + 2 * (2 + client_id.size()));
  AppendText(packet, "MQTT");
  // Protocol level 4; a username and a clean session; keepalive off.
  packet.insert(packet.end(), {4, 0x82, 0, 0});
  AppendText(packet, client_id);
  AppendText(packet, client_id);
  SLUICE_TRY(connection.Write(packet));
  Bytes body;
  SLUICE_TRY(connection.AwaitPacket(kConnack, body));
  if (body.size() != 2 || body[1] != 0)
    return Fail(ErrorCode::kBrokerRefused, client_id + " was not let in");
  return connection;
}

MqttConnection::MqttConnection(MqttConnection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      in_(std::move(other.in_)),
      in_used_(std::exchange(other.in_used_, 0)),
      out_(std::move(other.out_)) {}

MqttConnection& MqttConnection::operator=(MqttConnection&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(in_, other.in_);
  std::swap(in_used_, other.in_used_);
  std::swap(out_, other.out_);
  return *this;
}

MqttConnection::~MqttConnection() { Cut(); }

void MqttConnection::Cut() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

Status MqttConnection::Write(ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(sent));
    } else if (errno != EAGAIN || !WaitFor(fd_, POLLOUT, kPatienceMs)) {
      return Fail(ErrorCode::kNotConnected, std::string("send: ") + std::strerror(errno));
    }
  }
  return {};
}

Status MqttConnection::Fill() {
  if (in_.size() - in_used_ < kReadBytes) in_.resize(in_used_ + kReadBytes);
  const ssize_t got = recv(fd_, in_.data() + in_used_, in_.size() - in_used_, 0);
  if (got > 0) {
    in_used_ += static_cast<std::size_t>(got);
    return {};
  }
  if (got < 0 && errno == EAGAIN) return {};
  return Fail(ErrorCode::kNotConnected, "the broker hung up");
}

void MqttConnection::TakePackets(
    const std::function<void(std::uint8_t first, ByteView body)>& on_packet) {
  ByteView rest(in_.data(), in_used_);
  while (const auto header = ParseHeader(rest)) {
    if (rest.size() < header->size + header->body) break;
    on_packet(rest[0], rest.subspan(header->size, header->body));
    rest = rest.subspan(header->size + header->body);
  }
  std::copy(rest.begin(), rest.end(), in_.begin());
  in_used_ = rest.size();
}

Status MqttConnection::AwaitPacket(std::uint8_t type, Bytes& body) {
  bool found = false;
  while (!found) {
    if (!WaitFor(fd_, POLLIN, kPatienceMs))
      return Fail(ErrorCode::kTimeout, "the broker does not answer");
    SLUICE_TRY(Fill());
    TakePackets([&](std::uint8_t first, ByteView bytes) {
      if ((first & 0xf0) != type) return;
      found = true;
      body.assign(bytes.begin(), bytes.end());
    });
  }
  return {};
}

Status MqttConnection::Subscribe(const std::string& filter, int qos) {
  Bytes packet;
  BeginPacket(packet, 0x82, 2 + 2 + filter.size() + 1);
  packet.insert(packet.end(), {0, 1});  // packet id
  AppendText(packet, filter);
  packet.push_back(static_cast<std::uint8_t>(qos));
  SLUICE_TRY(Write(packet));
  Bytes body;
  SLUICE_TRY(AwaitPacket(kSuback, body));
  if (body.size() != 3 || body[2] > 2)
    return Fail(ErrorCode::kBrokerRefused, "the subscription to " + filter);
  return {};
}

Status MqttConnection::Publish(std::string_view topic, ByteView payload) {
  BeginPacket(out_, kPublish, 2 + topic.size() + payload.size());
  AppendText(out_, topic);
  Append(out_, payload);
  return Write(out_);
}

Status MqttConnection::Read(const OnPublish& on_publish) {
  SLUICE_TRY(Fill());
  TakePackets([&](std::uint8_t first, ByteView body) {
    if ((first & 0xf0) != kPublish || body.size() < 2) return;
    const std::size_t length = static_cast<std::size_t>(body[0]) << 8 | body[1];
    if (body.size() < 2 + length) return;
    on_publish(AsText(body.subspan(2, length)), body.subspan(2 + length));
  });
  return {};
}

Result<bool> MqttConnection::ReadWithin(int timeout_ms, const OnPublish& on_publish) {
  if (!WaitFor(fd_, POLLIN, timeout_ms)) return false;
  SLUICE_TRY(Read(on_publish));
  return true;
}

}  // namespace sluice::bench
