// Raw signatures of both algorithms in their one strict form. Private to common/crypto.
#pragma once

#include <array>

#include "common/base/bytes.h"
#include "common/base/random.h"
#include "common/contract/envelope.h"

namespace sluice {

inline constexpr std::size_t kSecretSize = 32;  // Ed25519 seed, P-256 scalar (big-endian)
using Secret = std::array<std::uint8_t, kSecretSize>;
using RawSignature = std::array<std::uint8_t, 64>;

/// True iff `secret` can be a private key: any 32 bytes for Ed25519, 1..n-1 for P-256.
bool IsSecret(SignatureAlgorithm algorithm, const Secret& secret);

/// The public half. REQUIRES: IsSecret.
PublicKey PublicKeyOf(SignatureAlgorithm algorithm, const Secret& secret);

/// REQUIRES: `key` is PublicKeyOf(key.algorithm, secret).
RawSignature SignRaw(const PublicKey& key, const Secret& secret, ByteView message);

}  // namespace sluice
