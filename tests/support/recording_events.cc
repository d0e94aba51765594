#include "tests/support/recording_events.h"

#include <utility>

namespace sluice::test_support {

void RecordingEvents::Note(const char* what, const std::function<void()>& change) {
  {
    const std::lock_guard lock(mutex_);
    record_.order.emplace_back(what);
    change();
  }
  changed_.notify_all();
}

void RecordingEvents::OnConnected() {
  Note("connected", [&] { ++record_.connected; });
  std::function<void()> reaction;
  {
    const std::lock_guard lock(mutex_);
    reaction = when_connected_;
  }
  if (reaction) reaction();
}

void RecordingEvents::OnSubscriptionRefused(const std::string& filter) {
  Note("refused", [&] { record_.refused.push_back(filter); });
}

void RecordingEvents::OnDisconnected(const Error& why) {
  Note("disconnected", [&] { record_.disconnected.push_back(why); });
}

void RecordingEvents::OnMessage(MqttMessage message) {
  Note("message", [&] { record_.messages.push_back(std::move(message)); });
}

void RecordingEvents::OnPublished(std::uint64_t publish_id, bool ok) {
  Note("published", [&] { record_.published[publish_id] = ok; });
}

void RecordingEvents::WhenConnected(std::function<void()> reaction) {
  const std::lock_guard lock(mutex_);
  when_connected_ = std::move(reaction);
}

bool RecordingEvents::WaitFor(const std::function<bool(const Record&)>& condition,
                              std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, patience, [&] { return condition(record_); });
}

bool RecordingEvents::WaitForConnections(int count) {
  return WaitFor([count](const Record& record) { return record.connected >= count; });
}

bool RecordingEvents::WaitForDisconnections(std::size_t count) {
  return WaitFor([count](const Record& record) { return record.disconnected.size() >= count; });
}

bool RecordingEvents::WaitForMessages(std::size_t count) {
  return WaitFor([count](const Record& record) { return record.messages.size() >= count; });
}

RecordingEvents::Record RecordingEvents::Snapshot() const {
  const std::lock_guard lock(mutex_);
  return record_;
}

}  // namespace sluice::test_support
