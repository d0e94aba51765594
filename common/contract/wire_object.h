// From the plain types of the contract to FlatBuffers' object API. Private to the codec.
#pragma once

#include <memory>

#include "common/base/bytes.h"
#include "common/contract/numbers.h"
#include "types_generated.h"

namespace sluice {

inline wire::Digest ToWire(const Digest& digest) {
  return wire::Digest(flatbuffers::span<const std::uint8_t, Digest::kSize>(digest.bytes));
}

/// Absent when zero.
inline std::unique_ptr<wire::Digest> ToWireOptional(const Digest& digest) {
  return digest.IsZero() ? nullptr : std::make_unique<wire::Digest>(ToWire(digest));
}

/// Absent when {0, 0}.
inline std::unique_ptr<wire::SequenceNumber> ToWireOptional(const SequenceNumber& number) {
  if (number == SequenceNumber{}) return nullptr;
  return std::make_unique<wire::SequenceNumber>(number.epoch, number.seq);
}

inline std::unique_ptr<wire::Token> ToWireToken(const std::array<std::uint8_t, 16>& token) {
  return std::make_unique<wire::Token>(flatbuffers::span<const std::uint8_t, 16>(token));
}

}  // namespace sluice
