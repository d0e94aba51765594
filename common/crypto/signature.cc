#include "common/crypto/signature.h"

#include <wolfssl/options.h>
// options.h comes before every other wolfSSL header.
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/error-crypt.h>
#include <wolfssl/wolfcrypt/random.h>

#include <algorithm>

#include "common/base/check.h"
#include "common/crypto/digest.h"
#include "common/crypto/keys.h"

namespace sluice {
namespace {

constexpr std::size_t kEd25519KeySize = 32;
constexpr std::size_t kP256KeySize = 65;
constexpr std::size_t kP256DerSignatureMax = 72;
constexpr std::uint8_t kUncompressedPoint = 4;

using Word32Bytes = std::array<std::uint8_t, 32>;

// p = 2^255 - 19 and the group order L, little-endian as in the encodings.
constexpr Word32Bytes kEd25519Prime = {
    0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f};
constexpr Word32Bytes kEd25519Order = {
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x10};

// The y coordinates of the eight points whose order divides 8: 0 (order 4), 1 (the identity), p-1
// (order 2) and the two of order 8. Each y belongs to one or two points that differ in the sign bit
// of x.
constexpr std::array<Word32Bytes, 5> kSmallOrderY = {{
    {0x00},
    {0x01},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
     0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
     0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
     0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
     0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
}};

// The order n of P-256 and n/2 rounded down, big-endian as in r and s.
constexpr Word32Bytes kP256Order = {
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51};
constexpr Word32Bytes kP256HalfOrder = {
    0x7f, 0xff, 0xff, 0xff, 0x80, 0x00, 0x00, 0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xde, 0x73, 0x7d, 0x56, 0xd3, 0x8b, 0xcf, 0x42, 0x79, 0xdc, 0xe5, 0x61, 0x7e, 0x31, 0x92, 0xa8};

class Ed25519Key {
 public:
  Ed25519Key() { SLUICE_CHECK(wc_ed25519_init(&key_) == 0); }
  ~Ed25519Key() { wc_ed25519_free(&key_); }
  Ed25519Key(const Ed25519Key&) = delete;
  Ed25519Key& operator=(const Ed25519Key&) = delete;
  ed25519_key* get() { return &key_; }

 private:
  ed25519_key key_{};
};

class RandomSource {
 public:
  RandomSource() { SLUICE_CHECK(wc_InitRng(&rng_) == 0); }
  ~RandomSource() { wc_FreeRng(&rng_); }
  RandomSource(const RandomSource&) = delete;
  RandomSource& operator=(const RandomSource&) = delete;
  WC_RNG* get() { return &rng_; }

 private:
  WC_RNG rng_{};
};

class P256Key {
 public:
  P256Key() { SLUICE_CHECK(wc_ecc_init(&key_) == 0); }
  ~P256Key() { wc_ecc_free(&key_); }
  P256Key(const P256Key&) = delete;
  P256Key& operator=(const P256Key&) = delete;
  ecc_key* get() { return &key_; }

 private:
  ecc_key key_{};
};

/// wolfCrypt refuses a null pointer even for an empty message.
const std::uint8_t* DataOf(ByteView message) {
  static constexpr std::uint8_t kNothing = 0;
  return message.empty() ? &kNothing : message.data();
}

bool IsZero(ByteView bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t b) { return b == 0; });
}

bool LessLittleEndian(ByteView a, const Word32Bytes& b) {
  return std::lexicographical_compare(a.rbegin(), a.rend(), b.rbegin(), b.rend());
}

bool LessBigEndian(ByteView a, const Word32Bytes& b) {
  return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
}

bool AtMostBigEndian(ByteView a, const Word32Bytes& b) {
  return !std::lexicographical_compare(b.begin(), b.end(), a.begin(), a.end());
}

bool IsP256Scalar(ByteView scalar) { return !IsZero(scalar) && LessBigEndian(scalar, kP256Order); }

/// s = n - s, big-endian. REQUIRES: s < n.
void NegateP256Scalar(std::span<std::uint8_t> s) {
  int borrow = 0;
  for (std::size_t i = s.size(); i-- > 0;) {
    const int difference = kP256Order[i] - s[i] - borrow;
    borrow = difference < 0 ? 1 : 0;
    s[i] = static_cast<std::uint8_t>(difference + 256 * borrow);
  }
}

/// Length, canonical form and order; not yet whether it is a point of the curve.
Status CheckEd25519Encoding(ByteView raw) {
  if (raw.size() != kEd25519KeySize) {
    return Fail(ErrorCode::kKeyFormat, "an Ed25519 public key has 32 bytes");
  }
  Word32Bytes y;
  std::copy(raw.begin(), raw.end(), y.begin());
  y[31] &= 0x7f;  // the sign of x
  if (!LessLittleEndian(y, kEd25519Prime)) {
    return Fail(ErrorCode::kKeyWeak, "the Ed25519 public key is not canonical; make a new key");
  }
  if (std::find(kSmallOrderY.begin(), kSmallOrderY.end(), y) != kSmallOrderY.end()) {
    return Fail(ErrorCode::kKeyWeak, "the Ed25519 public key has a small order; make a new key");
  }
  return {};
}

/// What wolfCrypt says to a signature: 0 valid, SIG_VERIFY_E not, another number if the key cannot
/// be used.
int VerifyEd25519Raw(ByteView raw_key, ByteView message, const RawSignature& signature) {
  Ed25519Key key;
  if (const int failed = wc_ed25519_import_public(raw_key.data(),
                                                  static_cast<word32>(raw_key.size()), key.get())) {
    return failed;
  }
  int valid = 0;
  const int answer = wc_ed25519_verify_msg(signature.data(), static_cast<word32>(signature.size()),
                                           DataOf(message), static_cast<word32>(message.size()),
                                           &valid, key.get());
  return answer == 0 && valid != 1 ? SIG_VERIFY_E : answer;
}

Status CheckEd25519Key(ByteView raw) {
  SLUICE_TRY(CheckEd25519Encoding(raw));
  // Importing does not decompress the point; verifying does, and tells that failure from a wrong
  // signature.
  const int answer = VerifyEd25519Raw(raw, {}, RawSignature{});
  if (answer != 0 && answer != SIG_VERIFY_E) {
    return Fail(ErrorCode::kKeyWeak, "the Ed25519 public key is no point of the curve");
  }
  return {};
}

bool ImportP256(ByteView raw, P256Key& key) {
  return wc_ecc_import_x963_ex(raw.data(), static_cast<word32>(raw.size()), key.get(),
                               ECC_SECP256R1) == 0;
}

Status CheckP256Key(ByteView raw) {
  if (raw.size() != kP256KeySize || raw[0] != kUncompressedPoint) {
    return Fail(ErrorCode::kKeyFormat, "a P-256 public key has 65 bytes, the first is 0x04");
  }
  P256Key key;
  if (!ImportP256(raw, key) || wc_ecc_check_key(key.get()) != 0) {
    return Fail(ErrorCode::kKeyWeak, "the P-256 public key is no point of the curve");
  }
  return {};
}

bool VerifyEd25519(const PublicKey& key, ByteView message, const RawSignature& signature) {
  return CheckEd25519Encoding(key.raw) &&
         LessLittleEndian(ByteView(signature).last(32), kEd25519Order) &&
         VerifyEd25519Raw(key.raw, message, signature) == 0;
}

bool VerifyP256(const PublicKey& key, ByteView message, const RawSignature& signature) {
  if (!CheckP256Key(key.raw)) return false;
  const ByteView r = ByteView(signature).first(32);
  const ByteView s = ByteView(signature).last(32);
  if (!IsP256Scalar(r) || IsZero(s) || !AtMostBigEndian(s, kP256HalfOrder)) return false;
  const Digest digest = Sha256(message);
  std::array<std::uint8_t, kP256DerSignatureMax> der{};
  auto der_size = static_cast<word32>(der.size());
  P256Key imported;
  int valid = 0;
  return wc_ecc_rs_raw_to_sig(r.data(), 32, s.data(), 32, der.data(), &der_size) == 0 &&
         ImportP256(key.raw, imported) &&
         wc_ecc_verify_hash(der.data(), der_size, digest.bytes.data(), Digest::kSize, &valid,
                            imported.get()) == 0 &&
         valid == 1;
}

RawSignature SignEd25519(const PublicKey& key, const Secret& secret, ByteView message) {
  Ed25519Key signer;
  SLUICE_CHECK(wc_ed25519_import_private_key(secret.data(), static_cast<word32>(secret.size()),
                                             key.raw.data(), static_cast<word32>(key.raw.size()),
                                             signer.get()) == 0);
  RawSignature signature{};
  auto size = static_cast<word32>(signature.size());
  SLUICE_CHECK(wc_ed25519_sign_msg(DataOf(message), static_cast<word32>(message.size()),
                                   signature.data(), &size, signer.get()) == 0);
  SLUICE_CHECK(size == signature.size());
  return signature;
}

RawSignature SignP256(const PublicKey& key, const Secret& secret, ByteView message) {
  const Digest digest = Sha256(message);
  RandomSource rng;
  P256Key signer;
  // The nonce comes from key and digest, so weak randomness cannot leak the key; the generator only
  // blinds.
  SLUICE_CHECK(wc_ecc_set_deterministic(signer.get(), 1) == 0);
  SLUICE_CHECK(wc_ecc_import_private_key_ex(secret.data(), static_cast<word32>(secret.size()),
                                            key.raw.data(), static_cast<word32>(key.raw.size()),
                                            signer.get(), ECC_SECP256R1) == 0);
  std::array<std::uint8_t, kP256DerSignatureMax> der{};
  auto der_size = static_cast<word32>(der.size());
  SLUICE_CHECK(wc_ecc_sign_hash(digest.bytes.data(), Digest::kSize, der.data(), &der_size,
                                rng.get(), signer.get()) == 0);
  Word32Bytes r{};
  Word32Bytes s{};
  auto r_size = static_cast<word32>(r.size());
  auto s_size = static_cast<word32>(s.size());
  SLUICE_CHECK(wc_ecc_sig_to_rs(der.data(), der_size, r.data(), &r_size, s.data(), &s_size) == 0);
  RawSignature signature{};
  std::copy_n(r.begin(), r_size, signature.begin() + 32 - r_size);
  std::copy_n(s.begin(), s_size, signature.begin() + 64 - s_size);
  const std::span<std::uint8_t> low_s = std::span(signature).last(32);
  if (!AtMostBigEndian(low_s, kP256HalfOrder)) NegateP256Scalar(low_s);
  return signature;
}

PublicKey Ed25519PublicKey(const Secret& secret) {
  Ed25519Key key;
  PublicKey made{SignatureAlgorithm::kEd25519, Bytes(kEd25519KeySize)};
  SLUICE_CHECK(wc_ed25519_import_private_only(secret.data(), static_cast<word32>(secret.size()),
                                              key.get()) == 0);
  SLUICE_CHECK(wc_ed25519_make_public(key.get(), made.raw.data(),
                                      static_cast<word32>(made.raw.size())) == 0);
  return made;
}

PublicKey P256PublicKey(const Secret& secret) {
  P256Key key;
  PublicKey made{SignatureAlgorithm::kEcdsaP256, Bytes(kP256KeySize)};
  SLUICE_CHECK(wc_ecc_import_private_key_ex(secret.data(), static_cast<word32>(secret.size()),
                                            nullptr, 0, key.get(), ECC_SECP256R1) == 0);
  SLUICE_CHECK(wc_ecc_make_pub(key.get(), nullptr) == 0);
  auto size = static_cast<word32>(made.raw.size());
  SLUICE_CHECK(wc_ecc_export_x963(key.get(), made.raw.data(), &size) == 0);
  SLUICE_CHECK(size == made.raw.size());
  return made;
}

}  // namespace

bool IsSecret(SignatureAlgorithm algorithm, const Secret& secret) {
  return algorithm == SignatureAlgorithm::kEd25519 || IsP256Scalar(secret);
}

PublicKey PublicKeyOf(SignatureAlgorithm algorithm, const Secret& secret) {
  return algorithm == SignatureAlgorithm::kEd25519 ? Ed25519PublicKey(secret)
                                                   : P256PublicKey(secret);
}

RawSignature SignRaw(const PublicKey& key, const Secret& secret, ByteView message) {
  return key.algorithm == SignatureAlgorithm::kEd25519 ? SignEd25519(key, secret, message)
                                                       : SignP256(key, secret, message);
}

Status CheckPublicKey(const PublicKey& key) {
  return key.algorithm == SignatureAlgorithm::kEd25519 ? CheckEd25519Key(key.raw)
                                                       : CheckP256Key(key.raw);
}

bool VerifySignature(const PublicKey& key, ByteView message,
                     const std::array<std::uint8_t, 64>& signature) {
  return key.algorithm == SignatureAlgorithm::kEd25519 ? VerifyEd25519(key, message, signature)
                                                       : VerifyP256(key, message, signature);
}

}  // namespace sluice
