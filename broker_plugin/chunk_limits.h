// Limits of serving chunks from inside the broker; those of the contract are in
// common/contract/limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/contract/limits.h"

namespace sluice::plugin::limits {

using sluice::limits::kKiB;

// Jobs: at most one per device
inline constexpr std::size_t kChunkJobsMax = 20'000;
inline constexpr std::int64_t kChunkJobSilenceMax = 30'000;  // ms without a fetch
inline constexpr std::size_t kRefusalsMax = 1'024;           // devices that are still to be told
inline constexpr std::size_t kBlockedObjectsMax = 16'384;
inline constexpr std::size_t kBucketsMax = 20'000;  // devices whose rate is remembered

// One TICK: what it sends, and how many jobs it looks at that may not send now
inline constexpr std::size_t kTickBytesDefault = 256 * kKiB;
inline constexpr std::size_t kTickBytesMin = 64 * kKiB;
inline constexpr std::size_t kTickBytesMax = 1'024 * kKiB;
inline constexpr int kTurnChunks = 2;  // of one device, before the next one's turn
inline constexpr std::size_t kTickSkipsMax = 512;
inline constexpr std::size_t kTickRefusalsMax = 64;
// No foreign message for so long, and the budget of a TICK grows.
inline constexpr std::int64_t kQuietBeforeGrowth = 100;  // ms

// QoS 0 queues of the broker are counted in packets: a job may fill this share of one.
inline constexpr std::uint32_t kQueueLengthDefault = 100;
inline constexpr std::uint32_t kQueueSharePercent = 80;

// A bucket holds what its rate gives in this time.
inline constexpr std::int64_t kBucketDepth = 250;  // ms

// Files
inline constexpr std::size_t kOpenFilesMax = 64;
inline constexpr std::int64_t kOpenFileAge = 60'000;  // ms until a name is looked up again
inline constexpr std::size_t kReadAheadQueueMax = 256;
inline constexpr std::uint64_t kReadAheadBytesMax = sluice::limits::kWindowBytesMax;
inline constexpr std::size_t kReadAheadStepBytes = 128 * kKiB;  // one read of the reader thread

// Waking the broker while jobs are pending
inline constexpr std::int64_t kWakeIntervalNs = 500'000;

}  // namespace sluice::plugin::limits
