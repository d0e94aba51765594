// Every limit that only the broker plugin knows, by name. Those of the contract are in
// common/contract/limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/contract/limits.h"

namespace sluice::plugin::limits {

using sluice::limits::kKiB;
using sluice::limits::kMinute;
using sluice::limits::kSecond;

// Memory of the guard. An entry is about 200 bytes.
inline constexpr std::size_t kCachedPoliciesMax = 65'536;
inline constexpr std::size_t kDeviceStatesMax = 131'072;
// A device that did nothing for this long is forgotten when there is no room for another one.
inline constexpr std::int64_t kDeviceStateIdle = 10 * kMinute;
inline constexpr std::size_t kPendingKicksMax = 1'024;

// Rates per device (broker defaults; the configuration may change them)
inline constexpr std::uint32_t kMessagesPerS = 20;
inline constexpr std::uint32_t kMessagesBurst = 100;
inline constexpr std::uint32_t kUpBytesPerS = 256 * kKiB;
inline constexpr std::uint32_t kFetchesPerS = 200;
inline constexpr std::uint32_t kMalformedMax = 10;  // in kMalformedWindow, then quarantine
inline constexpr std::int64_t kMalformedWindow = kMinute;
inline constexpr std::uint32_t kQuarantineS = 3'600;
inline constexpr std::uint32_t kQuarantineSecondsMax = 30 * 86'400;
inline constexpr std::uint32_t kRateMax = 1'000'000;
inline constexpr std::uint32_t kByteRateMax = 1U << 30;

// Events: one per (device, type) in kEventInterval, kEventsPerS of all devices together.
inline constexpr std::int64_t kEventInterval = 10 * kSecond;
inline constexpr std::size_t kEventKeysMax = 16'384;
inline constexpr std::uint32_t kEventsPerS = 200;
inline constexpr std::uint32_t kEventsBurst = 1'000;

// The lease and the broker's turns
inline constexpr std::int64_t kLeaseInterval = 5 * kSecond;
inline constexpr std::int64_t kTickSilenceMax = 2 * kSecond;
// With nothing to do it acts in one turn of so many; a broker that sleeps turns ten times a second.
inline constexpr std::uint32_t kIdleTurns = 4;

// $CONTROL
inline constexpr std::size_t kControlBytesMax = 64 * kKiB;
inline constexpr std::size_t kControlReplyBytesMax = 64 * kKiB;
inline constexpr int kControlDepthMax = 6;
inline constexpr std::size_t kControlCommandsMax = 64;
inline constexpr std::size_t kCorrelationBytesMax = 256;
inline constexpr std::size_t kBlockedPerCommandMax = 900;  // 64 hex digits each, in one message
inline constexpr std::size_t kListedJobsMax = 200;

// Configuration
inline constexpr std::size_t kConfigBytesMax = 256 * kKiB;
inline constexpr std::size_t kConfigNamesMax = 10'000;
inline constexpr std::size_t kUserNameMax = 256;
inline constexpr std::uint32_t kTurnBytes = 256 * kKiB;
inline constexpr std::uint32_t kTurnBytesMin = 64 * kKiB;
inline constexpr std::uint32_t kTurnBytesMax = 1'024 * kKiB;
inline constexpr std::uint32_t kQueuedMessages = 100;  // what the broker's max_queued_messages is

// What of a foreign text ends up in a log line or event
inline constexpr std::size_t kShownTextMax = 64;

}  // namespace sluice::plugin::limits
