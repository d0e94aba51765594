// Every limit of the contract by name. A limit that only one product knows stays with that product.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::limits {

inline constexpr std::size_t kKiB = 1'024;

// MQTT and topics (docs/protocol.md, section 1; schemas/topics.md)
inline constexpr std::size_t kMqttPayloadMax = 65'536;
inline constexpr std::size_t kTopicLevelMax = 64;
// Registry ids: [A-Za-z0-9._-]{1,64}, not starting with '.'.
inline constexpr std::size_t kIdMax = 64;
inline constexpr int kPartitions = 64;

// Sizes per message, applied before anything is parsed
inline constexpr std::size_t kRootBytesMax = 16 * kKiB;
inline constexpr std::size_t kManifestBytesMax = 64 * kKiB;
inline constexpr std::size_t kRevocationsBytesMax = 64 * kKiB;
inline constexpr std::size_t kOrderBytesMax = 16 * kKiB;
inline constexpr std::size_t kDirectiveBytesMax = 4 * kKiB;
inline constexpr std::size_t kFreshnessBytesMax = kKiB;
inline constexpr std::size_t kAnswerBytesMax = kKiB;
inline constexpr std::size_t kHelloBytesMax = 4 * kKiB;
inline constexpr std::size_t kReportBytesMax = 4 * kKiB;
inline constexpr std::size_t kTelemetryBytesMax = 2 * kKiB;
inline constexpr std::size_t kFetchBytesMax = 8 * kKiB;

// Envelope and FlatBuffers
inline constexpr std::size_t kSignaturesMax = 8;
inline constexpr unsigned kFlatbufferDepthMax = 8;
inline constexpr unsigned kFlatbufferTablesMax = 1'024;

// Message contents
inline constexpr std::size_t kOffersMax = 4;
inline constexpr std::size_t kOrderEntriesMax = 128;
inline constexpr std::size_t kHardwareNamesMax = 32;
inline constexpr std::size_t kRootKeysMax = 16;  // per role
inline constexpr std::size_t kModelFloorsMax = 64;
inline constexpr std::size_t kRevokedMax = 512;
inline constexpr std::size_t kSlotsMax = 3;
inline constexpr std::size_t kBadDigestsMax = 32;
inline constexpr std::size_t kAttributesMax = 16;
inline constexpr std::size_t kReportTextMax = 512;
inline constexpr std::size_t kFetchRangesMax = 128;
inline constexpr std::size_t kLatencyBinsMax = 1'024;  // bytes

// Artifacts and payloads
inline constexpr std::uint64_t kArtifactBytesMax = std::uint64_t{4} << 30;
inline constexpr std::uint32_t kManifestBlockSize = 65'536;  // unit of the signed block list
inline constexpr std::uint32_t kSmallBlockSize = 16'384;     // class S
// A payload of the longest artifact: 4 GiB plus the head and framing of its blocks.
inline constexpr std::uint64_t kPayloadBytesMax = kArtifactBytesMax + (std::uint64_t{16} << 20);
inline constexpr std::uint64_t kValidationSetBytesMax = std::uint64_t{64} << 20;

// Chunks
inline constexpr std::uint32_t kChunkBytesDefault = 16'320;
inline constexpr std::uint32_t kChunkBytesMin = 1'024;
inline constexpr std::uint32_t kChunkBytesMax = 65'280;
inline constexpr std::uint32_t kWindowBytesStart = 64 * kKiB;
inline constexpr std::uint32_t kWindowBytesMax = 512 * kKiB;

// Time
inline constexpr std::int64_t kSecond = 1'000;  // ms
inline constexpr std::int64_t kMinute = 60 * kSecond;
inline constexpr std::int64_t kHour = 60 * kMinute;
inline constexpr std::int64_t kDay = 24 * kHour;
inline constexpr std::int64_t kFreshnessInterval = 6 * kHour;
inline constexpr std::int64_t kFreshnessLife = 24 * kHour;
// No new install this long after the last good Freshness.
inline constexpr std::int64_t kInstallStaleMax = 72 * kHour;
inline constexpr std::int64_t kPermitLife = 120 * kSecond;
inline constexpr std::int64_t kActivatingAckMax = 30 * kSecond;
inline constexpr std::int64_t kAnswerWait = 30 * kSecond;
inline constexpr std::int64_t kHelloBackoffMax = 5 * kMinute;
inline constexpr std::int64_t kReportRetryFirst = 60 * kSecond;
inline constexpr std::int64_t kReportRetryMax = kHour;
inline constexpr std::int64_t kReportGather =
    5 * kSecond;  // the engine answers reports within this
inline constexpr std::int64_t kClockSlackBack = 5 * kMinute;
inline constexpr std::int64_t kClockSlackAhead = 400 * kDay;
inline constexpr std::int64_t kEngineClockJumpMax = 30 * kDay;
inline constexpr std::int64_t kClosedOrderKept = 30 * kDay;
inline constexpr std::uint32_t kIntervalSecondsMax = 86'400;  // telemetry interval, ask again
inline constexpr std::int64_t kTimeMsMax =
    253'402'300'799'999;  // the last millisecond of the year 9999

}  // namespace sluice::limits
