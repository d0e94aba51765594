#include "common/crypto/keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <vector>

#include "common/crypto/digest.h"
#include "tests/support/temporary_directory.h"

namespace sluice {
namespace {

constexpr SignatureAlgorithm kAlgorithms[] = {SignatureAlgorithm::kEd25519,
                                              SignatureAlgorithm::kEcdsaP256};

SigningKey MakeKey(SignatureAlgorithm algorithm, std::uint64_t seed) {
  SeededRandom random(seed);
  return std::move(SigningKey::Generate(algorithm, random).value());
}

PublicKey Ed25519Of(std::string_view hex) {
  return {SignatureAlgorithm::kEd25519, FromHex(hex).value()};
}

TEST(SigningKeys, AreTheSameForTheSameSeed) {
  for (const SignatureAlgorithm algorithm : kAlgorithms) {
    EXPECT_EQ(MakeKey(algorithm, 1).Public(), MakeKey(algorithm, 1).Public());
    EXPECT_NE(MakeKey(algorithm, 1).Public(), MakeKey(algorithm, 2).Public());
  }
}

TEST(SigningKeys, MatchThePublishedEd25519Vectors) {  // RFC 8032, 7.1, tests 1 and 2
  struct Row {
    std::string_view secret, public_key, message, signature;
  };
  for (const Row& row :
       {Row{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39"
            "701c"
            "f9b46bd25bf5f0595bbe24655141438e7a100b"},
        Row{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f36"
            "13d0f1"
            "1d8c387b2eaeb4302aeeb00d291612bb0c00"}}) {
    const auto key = SigningKey::FromText("sluice-private-key ed25519 " + std::string(row.secret));
    ASSERT_TRUE(key.has_value()) << key.error().Line();
    EXPECT_EQ(ToHex(key->Public().raw), row.public_key);
    const Bytes message = FromHex(row.message).value();
    EXPECT_EQ(ToHex(key->Sign(message).bytes), row.signature);
    EXPECT_TRUE(VerifySignature(key->Public(), message, key->Sign(message).bytes));
  }
}

TEST(SigningKeys, MatchAPublishedP256PublicKey) {  // RFC 6979, A.2.5
  const auto key = SigningKey::FromText(
      "sluice-private-key p256 c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
  ASSERT_TRUE(key.has_value()) << key.error().Line();
  EXPECT_EQ(ToHex(key->Public().raw),
            "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
            "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299");
}

TEST(Signatures, FitOneMessageOneKeyAndOneForm) {
  for (const SignatureAlgorithm algorithm : kAlgorithms) {
    const SigningKey key = MakeKey(algorithm, 3);
    const SigningKey other = MakeKey(algorithm, 4);
    const Bytes message(100, 0x42);
    const Signature signature = key.Sign(message);
    EXPECT_EQ(signature.algorithm, algorithm);
    EXPECT_EQ(signature.key_id, KeyId(key.Public()));
    EXPECT_TRUE(VerifySignature(key.Public(), message, signature.bytes));
    EXPECT_FALSE(VerifySignature(other.Public(), message, signature.bytes));
    EXPECT_FALSE(VerifySignature(key.Public(), ByteView(message).first(99), signature.bytes));
    EXPECT_EQ(key.Sign(message).bytes, signature.bytes) << "signing twice gives the same bytes";
  }
}

TEST(Signatures, AreRefusedWithAnyBitFlipped) {
  for (const SignatureAlgorithm algorithm : kAlgorithms) {
    const SigningKey key = MakeKey(algorithm, 5);
    const Bytes message(32, 0x42);
    auto bytes = key.Sign(message).bytes;
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
      EXPECT_FALSE(VerifySignature(key.Public(), message, bytes)) << bit;
      bytes[bit / 8] ^= static_cast<std::uint8_t>(1u << bit % 8);
    }
  }
}

TEST(Signatures, OfP256HaveALowSAndBothHalvesInRange) {
  const SigningKey key = MakeKey(SignatureAlgorithm::kEcdsaP256, 6);
  const Bytes half =
      FromHex("7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8").value();
  const Bytes order =
      FromHex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551").value();
  for (std::uint8_t i = 0; i < 32; ++i) {
    const Bytes message(1, i);
    auto bytes = key.Sign(message).bytes;
    EXPECT_TRUE(
        std::lexicographical_compare(bytes.begin() + 32, bytes.end(), half.begin(), half.end()));
    // A zero or a too large half is no signature whatever the key.
    for (const std::size_t at : {std::size_t{0}, std::size_t{32}}) {
      auto zero = bytes;
      std::fill_n(zero.begin() + static_cast<std::ptrdiff_t>(at), 32, std::uint8_t{0});
      EXPECT_FALSE(VerifySignature(key.Public(), message, zero));
      auto large = bytes;
      std::copy(order.begin(), order.end(), large.begin() + static_cast<std::ptrdiff_t>(at));
      EXPECT_FALSE(VerifySignature(key.Public(), message, large));
    }
  }
}

TEST(Signatures, OfASmallOrderKeyAreNeverValid) {
  // With the identity as key, S = 0 and R = the identity satisfy the equation for every message.
  const PublicKey identity = Ed25519Of("01" + std::string(62, '0'));
  std::array<std::uint8_t, 64> forged{};
  forged[0] = 1;
  EXPECT_FALSE(VerifySignature(identity, AsBytes("run this"), forged));
}

TEST(PublicKeys, OfSmallOrderAreRefused) {
  for (const std::string_view hex :
       {"0000000000000000000000000000000000000000000000000000000000000000",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"}) {
    EXPECT_EQ(CheckPublicKey(Ed25519Of(hex)).error().code, ErrorCode::kKeyWeak) << hex;
  }
}

TEST(PublicKeys, OutsideTheCanonicalEncodingAreRefused) {
  // y = p .. 2^255 - 1 encode 0 .. 18 a second time; x = 0 has no negative.
  for (int low = 0xed; low <= 0xff; ++low) {
    for (const std::string_view high : {"7f", "ff"}) {
      const std::string hex =
          ToHex(Bytes{static_cast<std::uint8_t>(low)}) + std::string(60, 'f') + std::string(high);
      EXPECT_EQ(CheckPublicKey(Ed25519Of(hex)).error().code, ErrorCode::kKeyWeak) << hex;
    }
  }
  for (const std::string_view hex :
       {"0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"}) {
    EXPECT_EQ(CheckPublicKey(Ed25519Of(hex)).error().code, ErrorCode::kKeyWeak) << hex;
  }
}

TEST(PublicKeys, OffTheCurveAreRefused) {
  // y = 2 belongs to no point of edwards25519.
  EXPECT_EQ(CheckPublicKey(Ed25519Of("02" + std::string(62, '0'))).error().code,
            ErrorCode::kKeyWeak);
  PublicKey p256 = MakeKey(SignatureAlgorithm::kEcdsaP256, 7).Public();
  EXPECT_TRUE(CheckPublicKey(p256).has_value());
  p256.raw[64] ^= 1;
  EXPECT_EQ(CheckPublicKey(p256).error().code, ErrorCode::kKeyWeak);
  p256.raw.assign(65, 0);
  p256.raw[0] = 4;
  EXPECT_EQ(CheckPublicKey(p256).error().code, ErrorCode::kKeyWeak);
}

TEST(PublicKeys, HaveOneLengthAndForm) {
  for (const std::size_t size : {0u, 31u, 33u, 65u}) {
    EXPECT_EQ(CheckPublicKey({SignatureAlgorithm::kEd25519, Bytes(size, 9)}).error().code,
              ErrorCode::kKeyFormat);
  }
  PublicKey p256 = MakeKey(SignatureAlgorithm::kEcdsaP256, 8).Public();
  p256.raw[0] = 3;
  EXPECT_EQ(CheckPublicKey(p256).error().code, ErrorCode::kKeyFormat);
  p256.raw[0] = 4;
  p256.raw.pop_back();
  EXPECT_EQ(CheckPublicKey(p256).error().code, ErrorCode::kKeyFormat);
}

TEST(KeyIds, CoverTheAlgorithmToo) {
  const PublicKey key = MakeKey(SignatureAlgorithm::kEd25519, 9).Public();
  Bytes hashed = {1};
  Append(hashed, key.raw);
  EXPECT_EQ(KeyId(key), Sha256(hashed));
  EXPECT_NE(KeyId(key), KeyId({SignatureAlgorithm::kEcdsaP256, key.raw}));
}

TEST(KeyText, RoundTrips) {
  for (const SignatureAlgorithm algorithm : kAlgorithms) {
    const SigningKey key = MakeKey(algorithm, 10);
    const auto again = SigningKey::FromText(key.ToText());
    ASSERT_TRUE(again.has_value()) << again.error().Line();
    EXPECT_EQ(again->Public(), key.Public());
    EXPECT_EQ(PublicKeyFromText(PublicKeyToText(key.Public())), key.Public());
    EXPECT_EQ(PublicKeyFromText(PublicKeyToText(key.Public()) + "\n"), key.Public());
  }
}

TEST(KeyText, IsRefusedInAnyOtherForm) {
  const std::string hex(64, '1');
  for (const std::string& text : std::vector<std::string>{
           "", "sluice-private-key", "sluice-private-key ed25519", "ed25519 " + hex,
           "sluice-public-key ed25519 " + hex, "sluice-private-key rsa " + hex,
           "sluice-private-key ed25519 " + hex + "1", "sluice-private-key ed25519 " + hex + "11",
           "sluice-private-key ed25519  " + hex, "sluice-private-key ed25519 " + hex + "\n\n",
           "sluice-private-key p256 " + std::string(64, '0'),
           "sluice-private-key p256 " + std::string(64, 'f')}) {
    EXPECT_EQ(SigningKey::FromText(text).error().code, ErrorCode::kKeyFormat) << text;
  }
  EXPECT_EQ(PublicKeyFromText("sluice-public-key ed25519 " + std::string(64, '0')).error().code,
            ErrorCode::kKeyWeak);
}

TEST(KeyText, DoesNotTellTheSecretInAnError) {
  const std::string secret = "c0ffee" + std::string(59, '7');
  EXPECT_EQ(
      SigningKey::FromText("sluice-private-key ed25519 " + secret).error().text.find("c0ffee"),
      std::string::npos);
}

TEST(KeyFiles, ArePrivateAndNeverOverwritten) {
  const test_support::TemporaryDirectory directory;
  const std::string path = directory.File("director.key");
  const SigningKey key = MakeKey(SignatureAlgorithm::kEd25519, 11);
  ASSERT_TRUE(SaveSigningKey(path, key).has_value());
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(LoadSigningKey(path)->Public(), key.Public());
  const Status again = SaveSigningKey(path, MakeKey(SignatureAlgorithm::kEd25519, 12));
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);
  EXPECT_EQ(LoadSigningKey(path)->Public(), key.Public());
}

TEST(KeyFiles, SayWhichFileIsWrong) {
  const test_support::TemporaryDirectory directory;
  EXPECT_EQ(LoadSigningKey(directory.File("none")).error().code, ErrorCode::kNotFound);
  const auto garbage = LoadSigningKey(directory.Write("garbage", std::string(100'000, 'x')));
  EXPECT_EQ(garbage.error().code, ErrorCode::kKeyFormat);
  EXPECT_NE(garbage.error().text.find("garbage"), std::string::npos);
  EXPECT_EQ(
      SaveSigningKey(directory.File("no/such/folder"), MakeKey(SignatureAlgorithm::kEd25519, 1))
          .error()
          .code,
      ErrorCode::kIo);
}

}  // namespace
}  // namespace sluice
