// Makes the sums of a state record right again, so that tests and fuzzers reach the checks behind
// them.
#pragma once

#include "common/crypto/digest.h"
#include "device_sdk/slots/state_record_codec.h"

namespace sluice::test_support {

/// Byte `at` of the payload that runs through the sectors, as an offset in the record.
inline std::size_t PayloadOffset(std::size_t at) {
  return at / device::kSectorPayloadBytes * device::kSectorBytes + at % device::kSectorPayloadBytes;
}

/// `bytes` with the SHA-256 and the CRCs that its payload asks for.
inline device::RecordBytes SealedRecord(device::RecordBytes bytes) {
  constexpr std::size_t kSectors = device::kRecordBytes / device::kSectorBytes;
  constexpr std::size_t kHashedBytes = kSectors * device::kSectorPayloadBytes - Digest::kSize;
  std::array<std::uint8_t, kHashedBytes> hashed{};
  for (std::size_t at = 0; at < kHashedBytes; ++at) hashed[at] = bytes[PayloadOffset(at)];
  const Digest digest = Sha256(hashed);
  for (std::size_t i = 0; i < Digest::kSize; ++i) {
    bytes[PayloadOffset(kHashedBytes + i)] = digest.bytes[i];
  }
  for (std::size_t i = 0; i < kSectors; ++i) {
    device::SealSector(std::span<std::uint8_t, device::kSectorBytes>(
        bytes.data() + i * device::kSectorBytes, device::kSectorBytes));
  }
  return bytes;
}

}  // namespace sluice::test_support
