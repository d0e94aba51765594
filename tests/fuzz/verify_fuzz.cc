// Any payload or envelope of each type under a fixed Root: opened only with a good signature of an
// allowed key over exactly these bytes.
//
// Input: u8 choice, then bytes. choice % 7 + 1 is the payload type. Bit 7 set: the bytes are a
// payload that is signed here with the right role's key, so that the fuzzer gets past the
// signature. Else they are a whole envelope.
#include <cstdlib>

#include "common/base/check.h"
#include "common/crypto/trust.h"
#include "tests/support/contract_samples.h"

namespace sluice {
namespace {

const test_support::SampleKeys& Keys() {
  static const test_support::SampleKeys keys;
  return keys;
}

const Trust& FixedTrust() {
  static const Trust trust =
      Trust::FromInstalledRoot(Seal(PayloadType::kRoot, Encode(test_support::SampleRoot(Keys())),
                                    {&Keys().root_a, &Keys().root_b}))
          .value();
  return trust;
}

std::vector<const SigningKey*> RightKeys(PayloadType type) {
  switch (RoleOf(type)) {
    case Role::kRoot:
      return {&Keys().root_a, &Keys().root_b};
    case Role::kRelease:
      return {&Keys().release};
    case Role::kDirector:
      return {&Keys().director};
  }
  std::abort();
}

/// An independent word on what OpenPayload accepted.
void CheckSignatures(PayloadType type, ByteView bytes, const Bytes& payload) {
  const Envelope envelope = ParseEnvelope(bytes).value();
  SLUICE_CHECK(envelope.type == type && envelope.payload == payload);
  const RoleKeys& role = FixedTrust().root().KeysOf(RoleOf(type));
  std::size_t valid = 0;
  for (const PublicKey& key : role.keys) {
    for (const Signature& signature : envelope.signatures) {
      if (signature.key_id != KeyId(key)) continue;
      SLUICE_CHECK(VerifySignature(key, SignedBytes(type, payload), signature.bytes));
      ++valid;
    }
  }
  SLUICE_CHECK(valid >= role.threshold);
}

template <class T>
void TryOpen(ByteView envelope) {
  const Result<T> value = FixedTrust().Open<T>(envelope);
  if (!value) return;
  SLUICE_CHECK(value->fleet_id == FixedTrust().root().fleet_id);
  SLUICE_CHECK(Decode<T>(Encode(*value)) == value);
}

void TryAsNextRoot(ByteView envelope) {
  const Result<Trust> next = FixedTrust().WithNextRoot(envelope);
  if (!next) return;
  SLUICE_CHECK(next->root().version == FixedTrust().root().version + 1);
}

void TryAllTypes(ByteView envelope) {
  TryOpen<ReleaseManifest>(envelope);
  TryOpen<RevocationList>(envelope);
  TryOpen<Directive>(envelope);
  TryOpen<Order>(envelope);
  TryOpen<Freshness>(envelope);
  TryOpen<Answer>(envelope);
  TryAsNextRoot(envelope);
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sluice;
  if (size < 2) return 0;
  const auto type = static_cast<PayloadType>((data[0] & 0x7f) % 7 + 1);
  const ByteView rest(data + 1, size - 1);
  const Bytes envelope =
      (data[0] & 0x80) != 0 ? Seal(type, rest, RightKeys(type)) : Bytes(rest.begin(), rest.end());
  if (const Result<Bytes> payload = FixedTrust().OpenPayload(type, envelope)) {
    CheckSignatures(type, envelope, *payload);
  }
  TryAllTypes(envelope);
  return 0;
}
