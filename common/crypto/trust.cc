#include "common/crypto/trust.h"

#include <algorithm>
#include <set>

#include "common/base/check.h"
#include "common/contract/limits.h"

namespace sluice {
namespace {

/// The key of `role` with that id, or nullptr.
const PublicKey* FindKey(const RoleKeys& role, const Digest& key_id) {
  const auto found = std::find_if(role.keys.begin(), role.keys.end(),
                                  [&](const PublicKey& key) { return KeyId(key) == key_id; });
  return found == role.keys.end() ? nullptr : &*found;
}

bool IsKnown(const Root& root, const Digest& key_id) {
  return FindKey(root.root, key_id) != nullptr || FindKey(root.release, key_id) != nullptr ||
         FindKey(root.director, key_id) != nullptr;
}

Status CheckDistinctSigners(const Envelope& envelope) {
  std::set<Digest> seen;
  for (const Signature& signature : envelope.signatures) {
    if (seen.insert(signature.key_id).second) continue;
    return Fail(ErrorCode::kSigDuplicateKey,
                "key " + signature.key_id.Short() + " signs twice; each key counts once");
  }
  return {};
}

/// Signatures of other roles and unknown keys are ignored: an envelope may carry those of an older
/// or newer Root too. A signature of the asked role that does not verify refuses the envelope.
Status CheckThreshold(const Root& root, Role role, const Envelope& envelope) {
  SLUICE_TRY(CheckDistinctSigners(envelope));
  const RoleKeys& keys = root.KeysOf(role);
  const Bytes message = SignedBytes(envelope.type, envelope.payload);
  int valid = 0;
  bool known = false;
  for (const Signature& signature : envelope.signatures) {
    const PublicKey* key = FindKey(keys, signature.key_id);
    known = known || IsKnown(root, signature.key_id);
    if (key == nullptr) continue;
    if (key->algorithm != signature.algorithm || !VerifySignature(*key, message, signature.bytes)) {
      return Fail(ErrorCode::kSigBad, "the signature of key " + signature.key_id.Short() +
                                          " does not fit these bytes; fetch the " +
                                          std::string(PayloadTypeName(envelope.type)) + " again");
    }
    ++valid;
  }
  if (valid >= keys.threshold) return {};
  const std::string signer = envelope.signatures.front().key_id.Short();
  if (!known) {
    return Fail(ErrorCode::kSigUnknownKey, "key " + signer + " is not in root version " +
                                               std::to_string(root.version) +
                                               "; a newer root may name it");
  }
  if (valid == 0) {
    return Fail(ErrorCode::kSigRole,
                "key " + signer + " does not hold the role " + std::string(RoleName(role)));
  }
  return Fail(ErrorCode::kSigThreshold,
              "have " + std::to_string(valid) + " need " + std::to_string(keys.threshold));
}

Result<Envelope> ParseOfType(PayloadType type, ByteView bytes) {
  SLUICE_ASSIGN(Envelope envelope, ParseEnvelope(bytes));
  if (envelope.type != type) {
    return Fail(ErrorCode::kEnvFormat, "an envelope of type " +
                                           std::string(PayloadTypeName(envelope.type)) + " where " +
                                           std::string(PayloadTypeName(type)) + " belongs");
  }
  return envelope;
}

/// A Root that is ready to be trusted: decoded, every key sound, its own threshold met.
Result<Root> OpenSelfSignedRoot(const Envelope& envelope) {
  SLUICE_ASSIGN(Root root, Decode<Root>(envelope.payload));
  for (const RoleKeys* role : {&root.root, &root.release, &root.director}) {
    for (const PublicKey& key : role->keys) SLUICE_TRY(CheckPublicKey(key));
  }
  SLUICE_TRY(CheckThreshold(root, Role::kRoot, envelope));
  return root;
}

template <class T>
Result<T> OpenAs(const Trust& trust, PayloadType type, ByteView envelope) {
  SLUICE_ASSIGN(const Bytes payload, trust.OpenPayload(type, envelope));
  SLUICE_ASSIGN(T value, Decode<T>(payload));
  if (value.fleet_id != trust.root().fleet_id) {
    return Fail(ErrorCode::kWrongFleet, "a " + std::string(PayloadTypeName(type)) + " of fleet " +
                                            value.fleet_id + ", this is " + trust.root().fleet_id);
  }
  return value;
}

}  // namespace

Bytes Seal(PayloadType type, ByteView payload, const std::vector<const SigningKey*>& keys) {
  Envelope envelope{type, {}, Bytes(payload.begin(), payload.end())};
  const Bytes message = SignedBytes(type, payload);
  for (const SigningKey* key : keys) envelope.signatures.push_back(key->Sign(message));
  return BuildEnvelope(envelope);
}

Result<Bytes> AddSignature(ByteView envelope, const SigningKey& key) {
  SLUICE_ASSIGN(Envelope parsed, ParseEnvelope(envelope));
  if (parsed.signatures.size() == limits::kSignaturesMax) {
    return Fail(ErrorCode::kEnvFormat, "the envelope already has 8 signatures");
  }
  parsed.signatures.push_back(key.Sign(SignedBytes(parsed.type, parsed.payload)));
  SLUICE_TRY(CheckDistinctSigners(parsed));
  Bytes signed_again = BuildEnvelope(parsed);
  if (signed_again.size() > EnvelopeBytesMax(parsed.type)) {
    return Fail(ErrorCode::kTooBig, "no room for another signature within " +
                                        std::to_string(EnvelopeBytesMax(parsed.type)) + " bytes");
  }
  return signed_again;
}

Result<Trust> Trust::FromInstalledRoot(ByteView root_envelope) {
  SLUICE_ASSIGN(const Envelope envelope, ParseOfType(PayloadType::kRoot, root_envelope));
  SLUICE_ASSIGN(Root root, OpenSelfSignedRoot(envelope));
  return Trust(std::move(root), Bytes(root_envelope.begin(), root_envelope.end()));
}

Result<Trust> Trust::WithNextRoot(ByteView root_envelope) const {
  SLUICE_ASSIGN(const Envelope envelope, ParseOfType(PayloadType::kRoot, root_envelope));
  SLUICE_TRY(CheckThreshold(root_, Role::kRoot, envelope));
  SLUICE_ASSIGN(Root next, OpenSelfSignedRoot(envelope));
  if (next.fleet_id != root_.fleet_id) {
    return Fail(ErrorCode::kWrongFleet,
                "a root of fleet " + next.fleet_id + ", this is " + root_.fleet_id);
  }
  if (next.version != std::uint64_t{root_.version} + 1) {
    return Fail(ErrorCode::kRootChain, "root version " + std::to_string(next.version) +
                                           " does not follow " + std::to_string(root_.version) +
                                           "; ask for every root in between");
  }
  return Trust(std::move(next), Bytes(root_envelope.begin(), root_envelope.end()));
}

Result<Bytes> Trust::OpenPayload(PayloadType type, ByteView envelope) const {
  SLUICE_ASSIGN(Envelope parsed, ParseOfType(type, envelope));
  SLUICE_TRY(CheckThreshold(root_, RoleOf(type), parsed));
  return std::move(parsed.payload);
}

template <>
Result<ReleaseManifest> Trust::Open<ReleaseManifest>(ByteView envelope) const {
  return OpenAs<ReleaseManifest>(*this, PayloadType::kManifest, envelope);
}
template <>
Result<RevocationList> Trust::Open<RevocationList>(ByteView envelope) const {
  return OpenAs<RevocationList>(*this, PayloadType::kRevocations, envelope);
}
template <>
Result<Directive> Trust::Open<Directive>(ByteView envelope) const {
  return OpenAs<Directive>(*this, PayloadType::kDirective, envelope);
}
template <>
Result<Order> Trust::Open<Order>(ByteView envelope) const {
  return OpenAs<Order>(*this, PayloadType::kOrder, envelope);
}
template <>
Result<Freshness> Trust::Open<Freshness>(ByteView envelope) const {
  return OpenAs<Freshness>(*this, PayloadType::kFreshness, envelope);
}
template <>
Result<Answer> Trust::Open<Answer>(ByteView envelope) const {
  return OpenAs<Answer>(*this, PayloadType::kAnswer, envelope);
}

}  // namespace sluice
