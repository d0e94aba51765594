#include "device_sdk/agent/reporter.h"

#include <algorithm>

#include "common/base/utf8.h"

namespace sluice::device {
namespace {

/// A report that was sent this recently is on its way: a hello does not send it again.
constexpr std::int64_t kOnItsWayMs = 5 * limits::kSecond;

}  // namespace

Reporter::Reporter(SlotStore& store, Transport& transport, std::string topic)
    : store_(store),
      transport_(transport),
      topic_(std::move(topic)),
      last_seq_(store.LastReportSeq()) {
  for (OutboxEntry& entry : store.PendingReports()) waiting_.push_back({std::move(entry)});
}

std::uint64_t Reporter::Add(Report report, BootMs now) {
  report.seq = ++last_seq_;
  // The text may end in what a hook or an exception said, and the engine refuses what is no line.
  report.text = ToPrintableLine(report.text, limits::kReportTextMax);
  Waiting waiting{{report.seq, IsTerminal(report.state), Encode(report)}};
  if (store_.PushReport(waiting.entry)) {
    // The store may have dropped an older one to make room: what is pending there is what waits
    // here.
    const std::vector<OutboxEntry> kept = store_.PendingReports();
    std::erase_if(waiting_, [&](const Waiting& old) {
      return !kept.empty() && std::ranges::none_of(kept, [&](const OutboxEntry& entry) {
        return entry.seq == old.entry.seq;
      });
    });
  } else if (waiting_.size() >= kUnstoredReportsMax) {
    waiting_.pop_front();
  }
  waiting_.push_back(std::move(waiting));
  if (!retry_at_) {
    retry_ms_ = limits::kReportRetryFirst;
    retry_at_ = now + retry_ms_;
  }
  return Send(waiting_.back(), now);
}

std::uint64_t Reporter::Send(Waiting& waiting, BootMs now) {
  if (!connected_) return 0;
  const Result<std::uint64_t> id = transport_.Publish(topic_, waiting.entry.report, Qos::k1, false);
  if (!id) return 0;
  waiting.sent = true;
  waiting.sent_at = now;
  return *id;
}

void Reporter::SendAll(BootMs now) {
  for (Waiting& waiting : waiting_) {
    if (waiting.sent && now - waiting.sent_at < kOnItsWayMs) continue;
    if (Send(waiting, now) == 0) return;  // back-pressure: the rest goes at the next deadline
  }
}

void Reporter::OnDisconnected() {
  connected_ = false;
  for (Waiting& waiting : waiting_) waiting.sent = false;
}

void Reporter::OnEngineBack() {
  for (Waiting& waiting : waiting_) waiting.sent = false;
}

void Reporter::OnHelloSaid(BootMs now) { SendAll(now); }

void Reporter::OnAnswer(std::uint64_t seq, BootMs now) {
  if (!waiting_.empty() && waiting_.front().entry.seq <= seq) {
    std::erase_if(waiting_, [&](const Waiting& waiting) { return waiting.entry.seq <= seq; });
    // A disk that fails here costs a report sent twice, and the engine drops what it has.
    static_cast<void>(store_.DropReportsThrough(seq));
  }
  if (waiting_.empty()) return retry_at_.reset();
  // Only what nobody has heard: sending all again at each answer would ask for the next answer.
  for (Waiting& waiting : waiting_) {
    if (!waiting.sent && Send(waiting, now) == 0) return;
  }
}

void Reporter::Poll(BootMs now) {
  if (!retry_at_ || now < *retry_at_) return;
  retry_ms_ = std::min(limits::kReportRetryMax, 2 * retry_ms_);
  retry_at_ = now + retry_ms_;
  SendAll(now);
}

std::optional<BootMs> Reporter::NextDeadline() const { return retry_at_; }

}  // namespace sluice::device
