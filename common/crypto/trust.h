// What a signature is worth: the newest Root, the chain that led to it, and opening envelopes under
// its roles.
#pragma once

#include <vector>

#include "common/contract/codec.h"
#include "common/crypto/keys.h"

namespace sluice {

/// Builds the envelope of `payload` signed by each key. REQUIRES: 1..8 keys.
Bytes Seal(PayloadType type, ByteView payload, const std::vector<const SigningKey*>& keys);

/// Adds one signature to an existing envelope over the same payload (k-of-n ceremonies).
/// E_SIG_DUPLICATE_KEY.
Result<Bytes> AddSignature(ByteView envelope, const SigningKey& key);

/// One verified Root. Copyable; every method const and thread-safe.
class Trust {
 public:
  /// Takes `root_envelope` on the caller's word (installed at enrolment): only its own threshold is
  /// verified.
  static Result<Trust> FromInstalledRoot(ByteView root_envelope);
  /// Version N+1 exactly, same fleet, signed by the thresholds of N and of N+1, else E_ROOT_CHAIN
  /// or E_SIG_*.
  [[nodiscard]] Result<Trust> WithNextRoot(ByteView root_envelope) const;

  [[nodiscard]] const Root& root() const { return root_; }
  [[nodiscard]] ByteView envelope() const { return envelope_; }

  /// The payload of an envelope of that type, after its role's threshold is met: E_ENV_FORMAT,
  /// E_SIG_UNKNOWN_KEY (none of the signers is known), E_SIG_ROLE (known, but for another role),
  /// E_SIG_DUPLICATE_KEY, E_SIG_BAD, E_SIG_THRESHOLD have X need Y. The signature is verified
  /// before the payload is looked at.
  [[nodiscard]] Result<Bytes> OpenPayload(PayloadType type, ByteView envelope) const;

  /// OpenPayload, then Decode, then the fleet id (E_WRONG_FLEET).
  template <class T>
  [[nodiscard]] Result<T> Open(ByteView envelope) const;

 private:
  Trust(Root root, Bytes envelope) : root_(std::move(root)), envelope_(std::move(envelope)) {}
  Root root_;
  Bytes envelope_;
};

template <>
Result<ReleaseManifest> Trust::Open<ReleaseManifest>(ByteView envelope) const;
template <>
Result<RevocationList> Trust::Open<RevocationList>(ByteView envelope) const;
template <>
Result<Directive> Trust::Open<Directive>(ByteView envelope) const;
template <>
Result<Order> Trust::Open<Order>(ByteView envelope) const;
template <>
Result<Freshness> Trust::Open<Freshness>(ByteView envelope) const;
template <>
Result<Answer> Trust::Open<Answer>(ByteView envelope) const;

}  // namespace sluice
