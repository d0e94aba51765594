// Messages in order until the transport has taken them.
//
// Nothing in here is durable: what stands is published again on the next connection, what answers
// is asked for again.
#pragma once

#include <deque>
#include <optional>

#include "rollout_engine/engine/limits.h"
#include "rollout_engine/engine/turn.h"

namespace sluice {

class Outbox {
 public:
  void Add(OutgoingMessage message);
  /// Publishes until empty or the transport pushes back. Without a connection everything is
  /// dropped.
  void Flush(Transport& transport, BootMs now);
  /// When Flush should be called again, if something waits.
  [[nodiscard]] std::optional<BootMs> NextDeadline() const;
  /// Drops what waits.
  void Clear();
  [[nodiscard]] std::size_t size() const { return messages_.size(); }
  /// Messages that a full outbox or a missing connection has cost.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  std::deque<OutgoingMessage> messages_;
  std::size_t bytes_ = 0;
  std::uint64_t dropped_ = 0;
  BootMs retry_at_;
};

}  // namespace sluice
