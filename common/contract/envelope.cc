#include "common/contract/envelope.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/contract/limits.h"

namespace sluice {
namespace {

constexpr std::string_view kMagic = "SLEV";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kHeaderSize = 12;
constexpr std::size_t kSignatureSize = 4 + Digest::kSize + 64;
// The terminating zero belongs to the prefix.
constexpr std::string_view kSignedPrefix{"sluice/v1/envelope\0", 19};

tl::unexpected<Error> BadFormat(std::string text) {
  return Fail(ErrorCode::kEnvFormat, std::move(text));
}

bool IsPayloadType(std::uint8_t value) {
  return value >= static_cast<std::uint8_t>(PayloadType::kRoot) &&
         value <= static_cast<std::uint8_t>(PayloadType::kAnswer);
}

Result<Signature> ParseSignature(ByteView bytes) {
  if (bytes[0] != static_cast<std::uint8_t>(SignatureAlgorithm::kEd25519) &&
      bytes[0] != static_cast<std::uint8_t>(SignatureAlgorithm::kEcdsaP256)) {
    return BadFormat("unknown signature algorithm " + std::to_string(bytes[0]));
  }
  if (bytes[1] != 0 || bytes[2] != 0 || bytes[3] != 0) {
    return BadFormat("reserved bytes of a signature are not zero");
  }
  Signature signature;
  signature.algorithm = static_cast<SignatureAlgorithm>(bytes[0]);
  std::copy_n(bytes.begin() + 4, Digest::kSize, signature.key_id.bytes.begin());
  std::copy_n(bytes.begin() + 4 + Digest::kSize, signature.bytes.size(), signature.bytes.begin());
  return signature;
}

}  // namespace

std::string_view PayloadTypeName(PayloadType type) noexcept {
  switch (type) {
    case PayloadType::kRoot:
      return "root";
    case PayloadType::kManifest:
      return "manifest";
    case PayloadType::kRevocations:
      return "revocations";
    case PayloadType::kDirective:
      return "directive";
    case PayloadType::kOrder:
      return "order";
    case PayloadType::kFreshness:
      return "freshness";
    case PayloadType::kAnswer:
      return "answer";
  }
  return "unknown";
}

std::size_t EnvelopeBytesMax(PayloadType type) noexcept {
  switch (type) {
    case PayloadType::kRoot:
      return limits::kRootBytesMax;
    case PayloadType::kManifest:
      return limits::kManifestBytesMax;
    case PayloadType::kRevocations:
      return limits::kRevocationsBytesMax;
    case PayloadType::kDirective:
      return limits::kDirectiveBytesMax;
    case PayloadType::kOrder:
      return limits::kOrderBytesMax;
    case PayloadType::kFreshness:
      return limits::kFreshnessBytesMax;
    case PayloadType::kAnswer:
      return limits::kAnswerBytesMax;
  }
  return 0;
}

Result<Envelope> ParseEnvelope(ByteView bytes) {
  if (bytes.size() < kHeaderSize) {
    return BadFormat("an envelope has at least 12 bytes, this one has " +
                     std::to_string(bytes.size()));
  }
  if (AsText(bytes.first(kMagic.size())) != kMagic) return BadFormat("no envelope: bad magic");
  const auto version = LoadLe<std::uint16_t>(bytes.data() + 4);
  if (version != kVersion) {
    return BadFormat("envelope version " + std::to_string(version) + ", this build reads 1");
  }
  if (!IsPayloadType(bytes[6]))
    return BadFormat("unknown payload type " + std::to_string(bytes[6]));
  Envelope envelope;
  envelope.type = static_cast<PayloadType>(bytes[6]);
  if (bytes.size() > EnvelopeBytesMax(envelope.type)) {
    return Fail(ErrorCode::kTooBig, "an envelope of type " +
                                        std::string(PayloadTypeName(envelope.type)) + " has " +
                                        std::to_string(bytes.size()) + " bytes, allowed " +
                                        std::to_string(EnvelopeBytesMax(envelope.type)));
  }
  const std::size_t count = bytes[7];
  if (count < 1 || count > limits::kSignaturesMax) {
    return BadFormat(std::to_string(count) + " signatures, allowed 1..8");
  }
  const std::uint64_t payload_size = LoadLe<std::uint32_t>(bytes.data() + 8);
  const std::size_t payload_at = kHeaderSize + count * kSignatureSize;
  if (payload_size == 0 || bytes.size() != payload_at + payload_size) {
    return BadFormat("the header announces " + std::to_string(payload_at + payload_size) +
                     " bytes, the envelope has " + std::to_string(bytes.size()));
  }
  envelope.signatures.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    SLUICE_ASSIGN(Signature signature,
                  ParseSignature(bytes.subspan(kHeaderSize + i * kSignatureSize, kSignatureSize)));
    envelope.signatures.push_back(signature);
  }
  const ByteView payload = bytes.subspan(payload_at);
  envelope.payload.assign(payload.begin(), payload.end());
  return envelope;
}

Bytes BuildEnvelope(const Envelope& envelope) {
  SLUICE_CHECK(!envelope.signatures.empty());
  SLUICE_CHECK(envelope.signatures.size() <= limits::kSignaturesMax);
  Bytes bytes;
  bytes.reserve(kHeaderSize + envelope.signatures.size() * kSignatureSize +
                envelope.payload.size());
  Append(bytes, AsBytes(kMagic));
  AppendLe(bytes, kVersion);
  bytes.push_back(static_cast<std::uint8_t>(envelope.type));
  bytes.push_back(static_cast<std::uint8_t>(envelope.signatures.size()));
  AppendLe(bytes, static_cast<std::uint32_t>(envelope.payload.size()));
  for (const Signature& signature : envelope.signatures) {
    bytes.push_back(static_cast<std::uint8_t>(signature.algorithm));
    bytes.insert(bytes.end(), 3, 0);
    Append(bytes, signature.key_id.View());
    Append(bytes, signature.bytes);
  }
  Append(bytes, envelope.payload);
  return bytes;
}

Bytes SignedBytes(PayloadType type, ByteView payload) {
  Bytes bytes;
  bytes.reserve(kSignedPrefix.size() + 5 + payload.size());
  Append(bytes, AsBytes(kSignedPrefix));
  bytes.push_back(static_cast<std::uint8_t>(type));
  AppendLe(bytes, static_cast<std::uint32_t>(payload.size()));
  Append(bytes, payload);
  return bytes;
}

}  // namespace sluice
