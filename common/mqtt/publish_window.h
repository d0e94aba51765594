// What a transport has accepted for sending and is not yet rid of, held under fixed limits.
//
// QoS 0 leaves the window when it is written to the socket, QoS 1 at its PUBACK. The two have
// separate accounts, so that a burst of chunks never keeps a report or a directive from being sent.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "common/mqtt/transport.h"

namespace sluice {

/// More than this waiting for the socket makes Paho's send thread stall a second at a time; with it
/// a loopback link carried about ten times as much.
inline constexpr std::size_t kOutstandingBytesMax = std::size_t{256} * 1024;  // per account
inline constexpr std::size_t kOutstandingMessagesMax = 1'000;                 // per account

/// Framing that LinkUse counts for each message, beside topic and payload.
inline constexpr std::size_t kFramingBytes = 8;

/// The bytes that LinkUse counts for one message.
inline std::size_t LinkBytes(std::string_view topic, ByteView payload) {
  return topic.size() + payload.size() + kFramingBytes;
}

/// What every transport refuses: E_TOPIC for a topic that cannot be published to, E_TOO_BIG over 64
/// KiB.
Status CheckPublish(std::string_view topic, ByteView payload);
/// E_TOPIC for a malformed filter or a malformed topic of the will, E_TOO_BIG for a will over 64
/// KiB.
Status CheckSession(const Will& will, const std::vector<Subscription>& subscriptions);

/// Not thread-safe.
class PublishWindow {
 public:
  /// Takes one message in and returns its id; E_BACKPRESSURE when its account is full.
  Result<std::uint64_t> Admit(Qos qos, std::size_t bytes);
  /// Lets a message go and says of which QoS it was; nothing if its connection is over already. A
  /// QoS 0 message takes along those admitted before it: a connection writes in order, and Paho C
  /// 1.3.12 loses the end of a message whose successor begins between the end of its partial write
  /// and the word of it. Room lost so would never come back.
  std::optional<Qos> Release(std::uint64_t id);
  [[nodiscard]] bool IsEmpty() const { return messages_.empty(); }
  /// Empties the window; returns the QoS 1 messages that were in it, oldest first.
  std::vector<std::uint64_t> Abandon();

 private:
  struct Message {
    Qos qos;
    std::size_t bytes;
  };
  struct Account {
    std::size_t messages = 0;
    std::size_t bytes = 0;
  };
  void Erase(std::map<std::uint64_t, Message>::iterator message);
  Account& AccountOf(Qos qos) { return accounts_[static_cast<std::size_t>(qos)]; }

  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Message> messages_;
  std::array<Account, 2> accounts_;
};

}  // namespace sluice
