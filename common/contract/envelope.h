// The envelope: a fixed binary frame of signatures around the exact payload bytes, parsed before
// anything is trusted.
//
// clang-format off
//    0  "SLEV"
//    4  u16 version = 1
//    6  u8  payload type
//    7  u8  signature count, 1..8
//    8  u32 payload length
//   12  count x { u8 algorithm, u8[3] 0, key_id[32], signature[64] }
//       the payload; the total length is exact
// clang-format on
//
// Signed bytes = "sluice/v1/envelope\0", u8 payload type, u32 payload length, payload.
// Little-endian.
#pragma once

#include <array>
#include <vector>

#include "common/base/bytes.h"
#include "common/base/result.h"

namespace sluice {

enum class PayloadType : std::uint8_t {
  kRoot = 1,
  kManifest = 2,
  kRevocations = 3,
  kDirective = 4,
  kOrder = 5,
  kFreshness = 6,
  kAnswer = 7,
};
std::string_view PayloadTypeName(PayloadType type) noexcept;

enum class SignatureAlgorithm : std::uint8_t {
  kEd25519 = 1,  // 32-byte public key
  kEcdsaP256 =
      2,  // 65-byte uncompressed public key (0x04 x y); signature raw r||s, low s; over SHA-256
};

struct PublicKey {
  SignatureAlgorithm algorithm = SignatureAlgorithm::kEd25519;
  Bytes raw;
  friend bool operator==(const PublicKey&, const PublicKey&) = default;
};

struct Signature {
  SignatureAlgorithm algorithm = SignatureAlgorithm::kEd25519;
  Digest key_id;  // SHA-256(algorithm byte || raw public key)
  std::array<std::uint8_t, 64> bytes{};
};

struct Envelope {
  PayloadType type = PayloadType::kRoot;
  std::vector<Signature> signatures;
  Bytes payload;
};

/// The longest envelope of that type that anybody accepts, in bytes.
std::size_t EnvelopeBytesMax(PayloadType type) noexcept;

/// E_TOO_BIG over EnvelopeBytesMax, else E_ENV_FORMAT with what is wrong. Verifies no signature.
Result<Envelope> ParseEnvelope(ByteView bytes);
/// REQUIRES: 1..8 signatures.
Bytes BuildEnvelope(const Envelope& envelope);
/// What a signature covers.
Bytes SignedBytes(PayloadType type, ByteView payload);

}  // namespace sluice
