#include "device_sdk/agent/hello_cycle.h"

#include <algorithm>

namespace sluice::device {

void HelloCycle::OnConnected(BootMs now) {
  connected_ = true;
  answer_due_.reset();
  repeat_due_.reset();
  hello_due_ = now;
}

void HelloCycle::OnDisconnected() {
  connected_ = false;
  hello_due_.reset();
  answer_due_.reset();
  repeat_due_.reset();
}

void HelloCycle::OnAnswer(BootMs now) {
  last_answer_ = now;
  answer_due_.reset();
  repeat_due_.reset();
  unanswered_ = 0;
}

void HelloCycle::OnEngineBack(BootMs at) {
  if (answer_due_) repeat_due_ = at;
}

void HelloCycle::Want(BootMs at) {
  if (!connected_) return;
  if (last_hello_) at = std::max(at, *last_hello_ + kHelloGapMs);
  hello_due_ = hello_due_ ? std::min(*hello_due_, at) : at;
}

void HelloCycle::WantOnce(BootMs at) {
  if (!hello_due_ && !answer_due_) Want(at);
}

HelloCycle::Action HelloCycle::Poll(BootMs now, Random& random) {
  if (!connected_) return Action::kNone;
  if (repeat_due_ && now >= *repeat_due_) {
    repeat_due_.reset();
    Want(now);
  }
  if (answer_due_ && now >= *answer_due_) {
    answer_due_.reset();
    ++unanswered_;
    if (unanswered_ % kUnansweredPerConnection == 0) return Action::kReconnect;
    const std::int64_t span_ms =
        std::min(limits::kHelloBackoffMax, limits::kAnswerWait << std::min(unanswered_, 8));
    Want(now + static_cast<std::int64_t>(random.Below(static_cast<std::uint64_t>(span_ms))));
  }
  return hello_due_ && now >= *hello_due_ ? Action::kSayHello : Action::kNone;
}

void HelloCycle::OnHelloSaid(BootMs now) {
  hello_due_.reset();
  repeat_due_.reset();
  last_hello_ = now;
  answer_due_ = now + limits::kAnswerWait;
}

std::optional<BootMs> HelloCycle::NextDeadline() const {
  std::optional<BootMs> next;
  for (const std::optional<BootMs>& due : {hello_due_, answer_due_, repeat_due_}) {
    if (due && (!next || *due < *next)) next = due;
  }
  return next;
}

bool HelloCycle::HasFreshAnswer(BootMs now) const {
  return last_answer_ && now - *last_answer_ < limits::kFreshnessLife;
}

}  // namespace sluice::device
