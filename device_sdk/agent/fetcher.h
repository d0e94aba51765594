// Fetches one object at a time over MQTT: asks for windows of chunks and hands the bytes out in
// order.
#pragma once

#include <optional>

#include "common/base/random.h"
#include "common/contract/fetch.h"
#include "common/mqtt/transport.h"
#include "device_sdk/agent/agent_options.h"
#include "device_sdk/core/download.h"

namespace sluice::device {

inline constexpr int kRefusalsMax =
    3;  // not_found or denied for one object; the hello between may clear it up
inline constexpr std::int64_t kRefusalPauseMs = 5 * limits::kSecond;
inline constexpr std::int64_t kBusyPauseMs = limits::kSecond;

class Fetcher {
 public:
  Fetcher(const AgentOptions& self, Transport& transport, Random& random, std::string topic)
      : self_(self), transport_(transport), random_(random), topic_(std::move(topic)) {}

  /// Starts on `object`; what was under way is forgotten. REQUIRES: size_bytes > 0.
  void Begin(const Digest& object, std::uint64_t size_bytes, BootMs now);
  void End() { download_.reset(); }
  /// All fetches of one work are counted together, and with what the store remembers of it.
  void BeginBudget(std::uint64_t limit, std::uint64_t spent_before);
  void SetBudgetLimit(std::uint64_t limit) { budget_.limit = limit; }
  void SetSpentAtLeast(std::uint64_t bytes);
  [[nodiscard]] std::uint64_t BytesSpent() const;

  void OnConnected(BootMs now);
  void OnDisconnected(BootMs now);
  /// E_CHUNK_RANGE is the chunk's fault and forgotten; E_NOT_FOUND, E_DENIED end the fetch.
  Status OnChunk(const Chunk& chunk, BootMs now);
  /// Asks for what is due. E_BUDGET, E_SLOW end the fetch.
  Status Poll(BootMs now);
  [[nodiscard]] std::optional<BootMs> NextDeadline() const;

  /// Set when a server refused: say hello, the engine decides. Clears it.
  [[nodiscard]] bool TakeWantsHello() { return std::exchange(wants_hello_, false); }
  /// The object under way, or nullptr.
  [[nodiscard]] Download* download() { return download_ ? &*download_ : nullptr; }

 private:
  Status Ask(BootMs now);

  const AgentOptions& self_;
  Transport& transport_;
  Random& random_;
  const std::string topic_;
  Digest object_;
  std::optional<Download> download_;
  ByteBudget budget_;
  bool connected_ = false;
  bool wants_hello_ = false;
  int refusals_ = 0;
  std::uint32_t request_id_ = 0;
  std::optional<BootMs> paused_until_;
};

}  // namespace sluice::device
