// The state record's form on disk: 4,096 bytes, eight sectors with a CRC-32C each, one SHA-256 over
// all.
//
// The sectors' payloads (508 bytes each) are one run of 4,064 bytes: magic, format, the fields in
// the order that LayOut() in the .cc lists them, zeros, and the SHA-256 of everything before it.
// The CRCs say which sector is bad; the SHA-256 refuses sectors of two different writes.
#pragma once

#include "device_sdk/core/state_record.h"
#include "device_sdk/slots/sector.h"

namespace sluice::device {

inline constexpr std::size_t kRecordBytes = 8 * kSectorBytes;
/// Room for a stable error code as text (SlotRecord::reason, Work::failure).
inline constexpr std::size_t kCodeTextMax = 40;

using RecordBytes = std::array<std::uint8_t, kRecordBytes>;

/// REQUIRES: ids of at most limits::kIdMax bytes, codes of at most kCodeTextMax, at most
/// limits::kBadDigestsMax bad artifacts, slot ids below limits::kSlotsMax.
RecordBytes EncodeRecord(const StateRecord& record);

/// The record, if `bytes` are exactly what EncodeRecord makes of it; else E_STORE_CORRUPT and what
/// is wrong.
Result<StateRecord> DecodeRecord(ByteView bytes);

/// Which of the two copies counts: the valid one of the higher gen (the first when equal).
struct NewestRecord {
  int copy = 0;
  StateRecord record;
};
std::optional<NewestRecord> SelectNewest(ByteView copy_0, ByteView copy_1);

}  // namespace sluice::device
