// The verifier's rules that the agent's tests do not meet; the others are in agent_trust_test.cc.
#include "device_sdk/agent/verifier.h"

#include <gtest/gtest.h>

#include "common/crypto/digest.h"

namespace sluice::device {
namespace {

TEST(MeetsVersion, ComparesNumbersAndNotText) {
  EXPECT_TRUE(MeetsVersion("1.2.3", ""));
  EXPECT_TRUE(MeetsVersion("1.2.3", "1.2.3"));
  EXPECT_TRUE(MeetsVersion("1.10.0", "1.9.9"));
  EXPECT_TRUE(MeetsVersion("2.0.0", "1"));
  EXPECT_FALSE(MeetsVersion("1.2.3", "1.2.4"));
  EXPECT_FALSE(MeetsVersion("1.2.3", "2"));
  EXPECT_FALSE(MeetsVersion("0.9.12", "0.10.0"));
}

ReleaseManifest SomeManifest() {
  ReleaseManifest manifest;
  manifest.fleet_id = "f";
  manifest.model = "m";
  manifest.release = "r";
  manifest.release_seq = 1;
  manifest.hardware = {"h"};
  manifest.format = "bytes";
  manifest.artifact_size = 10;
  manifest.artifact_sha256.bytes.fill(3);
  manifest.block_root.bytes.fill(4);
  manifest.created_ms = 1'000;
  manifest.expires_ms = 2'000;
  return manifest;
}

TEST(ManifestOfSlot, IsTheOneThatTheRecordNames) {
  SeededRandom random(5);
  const auto key = SigningKey::Generate(SignatureAlgorithm::kEd25519, random);
  const Bytes envelope = Seal(PayloadType::kManifest, Encode(SomeManifest()), {&*key});
  SlotRecord slot;
  slot.manifest = Sha256(envelope);
  slot.artifact = SomeManifest().artifact_sha256;
  EXPECT_TRUE(ManifestOfSlot(envelope, slot))
      << "whoever signed it: it was verified when it was installed";
  slot.artifact.bytes.fill(9);
  EXPECT_FALSE(ManifestOfSlot(envelope, slot));
  slot.artifact = SomeManifest().artifact_sha256;
  slot.manifest.bytes.fill(9);
  EXPECT_FALSE(ManifestOfSlot(envelope, slot));
}

TEST(CheckFit, NamesWhatIsNeededAndWhatIsThere) {
  AgentOptions self;
  self.model = "m";
  self.hardware = "other";
  const Status fit = CheckFit(SomeManifest(), self);
  ASSERT_FALSE(fit);
  EXPECT_EQ(fit.error().Line(), "E_INCOMPATIBLE_HW: need h, have other");
}

}  // namespace
}  // namespace sluice::device
