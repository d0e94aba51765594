#include "common/mqtt/publish_window.h"

#include <iterator>

#include "common/contract/limits.h"
#include "common/mqtt/topic_filter.h"

namespace sluice {

Status CheckPublish(std::string_view topic, ByteView payload) {
  if (!IsPublishTopic(topic)) {
    return Fail(ErrorCode::kTopic, "cannot publish to topic '" + std::string(topic) +
                                       "': it must not be empty nor hold '+', '#' or NUL");
  }
  if (payload.size() > limits::kMqttPayloadMax) {
    return Fail(ErrorCode::kTooBig, "a payload of " + std::to_string(payload.size()) +
                                        " bytes, at most " +
                                        std::to_string(limits::kMqttPayloadMax) + " are sent");
  }
  return {};
}

Status CheckSession(const Will& will, const std::vector<Subscription>& subscriptions) {
  if (!will.topic.empty()) SLUICE_TRY(CheckPublish(will.topic, will.payload));
  for (const Subscription& subscription : subscriptions) {
    if (!IsTopicFilter(subscription.filter)) {
      return Fail(ErrorCode::kTopic, "cannot subscribe to '" + subscription.filter +
                                         "': '+' must fill its level and '#' the last one");
    }
  }
  return {};
}

Result<std::uint64_t> PublishWindow::Admit(Qos qos, std::size_t bytes) {
  Account& account = AccountOf(qos);
  if (account.messages == kOutstandingMessagesMax || account.bytes + bytes > kOutstandingBytesMax) {
    return Fail(ErrorCode::kBackpressure,
                std::to_string(account.messages) + " messages of " + std::to_string(account.bytes) +
                    " bytes wait to be sent; publish again when they are gone");
  }
  ++account.messages;
  account.bytes += bytes;
  messages_.emplace(++last_id_, Message{qos, bytes});
  return last_id_;
}

std::optional<Qos> PublishWindow::Release(std::uint64_t id) {
  const auto found = messages_.find(id);
  if (found == messages_.end()) return std::nullopt;
  const Qos qos = found->second.qos;
  Erase(found);
  if (qos != Qos::k0) return qos;
  for (auto earlier = messages_.begin(); earlier != messages_.end() && earlier->first < id;) {
    const auto next = std::next(earlier);
    if (earlier->second.qos == Qos::k0) Erase(earlier);
    earlier = next;
  }
  return qos;
}

void PublishWindow::Erase(std::map<std::uint64_t, Message>::iterator message) {
  Account& account = AccountOf(message->second.qos);
  --account.messages;
  account.bytes -= message->second.bytes;
  messages_.erase(message);
}

std::vector<std::uint64_t> PublishWindow::Abandon() {
  std::vector<std::uint64_t> lost;
  for (const auto& [id, message] : messages_) {
    if (message.qos == Qos::k1) lost.push_back(id);
  }
  messages_.clear();
  accounts_ = {};
  return lost;
}

}  // namespace sluice
