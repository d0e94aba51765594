// The device's reports: numbered, durable until an Answer covers them, sent again until then.
#pragma once

#include <deque>
#include <optional>

#include "common/base/clock.h"
#include "common/contract/codec.h"
#include "common/mqtt/transport.h"
#include "device_sdk/slots/slot_store.h"

namespace sluice::device {

inline constexpr std::size_t kUnstoredReportsMax = 16;

class Reporter {
 public:
  /// `store` and `transport` must outlive it.
  Reporter(SlotStore& store, Transport& transport, std::string topic);

  /// Numbers the report, stores it and sends it if there is a connection. With a broken disk it is
  /// kept in memory. Returns the id that OnPublished will name, 0 if it was not sent.
  std::uint64_t Add(Report report, BootMs now);

  void OnConnected() { connected_ = true; }
  /// Nothing of what was sent is on its way any more.
  void OnDisconnected();
  /// The engine was away or died, perhaps without having stored what was sent.
  void OnEngineBack();
  /// After each hello: what waits is sent again.
  void OnHelloSaid(BootMs now);
  /// The engine has stored all up to `seq`; what it should have by now and has not is sent again.
  void OnAnswer(std::uint64_t seq, BootMs now);
  /// Sends again what is due.
  void Poll(BootMs now);
  [[nodiscard]] std::optional<BootMs> NextDeadline() const;

  [[nodiscard]] std::uint64_t last_seq() const { return last_seq_; }
  /// A report waits for an Answer that covers it.
  [[nodiscard]] bool IsWaiting() const { return !waiting_.empty(); }

 private:
  struct Waiting {
    OutboxEntry entry;
    BootMs sent_at{};
    bool sent = false;
  };
  std::uint64_t Send(Waiting& waiting, BootMs now);
  void SendAll(BootMs now);

  SlotStore& store_;
  Transport& transport_;
  const std::string topic_;
  std::uint64_t last_seq_ = 0;
  std::deque<Waiting> waiting_;  // as in the store, and what the store would not take; oldest first
  bool connected_ = false;
  std::optional<BootMs> retry_at_;
  std::int64_t retry_ms_ = limits::kReportRetryFirst;
};

}  // namespace sluice::device
