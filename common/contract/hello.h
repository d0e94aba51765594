// What a device says: Hello (everything the engine must know), Report (a transition), Telemetry
// (cumulative counters).
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/base/bytes.h"
#include "common/contract/numbers.h"

namespace sluice {

enum class SlotState : std::uint8_t { kEmpty = 0, kWriting = 1, kReady = 2, kGood = 3, kBad = 4 };
std::string_view SlotStateName(SlotState state) noexcept;

enum class MemoryClass : std::uint8_t { kS = 0, kM = 1, kL = 2 };

/// States of the device's update machine (device_sdk/core/update.h).
enum class UpdateState : std::uint8_t {
  kIdle = 0,
  kChecking = 1,
  kDownloading = 2,
  kVerifying = 3,
  kValidating = 4,
  kReady = 5,
  kActivating = 6,
  kTrial = 7,
  kReverting = 8,
  kFault = 9,
};
inline constexpr int kUpdateStateCount = 10;
std::string_view UpdateStateName(UpdateState state) noexcept;

struct SlotSummary {
  SlotState state = SlotState::kEmpty;
  Digest artifact;
  Digest manifest;
  std::string release;
  std::string rollout;  // that installed it, "" = none
  std::uint16_t stage = 0;
  friend bool operator==(const SlotSummary&, const SlotSummary&) = default;
};

struct Hello {
  Nonce nonce{};
  Instance instance{};
  std::uint32_t boot = 0;
  std::uint64_t record_gen = 0;
  std::string model;
  std::string hardware;
  std::string agent_version;
  std::string runtime_abi;
  MemoryClass memory_class = MemoryClass::kL;
  std::uint32_t codec_mask = 0;  // bit i = codec i of common/payload
  std::uint32_t chunk_size = 0;
  std::uint32_t window_bytes_max = 0;
  UpdateState state = UpdateState::kIdle;
  std::vector<SlotSummary> slots;  // 2 or 3, a first
  std::int8_t active_slot = -1;    // index into slots, -1 = none
  std::uint32_t activation = 0;
  std::uint32_t floor_epoch = 0;
  std::uint32_t root_version = 0;
  SequenceNumber directive, order;
  std::uint64_t engine_epoch_seen = 0;
  std::uint64_t report_seq = 0;  // newest report made
  Digest permit_wanted;          // manifest in `ready`, or zero
  std::vector<Digest> bad_artifacts;
  std::uint32_t next_contact_s = 0;                             // 0 = stays connected
  std::vector<std::pair<std::string, std::string>> attributes;  // site=a, line=3
  friend bool operator==(const Hello&, const Hello&) = default;
};

enum class ReportState : std::uint8_t {
  kDownloading = 1,
  kDeferred = 2,
  kReady = 3,
  kActivating = 4,
  kActivated = 5,
  kConfirmed = 6,
  kRejected = 7,
  kFailed = 8,
  kReverted = 9,
  kWithdrawn = 10,
  kHolding = 11,
};
std::string_view ReportStateName(ReportState state) noexcept;
/// No further report follows for the same directive: confirmed, rejected, failed, reverted,
/// withdrawn.
bool IsTerminal(ReportState state) noexcept;

struct ValidationNumbers {
  std::uint32_t n = 0;       // 0 = not run
  std::uint32_t n_base = 0;  // n, or 0: nothing to pair with, the three base counts are 0
  std::uint32_t correct_base = 0, correct_new = 0;
  std::uint32_t only_base = 0, only_new = 0;  // discordant pairs
  std::uint32_t latency_us_p99 = 0;           // of the new model
  friend bool operator==(const ValidationNumbers&, const ValidationNumbers&) = default;
};

struct Report {
  Instance instance{};
  std::uint64_t record_gen = 0;
  std::uint64_t seq = 0;  // rises over all directives of the instance
  SequenceNumber directive;
  std::string rollout;
  std::uint16_t stage = 0;
  Digest manifest;
  ReportState state = ReportState::kDownloading;
  std::string code;        // "E_..." or ""
  std::string text;        // one line for people
  Digest active_artifact;  // of the loaded bytes, not of the order
  std::uint32_t activation = 0;
  std::uint64_t bytes_down = 0, bytes_up = 0;     // spent on this manifest, at the transport
  std::uint64_t bytes_done = 0, bytes_total = 0;  // of the payload on offer
  ValidationNumbers validation;
  friend bool operator==(const Report&, const Report&) = default;
};

/// Cumulative per (device, release_id, activation, boot), so that loss, duplication and reordering
/// cannot bias them.
struct Telemetry {
  static constexpr std::uint16_t kSelfReverted = 1, kValidationFailed = 2, kStandbyHealthy = 4,
                                 kOnBattery = 8, kMetered = 16, kClockUnsynchronised = 32;
  static constexpr std::int8_t kValDropNotRun = -128;

  std::uint64_t release_id = 0;  // Prefix64 of the active artifact
  std::uint32_t activation = 0;
  std::uint16_t boot = 0;
  std::uint16_t flags = 0;
  std::uint32_t seq = 0;
  std::uint32_t up_s = 0;
  std::uint32_t age_ms = 0;
  std::uint32_t inferences = 0, errors = 0, over_latency = 0;
  std::uint32_t labelled = 0, correct_q8 = 0;  // sum of scores in 1/256
  std::uint32_t rss_kb = 0;
  std::uint16_t crashes = 0;
  std::int8_t temp_c = 0;
  std::uint8_t battery_pct = 255;  // 255 = mains
  std::uint8_t cpu_pct = 0;
  std::int8_t val_drop_q = kValDropNotRun;  // 1/512
  Bytes lat_bins;                           // hourly: DDSketch, docs/protocol.md
  std::uint32_t lat_seq = 0;
  friend bool operator==(const Telemetry&, const Telemetry&) = default;
};

}  // namespace sluice
