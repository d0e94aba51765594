#include "rollout_engine/registry/bundle.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "rollout_engine/registry/release_objects.h"
#include "tests/unit/rollout_engine/registry/publisher.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

class BundleTest : public testing::Test {
 protected:
  [[nodiscard]] std::string Folder() const { return publisher_.directory().File("bundle"); }
  Error CreateError(const ReleaseDraft& draft) {
    const auto bundle = Bundle::Create(Folder(), draft);
    EXPECT_FALSE(bundle);
    EXPECT_FALSE(fs::exists(Folder())) << "a refused bundle leaves no folder";
    return bundle ? Error{} : bundle.error();
  }

  Publisher publisher_;
};

TEST_F(BundleTest, DescribesTheArtifactItHolds) {
  const std::string bytes(100'000, 'm');
  const auto bundle = Bundle::Create(Folder(), publisher_.Draft("detector-v1", bytes, 1));
  ASSERT_TRUE(bundle) << bundle.error().Line();
  const Release& release = bundle->release();
  EXPECT_EQ(release.state, ReleaseState::kDraft);
  ASSERT_EQ(release.artifacts.size(), 1u);
  const ReleaseManifest& manifest = release.artifacts[0].manifest;
  EXPECT_EQ(manifest.artifact_sha256, Sha256(AsBytes(bytes)));
  EXPECT_EQ(manifest.artifact_size, bytes.size());
  EXPECT_EQ(manifest.block_root, Sha256(BlockHashList(AsBytes(bytes))));
  EXPECT_TRUE(bundle->objects().Has(manifest.artifact_sha256));
}

TEST_F(BundleTest, IsTheSameAfterLoading) {
  Bundle bundle = publisher_.Sign(publisher_.Draft("detector-v1", "model", 1));
  const auto loaded = Bundle::Load(publisher_.directory().File("bundle-1"));
  ASSERT_TRUE(loaded) << loaded.error().Line();
  EXPECT_EQ(loaded->release(), bundle.release());
  EXPECT_EQ(loaded->release().state, ReleaseState::kSigned);
}

TEST_F(BundleTest, GathersSignaturesOfSeveralKeysOverTheSamePayload) {
  Bundle bundle = publisher_.Sign(publisher_.Draft("detector-v1", "model", 1));
  const SigningKey second = publisher_.NewKey();
  ASSERT_TRUE(bundle.Sign(second));
  EXPECT_EQ(bundle.Sign(second).error().code, ErrorCode::kSigDuplicateKey);
  const auto envelope = ParseEnvelope(bundle.release().artifacts[0].envelope);
  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->signatures.size(), 2u);
  EXPECT_EQ(bundle.release().artifacts[0].manifest_sha256,
            Sha256(bundle.release().artifacts[0].envelope));
}

TEST_F(BundleTest, HoldsOneManifestPerGroupOfHardwareAndOneValidationSet) {
  ReleaseDraft draft = publisher_.Draft("detector-v1", "small model", 1);
  draft.artifacts.push_back(
      {publisher_.directory().Write("big", "big model"), {"server"}, "onnx", "ort-1", 0.99});
  draft.validation_path = publisher_.directory().Write("set", "images");
  const auto bundle = Bundle::Create(Folder(), draft);
  ASSERT_TRUE(bundle) << bundle.error().Line();
  const Release& release = bundle->release();
  const ReleaseArtifact* server = release.For("server");
  ASSERT_NE(server, nullptr);
  EXPECT_EQ(server->manifest.format, "onnx");
  EXPECT_EQ(server->manifest.validation.accuracy_expected, 0.99);
  EXPECT_EQ(release.For("edge-b")->manifest.validation.accuracy_expected, 0.97);
  EXPECT_EQ(server->manifest.validation.sha256, Sha256(AsBytes("images")));
  EXPECT_EQ(server->manifest.validation.size_bytes, 6u);
  EXPECT_EQ(release.For("edge-c"), nullptr);
}

TEST_F(BundleTest, RefusesWordsThatNoDeviceOrRegistryWouldTake) {
  const struct {
    const char* what;
    std::function<void(ReleaseDraft&)> spoil;
    ErrorCode code;
  } rows[] = {
      {"name with a path", [](auto& d) { d.name = "../x"; }, ErrorCode::kBadId},
      {"empty name", [](auto& d) { d.name = ""; }, ErrorCode::kBadId},
      {"name with NUL", [](auto& d) { d.name = std::string("a\0b", 3); }, ErrorCode::kBadId},
      {"long name", [](auto& d) { d.name = std::string(300, 'a'); }, ErrorCode::kBadId},
      {"hidden name", [](auto& d) { d.name = ".hidden"; }, ErrorCode::kBadId},
      {"look-alike name", [](auto& d) { d.name = "d\xd0\xb5tector"; }, ErrorCode::kBadId},
      {"model", [](auto& d) { d.model = "a b"; }, ErrorCode::kBadId},
      {"hardware", [](auto& d) { d.artifacts[0].hardware[1] = "a/b"; }, ErrorCode::kBadId},
      {"hardware named as all devices", [](auto& d) { d.artifacts[0].hardware[1] = "fleet"; },
       ErrorCode::kBadId},
      {"hardware twice", [](auto& d) { d.artifacts[0].hardware[1] = "edge-a"; },
       ErrorCode::kConflict},
      {"no hardware", [](auto& d) { d.artifacts[0].hardware.clear(); }, ErrorCode::kCfgIncomplete},
      {"no artifact", [](auto& d) { d.artifacts.clear(); }, ErrorCode::kCfgIncomplete},
      {"metric", [](auto& d) { d.metrics["f1"] = 0.0 / 0.0; }, ErrorCode::kCfgRange},
      {"metric name", [](auto& d) { d.metrics["f 1"] = 0; }, ErrorCode::kBadId},
      {"fleet", [](auto& d) { d.fleet_id = "a/b"; }, ErrorCode::kFbRange},
      {"times", [](auto& d) { d.expires_ms = d.created_ms - 1; }, ErrorCode::kFbRange},
      {"limit", [](auto& d) { d.limits.error_rate_max = 2; }, ErrorCode::kFbRange},
      {"absent artifact", [](auto& d) { d.artifacts[0].path += "x"; }, ErrorCode::kNotFound},
      {"absent validation set", [](auto& d) { d.validation_path = "/nowhere/x"; },
       ErrorCode::kNotFound},
  };
  for (const auto& row : rows) {
    ReleaseDraft draft = publisher_.Draft("detector-v1", "model", 1);
    row.spoil(draft);
    const Error error = CreateError(draft);
    EXPECT_EQ(error.code, row.code) << row.what << ": " << error.Line();
  }
}

TEST_F(BundleTest, NeedsAnExpectedAccuracyForAValidationSet) {
  ReleaseDraft draft = publisher_.Draft("detector-v1", "model", 1);
  draft.metrics.clear();
  draft.validation_path = publisher_.directory().Write("set", "images");
  EXPECT_EQ(CreateError(draft).code, ErrorCode::kCfgIncomplete);
}

TEST_F(BundleTest, NeverWritesIntoAFolderThatIsInUse) {
  const std::string precious = publisher_.directory().File("bundle");
  fs::create_directory(precious);
  const std::string file = publisher_.directory().Write("bundle/precious", "mine");
  const auto bundle = Bundle::Create(precious, publisher_.Draft("detector-v1", "model", 1));
  ASSERT_FALSE(bundle);
  EXPECT_EQ(bundle.error().code, ErrorCode::kConflict);
  EXPECT_TRUE(fs::exists(file));
}

TEST_F(BundleTest, SaysWhatIsWrongWithAFolderThatIsNoBundle) {
  EXPECT_EQ(Bundle::Load(Folder()).error().code, ErrorCode::kNotFound);
  fs::create_directory(Folder());
  EXPECT_EQ(Bundle::Load(Folder()).error().code, ErrorCode::kNotFound);
  for (const char* index : {"", "[]", "{}", R"({"v":2,"release":"a","metrics":{},"manifests":1})",
                            R"({"v":1,"release":"a","metrics":{},"manifests":0})",
                            R"({"v":1,"release":"a","metrics":{},"manifests":99})",
                            R"({"v":1,"release":"a","metrics":{},"manifests":-1})"}) {
    publisher_.directory().Write("bundle/release.json", index);
    const auto loaded = Bundle::Load(Folder());
    ASSERT_FALSE(loaded) << index;
    EXPECT_EQ(loaded.error().code, ErrorCode::kCfgIncomplete) << loaded.error().Line();
  }
}

TEST_F(BundleTest, NoticesWhenItsPartsWereChanged) {
  const Bundle bundle = publisher_.Sign(publisher_.Draft("detector-v1", "model", 1));
  const Trust trust = publisher_.MakeTrust();
  ASSERT_TRUE(VerifyRelease(bundle.release(), bundle.objects(), trust));
  publisher_.directory().Write("bundle-1/objects/" + Sha256(AsBytes("model")).Hex().substr(0, 2) +
                                   "/" + Sha256(AsBytes("model")).Hex(),
                               "other");
  EXPECT_EQ(VerifyRelease(bundle.release(), bundle.objects(), trust).error().code,
            ErrorCode::kObjectHash);
  publisher_.directory().Write("bundle-1/manifest-0.env", "no envelope");
  EXPECT_EQ(Bundle::Load(publisher_.directory().File("bundle-1")).error().code,
            ErrorCode::kEnvFormat);
}

TEST_F(BundleTest, IsVerifiedOnlyUnderTheKeysOfTheRoot) {
  const ReleaseDraft draft = publisher_.Draft("detector-v1", "model", 1);
  const SigningKey stranger = publisher_.NewKey();
  const Bundle foreign = publisher_.Sign(draft, &stranger);
  const Bundle by_director = publisher_.Sign(draft, &publisher_.director_key());
  const auto unsigned_bundle = Bundle::Create(Folder(), draft);
  const Trust trust = publisher_.MakeTrust();
  EXPECT_EQ(VerifyRelease(foreign.release(), foreign.objects(), trust).error().code,
            ErrorCode::kSigUnknownKey);
  EXPECT_EQ(VerifyRelease(by_director.release(), by_director.objects(), trust).error().code,
            ErrorCode::kSigRole);
  EXPECT_EQ(
      VerifyRelease(unsigned_bundle->release(), unsigned_bundle->objects(), trust).error().code,
      ErrorCode::kNotSigned);
}

}  // namespace
}  // namespace sluice
