// The device's one durable record: which slot serves, which may be reverted to, and every number
// that must not go back.
//
// A plain value; device_sdk/slots writes it to disk. Every field here survives power loss.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "common/contract/hello.h"
#include "common/contract/limits.h"

namespace sluice::device {

enum class Phase : std::uint8_t { kStable = 0, kTrial = 1, kReverted = 2 };

/// Index of a slot: 0 = a, 1 = b, 2 = c.
using SlotId = std::uint8_t;

struct SlotRecord {
  SlotState state = SlotState::kEmpty;
  Digest manifest;  // of the manifest's envelope
  Digest artifact;
  std::uint64_t size_bytes = 0;
  std::uint32_t security_epoch = 0;
  std::string release;
  std::string rollout;
  std::uint16_t stage = 0;
  std::string reason;  // stable code of why it is BAD, "" else
  friend bool operator==(const SlotRecord&, const SlotRecord&) = default;
};

/// What is being worked on, so that a restart takes it up where it stands.
struct Work {
  UpdateState state = UpdateState::kIdle;
  SlotId standby = 0;
  std::uint64_t bytes_spent = 0;  // on `manifest`, over all its directives, both directions
  Digest manifest;                // that bytes_spent counts for; outlives the work
  std::uint16_t attempts = 0;     // downloads begun for it
  std::string failure;            // code of the last terminal failure, for status
  friend bool operator==(const Work&, const Work&) = default;
};

struct StateRecord {
  std::uint64_t gen = 0;
  std::optional<SlotId> active, fallback;
  Phase phase = Phase::kStable;
  std::array<SlotRecord, limits::kSlotsMax> slots{};
  Work work;
  std::uint8_t starts_left = 0;  // of a TRIAL
  std::int64_t trial_budget_left_ms = 0;
  std::uint32_t floor_epoch = 0;
  SequenceNumber directive;  // newest seen
  Digest directive_digest;   // of its envelope, kept whole beside the record
  SequenceNumber order;
  Digest order_digest;
  SequenceNumber freshness;
  std::uint64_t engine_epoch = 0;  // highest in any stream
  std::int64_t secure_time_floor_ms = 0;
  std::uint32_t root_version = 0;
  std::uint32_t revocation_version = 0;
  Digest revocation_digest;
  std::uint32_t activation = 0;
  std::uint32_t boot = 0;
  std::vector<Digest> bad_artifacts;  // newest last, <= 32
  friend bool operator==(const StateRecord&, const StateRecord&) = default;
};

}  // namespace sluice::device
