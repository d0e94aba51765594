// Transport events that are written down, and a bounded wait for what a test expects of them.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/mqtt/transport.h"

namespace sluice::test_support {

/// Generous, since it only ends a test that has failed: sanitizers and a busy machine must fit in.
inline constexpr std::chrono::seconds kPatience{20};

class RecordingEvents final : public TransportEvents {
 public:
  struct Record {
    int connected = 0;
    std::vector<Error> disconnected;
    std::vector<MqttMessage> messages;
    std::map<std::uint64_t, bool> published;  // by publish id
    std::vector<std::string> refused;         // filters
    std::vector<std::string>
        order;  // "connected", "disconnected", "message", "published", "refused"
  };

  void OnConnected() override;
  void OnSubscriptionRefused(const std::string& filter) override;
  void OnDisconnected(const Error& why) override;
  void OnMessage(MqttMessage message) override;
  void OnPublished(std::uint64_t publish_id, bool ok) override;

  /// Runs `reaction` at the end of each OnConnected, on the transport's thread.
  void WhenConnected(std::function<void()> reaction);
  /// Waits until `condition` holds for what was recorded; false when patience ran out first.
  bool WaitFor(const std::function<bool(const Record&)>& condition,
               std::chrono::milliseconds patience = kPatience);
  bool WaitForConnections(int count);
  bool WaitForDisconnections(std::size_t count);
  bool WaitForMessages(std::size_t count);
  [[nodiscard]] Record Snapshot() const;

 private:
  void Note(const char* what, const std::function<void()>& change);

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Record record_;
  std::function<void()> when_connected_;
};

}  // namespace sluice::test_support
