#include "common/crypto/trust.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/support/contract_vectors.h"

namespace sluice {
namespace {

using test_support::SampleAnswer;
using test_support::SampleFreshness;
using test_support::SampleInstall;
using test_support::SampleKeys;
using test_support::SampleManifest;
using test_support::SampleOrder;
using test_support::SampleRevocations;
using test_support::SampleRoot;
using test_support::SampleRootEnvelope;

class TrustTest : public testing::Test {
 protected:
  Bytes SealRoot(const Root& root, const std::vector<const SigningKey*>& keys) const {
    return Seal(PayloadType::kRoot, Encode(root), keys);
  }
  Root NextRoot() const {
    Root root = SampleRoot(keys_);
    root.version = 2;
    return root;
  }
  /// Version 2 under another key of one role.
  Trust WithReplacedRole(RoleKeys Root::*role, RoleKeys replacement) const {
    Root next = NextRoot();
    next.*role = std::move(replacement);
    return trust_.WithNextRoot(SealRoot(next, {&keys_.root_a, &keys_.root_b})).value();
  }

  const SampleKeys keys_;
  const Trust trust_ = Trust::FromInstalledRoot(SampleRootEnvelope(keys_)).value();
  const Bytes manifest_ = Seal(PayloadType::kManifest, Encode(SampleManifest()), {&keys_.release});
};

TEST_F(TrustTest, OpensEveryTypeSignedByItsRole) {
  const auto by_director = [&](PayloadType type, ByteView payload) {
    return Seal(type, payload, {&keys_.director});
  };
  EXPECT_EQ(trust_.Open<ReleaseManifest>(manifest_), SampleManifest());
  EXPECT_EQ(trust_.Open<RevocationList>(
                Seal(PayloadType::kRevocations, Encode(SampleRevocations()), {&keys_.release})),
            SampleRevocations());
  EXPECT_EQ(trust_.Open<Directive>(by_director(PayloadType::kDirective, Encode(SampleInstall()))),
            SampleInstall());
  EXPECT_EQ(trust_.Open<Order>(by_director(PayloadType::kOrder, Encode(SampleOrder()))),
            SampleOrder());
  EXPECT_EQ(trust_.Open<Freshness>(by_director(PayloadType::kFreshness, Encode(SampleFreshness()))),
            SampleFreshness());
  EXPECT_EQ(trust_.Open<Answer>(by_director(PayloadType::kAnswer, Encode(SampleAnswer()))),
            SampleAnswer());
}

TEST_F(TrustTest, A02RefusesAnyFlippedBitWithACodeOfItsPlace) {
  Bytes envelope = manifest_;
  for (std::size_t bit = 0; bit < 8 * envelope.size(); ++bit) {
    const std::size_t at = bit / 8;
    envelope[at] ^= static_cast<std::uint8_t>(1u << bit % 8);
    const Result<Bytes> opened = trust_.OpenPayload(PayloadType::kManifest, envelope);
    ASSERT_FALSE(opened.has_value()) << bit;
    const ErrorCode code = opened.error().code;
    std::set<ErrorCode> right;
    if (at < 16) {
      // Header and algorithm; with another type or count the rest no longer fits.
      right = {ErrorCode::kEnvFormat};
    } else if (at < 16 + Digest::kSize) {
      right = {ErrorCode::kSigUnknownKey};
    } else {
      right = {ErrorCode::kSigBad};
    }
    EXPECT_TRUE(right.contains(code)) << "bit " << bit << ": " << opened.error().Line();
    envelope[at] ^= static_cast<std::uint8_t>(1u << bit % 8);
  }
  EXPECT_TRUE(trust_.OpenPayload(PayloadType::kManifest, envelope).has_value());
}

TEST_F(TrustTest, RefusesAnotherTypeThanExpected) {
  EXPECT_EQ(trust_.OpenPayload(PayloadType::kDirective, manifest_).error().Line(),
            "E_ENV_FORMAT: an envelope of type manifest where directive belongs");
}

TEST_F(TrustTest, DoesNotLetOneRoleSignForAnother) {
  const Bytes payload = Encode(SampleManifest());
  EXPECT_EQ(trust_.Open<ReleaseManifest>(Seal(PayloadType::kManifest, payload, {&keys_.director}))
                .error()
                .code,
            ErrorCode::kSigRole);
  EXPECT_EQ(trust_
                .Open<ReleaseManifest>(
                    Seal(PayloadType::kManifest, payload, {&keys_.root_a, &keys_.root_b}))
                .error()
                .code,
            ErrorCode::kSigRole);
  EXPECT_EQ(
      trust_
          .Open<Directive>(Seal(PayloadType::kDirective, Encode(SampleInstall()), {&keys_.release}))
          .error()
          .code,
      ErrorCode::kSigRole);
}

TEST_F(TrustTest, DoesNotTakeASignatureMadeForAnotherType) {
  // The same payload bytes, the signature of one type put into an envelope of another.
  Envelope envelope =
      ParseEnvelope(Seal(PayloadType::kOrder, Encode(SampleOrder()), {&keys_.director})).value();
  envelope.type = PayloadType::kFreshness;
  EXPECT_EQ(trust_.OpenPayload(PayloadType::kFreshness, BuildEnvelope(envelope)).error().code,
            ErrorCode::kSigBad);
}

TEST_F(TrustTest, VerifiesBeforeItLooksAtThePayload) {
  const Bytes garbage(40, 0xff);
  EXPECT_EQ(trust_.Open<Directive>(Seal(PayloadType::kDirective, garbage, {&keys_.stranger}))
                .error()
                .code,
            ErrorCode::kSigUnknownKey);
  EXPECT_EQ(trust_.Open<Directive>(Seal(PayloadType::kDirective, garbage, {&keys_.director}))
                .error()
                .code,
            ErrorCode::kFbInvalid);
}

TEST_F(TrustTest, A07RefusesAnotherFleet) {
  Directive other = SampleInstall();
  other.fleet_id = "plant-8";
  EXPECT_EQ(trust_.Open<Directive>(Seal(PayloadType::kDirective, Encode(other), {&keys_.director}))
                .error()
                .Line(),
            "E_WRONG_FLEET: a directive of fleet plant-8, this is plant-7");
}

TEST_F(TrustTest, CountsAKeyOnce) {
  const Trust two_needed =
      WithReplacedRole(&Root::release, {{keys_.release.Public(), keys_.stranger.Public()}, 2});
  const Bytes payload = Encode(SampleManifest());
  EXPECT_EQ(two_needed
                .OpenPayload(PayloadType::kManifest, Seal(PayloadType::kManifest, payload,
                                                          {&keys_.release, &keys_.release}))
                .error()
                .code,
            ErrorCode::kSigDuplicateKey);
  const Result<Bytes> one = two_needed.OpenPayload(PayloadType::kManifest, manifest_);
  EXPECT_EQ(one.error().Line(), "E_SIG_THRESHOLD: have 1 need 2");
  EXPECT_TRUE(two_needed
                  .OpenPayload(PayloadType::kManifest, Seal(PayloadType::kManifest, payload,
                                                            {&keys_.release, &keys_.stranger}))
                  .has_value());
}

TEST_F(TrustTest, IgnoresUnknownSignersBesideEnoughKnownOnes) {
  const Bytes both =
      Seal(PayloadType::kManifest, Encode(SampleManifest()), {&keys_.stranger, &keys_.release});
  EXPECT_TRUE(trust_.Open<ReleaseManifest>(both).has_value());
  Bytes spoiled = both;
  spoiled[12 + 100 + 4 + 32] ^= 1;  // the known key's signature
  EXPECT_EQ(trust_.Open<ReleaseManifest>(spoiled).error().code, ErrorCode::kSigBad);
}

TEST_F(TrustTest, RefusesASignatureUnderTheOtherAlgorithm) {
  Envelope envelope = ParseEnvelope(manifest_).value();
  envelope.signatures[0].algorithm = SignatureAlgorithm::kEcdsaP256;
  EXPECT_EQ(trust_.OpenPayload(PayloadType::kManifest, BuildEnvelope(envelope)).error().code,
            ErrorCode::kSigBad);
}

TEST_F(TrustTest, AddsSignaturesForACeremony) {
  const Bytes one = Seal(PayloadType::kRoot, Encode(SampleRoot(keys_)), {&keys_.root_a});
  EXPECT_EQ(Trust::FromInstalledRoot(one).error().Line(), "E_SIG_THRESHOLD: have 1 need 2");
  const Result<Bytes> two = AddSignature(one, keys_.root_b);
  ASSERT_TRUE(two.has_value()) << two.error().Line();
  EXPECT_EQ(*two, SampleRootEnvelope(keys_));
  EXPECT_TRUE(Trust::FromInstalledRoot(*two).has_value());
  EXPECT_EQ(AddSignature(*two, keys_.root_a).error().code, ErrorCode::kSigDuplicateKey);
  EXPECT_EQ(AddSignature(ByteView(*two).first(50), keys_.root_c).error().code,
            ErrorCode::kEnvFormat);
}

TEST_F(TrustTest, AddsAtMostEightSignaturesWithinTheCap) {
  Bytes envelope = manifest_;
  for (std::uint64_t seed = 100; seed < 107; ++seed) {
    SeededRandom random(seed);
    envelope =
        AddSignature(envelope, SigningKey::Generate(SignatureAlgorithm::kEd25519, random).value())
            .value();
  }
  EXPECT_EQ(AddSignature(envelope, keys_.stranger).error().code, ErrorCode::kEnvFormat);
  const Bytes full =
      Seal(PayloadType::kFreshness, Bytes(EnvelopeBytesMax(PayloadType::kFreshness) - 112, 1),
           {&keys_.director});
  EXPECT_EQ(AddSignature(full, keys_.stranger).error().code, ErrorCode::kTooBig);
}

TEST_F(TrustTest, A04FollowsTheRootByOneVersionOnly) {
  for (const std::uint32_t version : {1u, 3u, 4u, 0xffffffffu}) {
    Root root = SampleRoot(keys_);
    root.version = version;
    EXPECT_EQ(trust_.WithNextRoot(SealRoot(root, {&keys_.root_a, &keys_.root_b})).error().code,
              ErrorCode::kRootChain)
        << version;
  }
  const Result<Trust> next =
      trust_.WithNextRoot(SealRoot(NextRoot(), {&keys_.root_a, &keys_.root_b}));
  ASSERT_TRUE(next.has_value()) << next.error().Line();
  EXPECT_EQ(next->root(), NextRoot());
  EXPECT_EQ(trust_.root().version, 1u);
}

TEST_F(TrustTest, A04NeedsTheThresholdsOfBothRoots) {
  Root next = NextRoot();
  next.root = {{keys_.root_c.Public(), keys_.stranger.Public()}, 2};
  // Only by new keys: one of them is an old one, but one is not enough for the old root.
  EXPECT_EQ(trust_.WithNextRoot(SealRoot(next, {&keys_.root_c, &keys_.stranger})).error().Line(),
            "E_SIG_THRESHOLD: have 1 need 2");
  // Only by old keys.
  EXPECT_EQ(trust_.WithNextRoot(SealRoot(next, {&keys_.root_a, &keys_.root_b})).error().code,
            ErrorCode::kSigUnknownKey);
  EXPECT_EQ(trust_.WithNextRoot(SealRoot(next, {&keys_.root_a, &keys_.root_c})).error().Line(),
            "E_SIG_THRESHOLD: have 1 need 2");
  // By enough of both; the refusals before it left nothing behind.
  const Result<Trust> accepted =
      trust_.WithNextRoot(SealRoot(next, {&keys_.root_a, &keys_.root_c, &keys_.stranger}));
  ASSERT_TRUE(accepted.has_value()) << accepted.error().Line();
  EXPECT_EQ(accepted->root().version, 2u);
}

TEST_F(TrustTest, DoesNotChangeTheFleetWithTheRoot) {
  Root next = NextRoot();
  next.fleet_id = "plant-8";
  EXPECT_EQ(trust_.WithNextRoot(SealRoot(next, {&keys_.root_a, &keys_.root_b})).error().code,
            ErrorCode::kWrongFleet);
}

TEST_F(TrustTest, DropsAKeyThatTheNextRootDoesNotName) {
  const Trust next = WithReplacedRole(&Root::release, {{keys_.stranger.Public()}, 1});
  EXPECT_TRUE(trust_.Open<ReleaseManifest>(manifest_).has_value());
  EXPECT_EQ(next.Open<ReleaseManifest>(manifest_).error().Line().substr(0, 17),
            "E_SIG_UNKNOWN_KEY");
  EXPECT_TRUE(next.Open<ReleaseManifest>(
                      Seal(PayloadType::kManifest, Encode(SampleManifest()), {&keys_.stranger}))
                  .has_value());
}

TEST_F(TrustTest, RefusesAWeakKeyInAnyRole) {
  const PublicKey weak{SignatureAlgorithm::kEd25519, Bytes(32, 0)};
  for (RoleKeys Root::*role : {&Root::root, &Root::release, &Root::director}) {
    Root root = SampleRoot(keys_);
    (root.*role).keys.push_back(weak);
    EXPECT_EQ(Trust::FromInstalledRoot(SealRoot(root, {&keys_.root_a, &keys_.root_b})).error().code,
              ErrorCode::kKeyWeak);
  }
}

TEST_F(TrustTest, KeepsTheEnvelopeItCameFrom) {
  const Bytes envelope = SampleRootEnvelope(keys_);
  EXPECT_TRUE(std::equal(trust_.envelope().begin(), trust_.envelope().end(), envelope.begin(),
                         envelope.end()));
  const Trust copy = trust_;
  EXPECT_EQ(copy.root(), trust_.root());
}

TEST_F(TrustTest, RefusesRootBytesThatAreNone) {
  EXPECT_EQ(Trust::FromInstalledRoot({}).error().code, ErrorCode::kEnvFormat);
  EXPECT_EQ(Trust::FromInstalledRoot(manifest_).error().code, ErrorCode::kEnvFormat);
  EXPECT_EQ(Trust::FromInstalledRoot(Seal(PayloadType::kRoot, Bytes(40, 1), {&keys_.root_a}))
                .error()
                .code,
            ErrorCode::kFbInvalid);
}

}  // namespace
}  // namespace sluice
