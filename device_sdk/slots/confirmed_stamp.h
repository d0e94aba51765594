// The 512-byte stamp of a slot whose model passed its trial: enough to start again when both state
// records have rotted.
#pragma once

#include "device_sdk/core/state_record.h"
#include "device_sdk/slots/sector.h"

namespace sluice::device {

struct ConfirmedStamp {
  SlotRecord slot;  // GOOD; digests, size, epoch and release only
  /// gen and every number that must not go back, as of the confirmation; all else is empty.
  StateRecord numbers;
};

using StampBytes = std::array<std::uint8_t, kSectorBytes>;

/// REQUIRES: a release of at most limits::kIdMax bytes.
StampBytes EncodeStamp(const ConfirmedStamp& stamp);
/// Nothing unless `bytes` are exactly what EncodeStamp makes.
std::optional<ConfirmedStamp> DecodeStamp(ByteView bytes);

}  // namespace sluice::device
