// Signing keys: generate, store, sign, verify. Ed25519 by default, ECDSA P-256 second.
#pragma once

#include <memory>
#include <string>

#include "common/base/bytes.h"
#include "common/base/random.h"
#include "common/contract/envelope.h"

namespace sluice {

/// SHA-256(algorithm byte || raw public key).
Digest KeyId(const PublicKey& key);

/// E_KEY_WEAK for small-order or non-canonical Ed25519 points and for P-256 points off the curve;
/// E_KEY_FORMAT for a wrong length. Everything that takes a PublicKey from outside calls this
/// first.
Status CheckPublicKey(const PublicKey& key);

/// True iff `signature` is the one strict form (no S+L, no high s) and valid. False also for a weak
/// key.
bool VerifySignature(const PublicKey& key, ByteView message,
                     const std::array<std::uint8_t, 64>& signature);

/// A private key in memory, wiped when destroyed. Not copyable; thread-safe for Sign.
class SigningKey {
 public:
  /// Deterministic for a given random source.
  static Result<SigningKey> Generate(SignatureAlgorithm algorithm, Random& random);
  /// Text form, one line each: "sluice-private-key ed25519 <hex>"; E_KEY_FORMAT.
  static Result<SigningKey> FromText(std::string_view text);
  [[nodiscard]] std::string ToText() const;

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  [[nodiscard]] const PublicKey& Public() const;
  [[nodiscard]] Signature Sign(ByteView message) const;

 private:
  struct Impl;
  explicit SigningKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// "sluice-public-key ed25519 <hex>".
std::string PublicKeyToText(const PublicKey& key);
Result<PublicKey> PublicKeyFromText(std::string_view text);

/// Key files: a private one is created 0600 and never overwritten (E_CONFLICT). E_IO, E_KEY_FORMAT.
Result<SigningKey> LoadSigningKey(const std::string& path);
Status SaveSigningKey(const std::string& path, const SigningKey& key);

}  // namespace sluice
