// A state record in which no field has its default, so that a test notices one that is not stored.
#pragma once

#include "device_sdk/core/state_record.h"

namespace sluice::device {

inline Digest FilledDigest(std::uint8_t byte) {
  Digest digest;
  digest.bytes.fill(byte);
  return digest;
}

inline StateRecord SampleRecord() {
  StateRecord record;
  record.gen = 0x0102030405060708;
  record.active = SlotId{1};
  record.fallback = SlotId{0};
  record.phase = Phase::kTrial;
  for (std::size_t i = 0; i < record.slots.size(); ++i) {
    SlotRecord& slot = record.slots[i];
    const auto n = static_cast<std::uint8_t>(i + 1);
    slot.state = static_cast<SlotState>(n);
    slot.manifest = FilledDigest(static_cast<std::uint8_t>(0x10 + n));
    slot.artifact = FilledDigest(static_cast<std::uint8_t>(0x20 + n));
    slot.size_bytes = std::uint64_t{1} << (33 + n);
    slot.security_epoch = 900U + n;
    slot.release = "detector-v3." + std::to_string(n);
    slot.rollout = std::string(limits::kIdMax, static_cast<char>('a' + n));
    slot.stage = static_cast<std::uint16_t>(0xFFF0 + n);
    slot.reason = "E_VALIDATION";
  }
  record.work = {UpdateState::kVerifying, 2, 987'654'321'012, FilledDigest(0x31), 513, "E_BUDGET"};
  record.starts_left = 2;
  record.trial_budget_left_ms = -900'000;
  record.floor_epoch = 0xFFFFFFFE;
  record.directive = {3, 0xFFFFFFFFFFFFFFFF};
  record.directive_digest = FilledDigest(0x32);
  record.order = {4, 5};
  record.order_digest = FilledDigest(0x33);
  record.freshness = {6, 7};
  record.engine_epoch = 8;
  record.secure_time_floor_ms = 1'900'000'000'000;
  record.root_version = 9;
  record.revocation_version = 10;
  record.revocation_digest = FilledDigest(0x34);
  record.activation = 11;
  record.boot = 12;
  for (std::uint8_t i = 0; i < limits::kBadDigestsMax; ++i) {
    record.bad_artifacts.push_back(FilledDigest(static_cast<std::uint8_t>(0x40 + i)));
  }
  return record;
}

}  // namespace sluice::device
