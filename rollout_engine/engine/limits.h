// Limits that only the engine knows; those of the contract are in common/contract/limits.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::limits {

// Devices and what is kept about each
inline constexpr std::size_t kDevicesMax = 200'000;
inline constexpr std::size_t kDeviceHistoryMax = 64;  // lines per device

// Answers: at most one per interval and device, with a burst; news (a permit, a newer report) has a
// bucket of its own
inline constexpr std::int64_t kAnswerInterval = 10'000;  // ms
inline constexpr std::int64_t kAnswerBurst = 3;
inline constexpr std::int64_t kNewsInterval = 500;  // ms
inline constexpr std::int64_t kNewsBurst = 20;
inline constexpr int kRootsPerAnswer = 16;
inline constexpr std::int64_t kReportAnswerDelay =
    250;  // ms, to gather; must stay below kReportGather
inline constexpr std::uint32_t kAskAgainSeconds =
    5;  // to a device in `ready` whose permit is not due yet

inline constexpr std::int64_t kClockRetry = 1'000;  // ms, while the clock cannot be right

// What a device may get wrong before it is quarantined
inline constexpr int kBadMessagesPerMinute = 10;
inline constexpr std::uint64_t kTelemetryHeardMin = 20;  // before its share is judged
inline constexpr double kTelemetryBadShare = 0.05;
inline constexpr std::size_t kStoreBehindDevices = 3;
inline constexpr double kStoreBehindShare = 0.001;

// Directives: sent again until a hello or report names them
inline constexpr std::int64_t kDirectiveResendFirst = 60'000;
inline constexpr std::int64_t kDirectiveResendMax = 3'600'000;
inline constexpr std::size_t kDirectivesPerSecond = 1'000;
inline constexpr std::int64_t kDirectiveLife = 30LL * 24 * 3'600'000;
inline constexpr std::size_t kRetainDirectivesBelow = 100'000;  // devices

inline constexpr std::int64_t kPayloadRetry =
    10LL * 60'000;  // ms, after a payload could not be built

// Messages that wait for the transport
inline constexpr std::size_t kOutboxMessagesMax = 20'000;
inline constexpr std::size_t kOutboxBytesMax = 32u << 20;
inline constexpr std::int64_t kOutboxRetry = 5;  // ms

// Chunks
inline constexpr std::size_t kChunkJobsMax = 20'000;
inline constexpr std::size_t kChunkRefusalsMax = 1'024;
inline constexpr std::size_t kChunkBytesPerTurn = 256u << 10;
inline constexpr std::int64_t kChunkJobIdle = 30'000;
inline constexpr std::int64_t kChunkRetry = 1;  // ms, after back-pressure

// Servers inside brokers
inline constexpr std::size_t kServersMax = 64;
inline constexpr std::size_t kServerLeaseBytesMax = 2'048;
inline constexpr std::int64_t kServerLeaseLife = 15'000;    // ms after its last live renewal
inline constexpr std::int64_t kServerPolicyResend = 5'000;  // ms, to one that has not taken it
inline constexpr std::int64_t kServerPolicyGap = 1'000;     // ms, between two that nothing changed
inline constexpr std::size_t kBlockedPerCommand = 900;      // 67 bytes each

// Operator plane
inline constexpr std::int64_t kViewPassInterval = 100;  // ms, between two looks at what changed
inline constexpr std::int64_t kDeviceViewInterval = 5'000;
inline constexpr std::int64_t kActiveViewRepeat = 15'000;
inline constexpr std::int64_t kSummaryViewInterval =
    1'000;  // fleet, engine and a rollout whose status stands
inline constexpr std::size_t kDeviceViewsMax = 2'000;  // devices; above that no topic per device

// Operations
inline constexpr std::int64_t kOperationKept = 7LL * 24 * 3'600'000;
inline constexpr std::size_t kOperationIdMin = 8;
inline constexpr std::size_t kOperationIdMax = 64;
inline constexpr std::size_t kOperationReasonMax = 512;
inline constexpr std::size_t kOperationByMax = 64;
inline constexpr std::size_t kOperationsMax = 100'000;  // remembered for idempotence

// Rollouts, looks, payloads, telemetry
inline constexpr std::int64_t kTelemetrySaveInterval = 5'000;  // ms
inline constexpr std::size_t kRolloutsActiveMax = 64;
inline constexpr std::size_t kPayloadJobsMax = 64;
inline constexpr std::size_t kForecastRowsMax = 16;
inline constexpr std::size_t kDecisionsPerRolloutMax = 20'000;
inline constexpr std::int32_t kLooksKeptPerStage = 20'000;  // each with its variants

// The loop
inline constexpr std::size_t kInboxMax = 20'000;
inline constexpr std::size_t kInboxBytesMax = 64u << 20;
inline constexpr std::size_t kMessagesPerTurn = 2'000;

}  // namespace sluice::limits
