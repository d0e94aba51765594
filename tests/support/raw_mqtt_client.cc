#include "tests/support/raw_mqtt_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace sluice::test_support {
namespace {

// As recording_events.h: it only ends a test that has failed.
constexpr int kPatienceMs = 20'000;

constexpr std::uint8_t kConnect = 0x10, kConnack = 0x20, kPublish = 0x30, kPuback = 0x40,
                       kSubscribe = 0x82, kSuback = 0x90, kPingreq = 0xc0, kPingresp = 0xd0;

void AppendNumber(Bytes& to, std::size_t value) {
  to.push_back(static_cast<std::uint8_t>(value >> 8));
  to.push_back(static_cast<std::uint8_t>(value));
}

void AppendText(Bytes& to, std::string_view text) {
  AppendNumber(to, text.size());
  Append(to, AsBytes(text));
}

std::uint16_t NumberAt(const Bytes& body, std::size_t at) {
  return at + 2 <= body.size() ? static_cast<std::uint16_t>(body[at] << 8 | body[at + 1]) : 0;
}

}  // namespace

void RawMqttClient::Drop() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

int RawMqttClient::Connect(const Login& login) {
  Drop();
  fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  SLUICE_CHECK(fd_ >= 0);
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port_);
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;

  std::uint8_t flags = 0x02;  // clean session
  if (login.will) {
    flags |= 0x04;
    flags = static_cast<std::uint8_t>(flags | static_cast<int>(login.will->qos) << 3);
    if (login.will->retain) flags |= 0x20;
  }
  if (!login.username.empty()) flags |= 0x80;
  if (!login.password.empty()) flags |= 0x40;
  Bytes body;
  AppendText(body, "MQTT");
  body.push_back(4);
  body.push_back(flags);
  AppendNumber(body, 60);
  AppendText(body, login.client_id);
  if (login.will) {
    AppendText(body, login.will->topic);
    AppendText(body, AsText(login.will->payload));
  }
  if (!login.username.empty()) AppendText(body, login.username);
  if (!login.password.empty()) AppendText(body, login.password);
  if (!Write(kConnect, body)) return -1;
  const auto answer = ReadUntil(kConnack);
  return answer && answer->body.size() == 2 ? answer->body[1] : -1;
}

int RawMqttClient::Subscribe(std::string_view filter, int qos) {
  Bytes body;
  AppendNumber(body, ++last_packet_id_);
  AppendText(body, filter);
  body.push_back(static_cast<std::uint8_t>(qos));
  if (!Write(kSubscribe, body)) return -1;
  const auto answer = ReadUntil(kSuback);
  return answer && answer->body.size() == 3 ? answer->body[2] : -1;
}

void RawMqttClient::SendPublish(std::string_view topic, ByteView payload, int qos, bool retain,
                                std::uint16_t packet_id, bool& written) {
  Bytes body;
  AppendText(body, topic);
  if (qos > 0) AppendNumber(body, packet_id);
  Append(body, payload);
  written = Write(static_cast<std::uint8_t>(kPublish | qos << 1 | (retain ? 1 : 0)), body);
}

bool RawMqttClient::Publish(std::string_view topic, ByteView payload, int qos, bool retain) {
  const std::uint16_t id = ++last_packet_id_;
  bool written = false;
  SendPublish(topic, payload, qos, retain, id, written);
  if (!written || qos == 0) return written;
  while (std::find(pubacks_.begin(), pubacks_.end(), id) == pubacks_.end()) {
    const auto packet = Read();
    if (!packet) return false;
    Keep(*packet);
  }
  return true;
}

bool RawMqttClient::PublishUnanswered(std::string_view topic, ByteView payload) {
  bool written = false;
  SendPublish(topic, payload, 1, false, ++last_packet_id_, written);
  return written;
}

std::optional<MqttMessage> RawMqttClient::Next() {
  while (messages_.empty()) {
    const auto packet = Read();
    if (!packet) return std::nullopt;
    Keep(*packet);
  }
  MqttMessage message = std::move(messages_.front());
  messages_.pop_front();
  return message;
}

bool RawMqttClient::AwaitEnd() {
  while (const auto packet = Read()) Keep(*packet);
  return fd_ < 0;
}

bool RawMqttClient::Ping() { return Write(kPingreq, {}) && ReadUntil(kPingresp).has_value(); }

bool RawMqttClient::Write(std::uint8_t type, const Bytes& body) {
  if (fd_ < 0) return false;
  Bytes packet{type};
  std::size_t rest = body.size();
  do {
    const auto digit = static_cast<std::uint8_t>(rest % 128);
    rest /= 128;
    packet.push_back(rest > 0 ? digit | 0x80 : digit);
  } while (rest > 0);
  Append(packet, body);
  for (std::size_t sent = 0; sent < packet.size();) {
    const ssize_t n = send(fd_, packet.data() + sent, packet.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return false;
    sent += static_cast<std::size_t>(n);
  }
  return true;
}

bool RawMqttClient::ReadExactly(std::uint8_t* to, std::size_t size) {
  for (std::size_t got = 0; got < size;) {
    if (fd_ < 0) return false;
    pollfd wait{fd_, POLLIN, 0};
    if (poll(&wait, 1, kPatienceMs) != 1) return false;  // the connection stays
    const ssize_t n = recv(fd_, to + got, size - got, 0);
    if (n <= 0) {
      Drop();
      return false;
    }
    got += static_cast<std::size_t>(n);
  }
  return true;
}

std::optional<RawMqttClient::Packet> RawMqttClient::Read() {
  Packet packet;
  if (!ReadExactly(&packet.type, 1)) return std::nullopt;
  std::size_t size = 0;
  for (int shift = 0; shift <= 21; shift += 7) {
    std::uint8_t digit = 0;
    if (!ReadExactly(&digit, 1)) return std::nullopt;
    size |= static_cast<std::size_t>(digit & 0x7f) << shift;
    if ((digit & 0x80) == 0) break;
  }
  packet.body.resize(size);
  if (size > 0 && !ReadExactly(packet.body.data(), size)) return std::nullopt;
  return packet;
}

std::optional<RawMqttClient::Packet> RawMqttClient::ReadUntil(std::uint8_t type) {
  while (auto packet = Read()) {
    if (packet->type == type) return packet;
    Keep(*packet);
  }
  return std::nullopt;
}

void RawMqttClient::Keep(const Packet& packet) {
  if (packet.type == kPuback) pubacks_.push_back(NumberAt(packet.body, 0));
  if ((packet.type & 0xf0) != kPublish) return;
  const int qos = (packet.type >> 1) & 3;
  const std::size_t topic_size = NumberAt(packet.body, 0);
  std::size_t at = 2 + topic_size;
  SLUICE_CHECK(at + (qos > 0 ? 2 : 0) <= packet.body.size());
  MqttMessage message;
  message.topic = AsText(ByteView(packet.body).subspan(2, topic_size));
  message.qos = qos > 0 ? Qos::k1 : Qos::k0;
  message.retained = (packet.type & 1) != 0;
  if (qos > 0) {
    Write(kPuback, {packet.body[at], packet.body[at + 1]});
    at += 2;
  }
  message.payload.assign(packet.body.begin() + static_cast<std::ptrdiff_t>(at), packet.body.end());
  messages_.push_back(std::move(message));
}

}  // namespace sluice::test_support
