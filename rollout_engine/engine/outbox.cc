#include "rollout_engine/engine/outbox.h"

#include <utility>

namespace sluice {

void Outbox::Add(OutgoingMessage message) {
  if (messages_.size() >= limits::kOutboxMessagesMax ||
      bytes_ + message.payload.size() > limits::kOutboxBytesMax) {
    ++dropped_;
    return;
  }
  bytes_ += message.payload.size();
  messages_.push_back(std::move(message));
}

void Outbox::Flush(Transport& transport, BootMs now) {
  while (!messages_.empty()) {
    const OutgoingMessage& next = messages_.front();
    const auto sent = transport.Publish(next.topic, next.payload, next.qos, next.retain);
    if (!sent && sent.error().code == ErrorCode::kBackpressure) {
      retry_at_ = now + limits::kOutboxRetry;
      return;
    }
    if (!sent && sent.error().code == ErrorCode::kNotConnected) return Clear();
    if (!sent) ++dropped_;
    bytes_ -= next.payload.size();
    messages_.pop_front();
  }
}

std::optional<BootMs> Outbox::NextDeadline() const {
  if (messages_.empty()) return std::nullopt;
  return retry_at_;
}

void Outbox::Clear() {
  dropped_ += messages_.size();
  messages_.clear();
  bytes_ = 0;
}

}  // namespace sluice
