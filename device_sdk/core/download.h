// One object on its way to the device: which chunks are missing or in flight, how many to ask for,
// when to ask again.
//
// Pure: time is a parameter. Chunks arrive in any order and any number of times; bytes are given
// out in order.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/contract/fetch.h"

namespace sluice::device {

inline constexpr int kBarrenTimeoutsMax = 8;          // in a row, without one new byte
inline constexpr std::int64_t kRetryFirstMs = 1'000;  // or 2 x RTT if that is more
inline constexpr std::int64_t kRetryMaxMs = 60'000;
inline constexpr std::int64_t kRateWatchMs = 5 * 60'000;  // of being asked for, while connected
inline constexpr std::uint64_t kBytesPerWatchMin = 150 * 1024;  // 512 B/s; less is E_SLOW

class Download {
 public:
  /// REQUIRES: size_bytes > 0, chunk_size > 0.
  Download(std::uint64_t size_bytes, std::uint32_t chunk_size, std::uint32_t window_bytes_max,
           BootMs now);

  /// Bytes before `offset` are not wanted (written already, or taken). Never goes back.
  void SkipTo(std::uint64_t offset);

  /// What to ask for now: empty while the window is more than half in flight, else missing chunks
  /// from the lowest on.
  [[nodiscard]] std::vector<ByteRange> TakeRequest(BootMs now);

  /// Keeps what is new and wanted. E_CHUNK_RANGE when the chunk is none of this object's.
  Status OnChunk(std::uint64_t offset, Bytes data, BootMs now);

  /// The bytes [offset, offset + length) once all are here, else nothing; what lies before is
  /// forgotten.
  [[nodiscard]] std::optional<Bytes> Take(std::uint64_t offset, std::uint64_t length);
  /// Throws away [offset, offset + length) to ask for it again: its hash was wrong.
  void Refetch(std::uint64_t offset, std::uint64_t length);

  /// What is in flight is lost with the connection, and time without one does not count.
  void OnDisconnected(BootMs now);
  void OnConnected(BootMs now);

  /// When to call OnTimeout; nothing while nothing is in flight.
  [[nodiscard]] std::optional<BootMs> NextDeadline() const;
  /// All in flight is lost: halves the window, waits longer the next time. `jitter` in [0, 1).
  /// E_SLOW when it is hopeless.
  Status OnTimeout(BootMs now, double jitter);

  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }
  /// Bytes from the start that are here or skipped.
  [[nodiscard]] std::uint64_t done_bytes() const;
  [[nodiscard]] std::uint32_t window_bytes() const { return window_bytes_; }
  [[nodiscard]] std::uint64_t in_flight_bytes() const { return in_flight_bytes_; }

 private:
  enum class State : std::uint8_t { kMissing, kInFlight, kHere };

  [[nodiscard]] std::uint64_t ChunkLength(std::size_t index) const;
  [[nodiscard]] std::size_t LowestMissing() const;
  void ForgetInFlight();
  void Grow(std::uint64_t bytes);
  Status WatchRate(BootMs now);

  std::uint64_t size_bytes_;
  std::uint32_t chunk_size_;
  std::uint32_t window_bytes_max_;
  std::uint32_t window_bytes_;
  std::vector<State> chunks_;
  std::size_t first_wanted_ = 0;         // chunks before it are done with
  std::map<std::uint64_t, Bytes> held_;  // chunk offset -> bytes, at most a window
  std::uint64_t in_flight_bytes_ = 0;
  std::uint64_t clean_bytes_ = 0;  // since the window last changed
  BootMs asked_at_{};
  BootMs heard_at_{};
  bool rtt_pending_ = false;
  std::int64_t rtt_ms_ = 0;
  std::int64_t retry_ms_ = kRetryFirstMs;
  int barren_timeouts_ = 0;
  BootMs watch_since_{};
  std::uint64_t watch_bytes_ = 0;
};

/// Bytes spent on one manifest against what its directive allows.
struct ByteBudget {
  std::uint64_t limit = 0;
  std::uint64_t spent_before = 0;  // stored
  std::uint64_t link_mark = 0;     // the link's count when the work began
  [[nodiscard]] std::uint64_t Spent(std::uint64_t link_now) const {
    return spent_before + (link_now - link_mark);
  }
  [[nodiscard]] bool Allows(std::uint64_t link_now, std::uint64_t more) const {
    return Spent(link_now) + more <= limit;
  }
};

}  // namespace sluice::device
