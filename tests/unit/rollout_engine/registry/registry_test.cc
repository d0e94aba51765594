#include "rollout_engine/registry/registry.h"

#include <gtest/gtest.h>

#include <fstream>

#include "rollout_engine/registry/release_json.h"
#include "rollout_engine/store/rocksdb_store.h"
#include "tests/support/memory_store.h"
#include "tests/unit/rollout_engine/registry/publisher.h"

namespace sluice {
namespace {

constexpr WallMs kNow{kNowMs};

class RegistryTest : public testing::Test {
 protected:
  /// What `sluice release publish` does: the objects first, then the envelopes.
  Result<Published> Publish(const Bundle& bundle, WallMs now = kNow) {
    EXPECT_TRUE(bundle.objects().List([&](const Digest& object) {
      return objects_.PutFile(bundle.objects().PathOf(object)).has_value();
    }));
    return registry_.Publish(trust_, PublicationOf(bundle.release()), now);
  }
  Result<Published> Publish(const std::string& name, std::string_view bytes, std::uint64_t seq) {
    return Publish(publisher_.Sign(publisher_.Draft(name, bytes, seq)));
  }
  static Publication PublicationOf(const Release& release) {
    Publication publication{release.name, release.metrics, {}};
    for (const ReleaseArtifact& artifact : release.artifacts) {
      publication.envelopes.push_back(artifact.envelope);
    }
    return publication;
  }

  Publisher publisher_;
  test_support::TemporaryDirectory directory_;
  ObjectStore objects_ = ObjectStore::Open(directory_.path().string()).value();
  MemoryStore store_;
  Registry registry_{store_, objects_};
  Trust trust_ = publisher_.MakeTrust();
};

TEST_F(RegistryTest, FindsWhatWasPublishedByNameManifestAndArtifact) {
  const auto published = Publish("detector-v1", "model one", 1);
  ASSERT_TRUE(published) << published.error().Line();
  EXPECT_FALSE(published->was_there);
  EXPECT_EQ(published->release.state, ReleaseState::kPublished);
  const Release& release = published->release;
  EXPECT_EQ(registry_.Find("detector-v1").value(), release);
  EXPECT_EQ(registry_.FindByManifest(release.artifacts[0].manifest_sha256).value(), release);
  EXPECT_EQ(registry_.FindByArtifact(Sha256(AsBytes("model one"))).value(), release);
  EXPECT_EQ(registry_.FindByArtifact(Sha256(AsBytes("unknown"))).value(), std::nullopt);
}

TEST_F(RegistryTest, KeepsAsObjectsWhatDevicesWillFetch) {
  const Release release = Publish("detector-v1", std::string(200'000, 'm'), 1)->release;
  const ReleaseManifest& manifest = release.artifacts[0].manifest;
  EXPECT_EQ(objects_.Read(release.artifacts[0].manifest_sha256, 1 << 16).value(),
            release.artifacts[0].envelope);
  EXPECT_EQ(objects_.SizeOf(manifest.block_root).value(), 4 * Digest::kSize);
}

TEST_F(RegistryTest, AnswersTheSameBytesAgainWithoutAWrite) {
  const Bundle bundle = publisher_.Sign(publisher_.Draft("detector-v1", "model", 1));
  ASSERT_TRUE(Publish(bundle));
  const std::size_t writes = store_.writes();
  const auto again = Publish(bundle);
  ASSERT_TRUE(again) << again.error().Line();
  EXPECT_TRUE(again->was_there);
  EXPECT_EQ(store_.writes(), writes);
}

TEST_F(RegistryTest, RefusesOtherBytesUnderANameThatExists) {
  ASSERT_TRUE(Publish("detector-v1", "model", 1));
  const auto other = Publish("detector-v1", "other model", 1);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().Line(), "E_IMMUTABLE: detector-v1 exists with sha256 " +
                                      Sha256(AsBytes("model")).Hex() +
                                      "; publish what is new under another name");
  EXPECT_EQ(registry_.Find("detector-v1")->artifacts[0].manifest.artifact_sha256,
            Sha256(AsBytes("model")));
}

TEST_F(RegistryTest, RefusesEveryOtherChangeUnderANameThatExists) {
  ASSERT_TRUE(Publish("detector-v1", "model", 1));
  const std::function<void(ReleaseDraft&)> changes[] = {
      [](ReleaseDraft& d) { d.metrics["accuracy"] = 0.5; },
      [](ReleaseDraft& d) { d.artifacts[0].hardware = {"edge-a"}; },
      [](ReleaseDraft& d) { d.limits.error_rate_max = 0.1; },
      [](ReleaseDraft& d) { d.model = "classifier"; },
      [](ReleaseDraft& d) { d.security_epoch = 1; },
  };
  for (const auto& change : changes) {
    ReleaseDraft draft = publisher_.Draft("detector-v1", "model", 1);
    change(draft);
    const auto published = Publish(publisher_.Sign(draft));
    ASSERT_FALSE(published);
    EXPECT_EQ(published.error().code, ErrorCode::kImmutable) << published.error().Line();
  }
}

TEST_F(RegistryTest, ReplacesAManifestThatWasSignedAgainLater) {
  ReleaseDraft draft = publisher_.Draft("detector-v1", "model", 1);
  const Release first = Publish(publisher_.Sign(draft))->release;
  draft.created_ms += limits::kMinute;
  draft.expires_ms += limits::kDay;
  const auto second = Publish(publisher_.Sign(draft));
  ASSERT_TRUE(second) << second.error().Line();
  EXPECT_EQ(registry_.Find("detector-v1").value(), second->release);
  EXPECT_EQ(registry_.FindByManifest(first.artifacts[0].manifest_sha256).value(), second->release);
  EXPECT_EQ(registry_.List()->size(), 1u);

  const auto older = registry_.Publish(trust_, PublicationOf(first), kNow);
  ASSERT_FALSE(older);
  EXPECT_EQ(older.error().code, ErrorCode::kConflict);
}

TEST_F(RegistryTest, TellsHowToSignAReleaseAgainThatWasCreatedAnew) {
  ASSERT_TRUE(Publish("detector-v1", "model", 5));
  const auto again = Publish("detector-v1", "model", 6);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kConflict);
  EXPECT_NE(again.error().text.find("release_seq 5"), std::string::npos) << again.error().Line();
}

TEST_F(RegistryTest, WantsReleaseNumbersOfAModelToRise) {
  ASSERT_TRUE(Publish("detector-v2", "two", 20));
  for (const std::uint64_t seq : {std::uint64_t{19}, std::uint64_t{20}}) {
    const auto older = Publish("detector-v1", "one", seq);
    ASSERT_FALSE(older);
    EXPECT_EQ(older.error().code, ErrorCode::kConflict);
  }
  ReleaseDraft other_model = publisher_.Draft("classifier-v1", "one", 1);
  other_model.model = "classifier";
  EXPECT_TRUE(Publish(publisher_.Sign(other_model)));
}

TEST_F(RegistryTest, NamesTheNearestReleaseWhenThereIsNone) {
  EXPECT_EQ(registry_.Find("detector-v3.2").error().Line(),
            "E_NO_SUCH_VERSION: detector-v3.2 (the registry is empty)");
  ASSERT_TRUE(Publish("detector-v3.1", "model", 1));
  ASSERT_TRUE(Publish("classifier-v3.2", "other", 2));
  EXPECT_EQ(registry_.Find("detector-v3.2").error().Line(),
            "E_NO_SUCH_VERSION: detector-v3.2 (nearest: detector-v3.1)");
  EXPECT_EQ(registry_.Find("../detector").error().code, ErrorCode::kBadId);
}

TEST_F(RegistryTest, ListsByModelAndNumber) {
  ASSERT_TRUE(Publish("detector-v9", "nine", 9));
  ASSERT_TRUE(Publish("detector-v10", "ten", 10));
  ReleaseDraft other_model = publisher_.Draft("classifier-v1", "one", 1);
  other_model.model = "classifier";
  ASSERT_TRUE(Publish(publisher_.Sign(other_model)));
  const auto names = [this](std::string_view model) {
    std::vector<std::string> found;
    const auto releases = registry_.List(model);
    for (const Release& release : *releases) found.push_back(release.name);
    return found;
  };
  EXPECT_EQ(names(""), (std::vector<std::string>{"classifier-v1", "detector-v9", "detector-v10"}));
  EXPECT_EQ(names("detector"), (std::vector<std::string>{"detector-v9", "detector-v10"}));
  EXPECT_EQ(names("detect"), std::vector<std::string>{});
}

TEST_F(RegistryTest, KnowsTheNewestReleaseOfAnArtifact) {
  ASSERT_TRUE(Publish("detector-v1", "model", 1));
  ASSERT_TRUE(Publish("detector-v2", "model", 2));
  EXPECT_EQ(registry_.FindByArtifact(Sha256(AsBytes("model")))->value().name, "detector-v2");
}

TEST_F(RegistryTest, BelievesOnlyReleaseKeysOfItsOwnFleet) {
  const SigningKey stranger = publisher_.NewKey();
  const ReleaseDraft draft = publisher_.Draft("detector-v1", "model", 1);
  ReleaseDraft other_fleet = draft;
  other_fleet.fleet_id = "other";
  EXPECT_EQ(Publish(publisher_.Sign(draft, &stranger)).error().code, ErrorCode::kSigUnknownKey);
  EXPECT_EQ(Publish(publisher_.Sign(draft, &publisher_.director_key())).error().code,
            ErrorCode::kSigRole);
  EXPECT_EQ(Publish(publisher_.Sign(other_fleet)).error().code, ErrorCode::kWrongFleet);

  Release tampered = publisher_.Sign(draft).release();
  tampered.artifacts[0].envelope.back() ^= 1;
  EXPECT_EQ(registry_.Publish(trust_, PublicationOf(tampered), kNow).error().code,
            ErrorCode::kSigBad);
  EXPECT_EQ(store_.writes(), 0u);
}

TEST_F(RegistryTest, TakesNoManifestBeforeOrAfterItsTime) {
  const Bundle bundle = publisher_.Sign(publisher_.Draft("detector-v1", "model", 1));
  EXPECT_EQ(Publish(bundle, {kNowMs + 180 * limits::kDay}).error().code, ErrorCode::kExpired);
  EXPECT_EQ(Publish(bundle, {kNowMs - limits::kDay}).error().code, ErrorCode::kNotYet);
  EXPECT_TRUE(Publish(bundle, {kNowMs - limits::kMinute})) << "clocks may differ a little";
}

TEST_F(RegistryTest, WantsTheManifestsOfAReleaseToTellOneStory) {
  const Release a = publisher_.Sign(publisher_.Draft("detector-v1", "a", 1)).release();
  const auto with = [&](const std::function<void(ReleaseDraft&)>& change) {
    ReleaseDraft draft = publisher_.Draft("detector-v1", "b", 1);
    draft.artifacts[0].hardware = {"server"};
    change(draft);
    Publication both = PublicationOf(a);
    both.envelopes.push_back(publisher_.Sign(draft).release().artifacts[0].envelope);
    return registry_.Publish(trust_, both, kNow).error();
  };
  EXPECT_EQ(with([](auto& d) { d.name = "detector-v2"; }).code, ErrorCode::kConflict);
  EXPECT_EQ(with([](auto& d) { d.model = "classifier"; }).code, ErrorCode::kConflict);
  EXPECT_EQ(with([](auto& d) { d.release_seq = 2; }).code, ErrorCode::kConflict);
  EXPECT_EQ(with([](auto& d) { d.artifacts[0].hardware = {"edge-b"}; }).code, ErrorCode::kConflict);
  EXPECT_EQ(with([](auto&) {}).code, ErrorCode::kNotFound) << "only its artifact is missing";
  EXPECT_EQ(registry_.Publish(trust_, {"detector-v1", {}, {}}, kNow).error().code,
            ErrorCode::kBadId);
}

TEST_F(RegistryTest, TakesNoReleaseWithoutItsBytes) {
  ReleaseDraft draft = publisher_.Draft("detector-v1", "model", 1);
  draft.validation_path = publisher_.directory().Write("set", "images");
  const Bundle bundle = publisher_.Sign(draft);
  const Publication publication = PublicationOf(bundle.release());
  EXPECT_EQ(registry_.Publish(trust_, publication, kNow).error().code, ErrorCode::kNotFound);
  const Digest artifact = objects_.PutBytes(AsBytes("model"))->sha256;
  const auto no_set = registry_.Publish(trust_, publication, kNow);
  EXPECT_EQ(no_set.error().code, ErrorCode::kNotFound);
  EXPECT_NE(no_set.error().text.find("validation set"), std::string::npos);
  ASSERT_TRUE(objects_.PutBytes(AsBytes("images")));
  std::ofstream(objects_.PathOf(artifact), std::ios::trunc) << "model?";
  EXPECT_EQ(registry_.Publish(trust_, publication, kNow).error().code, ErrorCode::kObjectHash);
  ASSERT_TRUE(objects_.PutBytes(AsBytes("model")));
  EXPECT_TRUE(registry_.Publish(trust_, publication, kNow));
}

TEST_F(RegistryTest, TakesNoManifestThatLiesAboutItsArtifact) {
  ASSERT_TRUE(objects_.PutBytes(AsBytes("model")));
  const std::function<void(ReleaseManifest&)> lies[] = {
      [](ReleaseManifest& m) { m.artifact_size += 1; },
      [](ReleaseManifest& m) { m.block_root.bytes[0] ^= 1; },
  };
  for (const auto& lie : lies) {
    Release release = publisher_.Sign(publisher_.Draft("detector-v1", "model", 1)).release();
    ReleaseManifest& manifest = release.artifacts[0].manifest;
    lie(manifest);
    release.artifacts[0].envelope =
        Seal(PayloadType::kManifest, Encode(manifest), {&publisher_.release_key()});
    EXPECT_EQ(registry_.Publish(trust_, PublicationOf(release), kNow).error().code,
              ErrorCode::kArtifactHash);
  }
}

TEST_F(RegistryTest, HoldsNothingOfAReleaseWhoseWriteFailed) {
  const Bundle bundle = publisher_.Sign(publisher_.Draft("detector-v1", "model", 1));
  store_.FailWrite(1);
  EXPECT_EQ(Publish(bundle).error().code, ErrorCode::kStoreIo);
  EXPECT_EQ(registry_.Find("detector-v1").error().code, ErrorCode::kNoSuchVersion);
  EXPECT_EQ(Publish(bundle).error().code, ErrorCode::kStoreReadonly);
  store_.Crash();
  EXPECT_TRUE(Publish(bundle));
  store_.Crash();
  EXPECT_TRUE(registry_.Find("detector-v1")) << "published means synced";
}

TEST_F(RegistryTest, SaysWhenAStoredReleaseOrItsManifestIsDamaged) {
  const Release release = Publish("detector-v1", "model", 1)->release;
  std::ofstream(objects_.PathOf(release.artifacts[0].manifest_sha256), std::ios::trunc) << "x";
  EXPECT_EQ(registry_.Find("detector-v1").error().code, ErrorCode::kObjectHash);
  WriteBatch batch;
  batch.Put("release/detector-v1", "{");
  ASSERT_TRUE(store_.Write(batch, true));
  EXPECT_EQ(registry_.Find("detector-v1").error().code, ErrorCode::kStoreCorrupt);
}

TEST_F(RegistryTest, IsTheSameAfterAReopenOfTheDisk) {
  const std::string path = directory_.File("store");
  Release published;
  {
    auto store = RocksdbStore::Open(path, RocksdbStore::Mode::kCreate);
    ASSERT_TRUE(store);
    Registry registry(**store, objects_);
    const Bundle bundle = publisher_.Sign(publisher_.Draft("detector-v1", "model", 1));
    ASSERT_TRUE(objects_.PutBytes(AsBytes("model")));
    published = registry.Publish(trust_, PublicationOf(bundle.release()), kNow)->release;
  }
  auto store = RocksdbStore::Open(path, RocksdbStore::Mode::kExisting);
  ASSERT_TRUE(store);
  EXPECT_EQ(Registry(**store, objects_).Find("detector-v1").value(), published);
}

TEST(StoredRelease, RefusesWhatItNeverWrote) {
  const struct {
    const char* json;
    ErrorCode code;
  } rows[] = {
      {"", ErrorCode::kStoreCorrupt},
      {"null", ErrorCode::kStoreCorrupt},
      {R"({"v":1})", ErrorCode::kStoreCorrupt},
      {R"({"v":1,"metrics":{},"artifacts":[]})", ErrorCode::kStoreCorrupt},
      {R"({"v":1,"metrics":{},"artifacts":[{}]})", ErrorCode::kStoreCorrupt},
      {R"({"v":1,"metrics":{"a":"b"},"artifacts":[]})", ErrorCode::kStoreCorrupt},
      {R"({"v":1,"metrics":{},"artifacts":[{"manifest_sha256":"zz"}]})", ErrorCode::kStoreCorrupt},
      {R"({"v":2})", ErrorCode::kStoreSchema},
  };
  for (const auto& row : rows) {
    const auto read = StoredReleaseFromJson(row.json);
    ASSERT_FALSE(read) << row.json;
    EXPECT_EQ(read.error().code, row.code) << row.json << " " << read.error().Line();
  }
}

TEST(PublicationJson, ComesBackAsItWas) {
  const Publication publication{"detector-v1", {{"accuracy", 0.5}}, {{1, 2, 255}, {0}}};
  const auto read = PublicationFromJson(PublicationToJson(publication));
  ASSERT_TRUE(read) << read.error().Line();
  EXPECT_EQ(read->release, publication.release);
  EXPECT_EQ(read->metrics, publication.metrics);
  EXPECT_EQ(read->envelopes, publication.envelopes);
}

TEST(PublicationJson, RefusesOtherBodiesWithAReason) {
  std::string crowd = R"({"release":"a","envelopes":["00")";
  for (int i = 0; i < 40; ++i) crowd += R"(,"00")";
  for (const std::string& body :
       {std::string(), std::string("[]"), std::string(R"({"release":"a"})"),
        std::string(R"({"release":1,"envelopes":[]})"),
        std::string(R"({"release":"a","envelopes":[1]})"),
        std::string(R"({"release":"a","envelopes":["0"]})"),
        std::string(R"({"release":"a","metrics":[],"envelopes":[]})"), crowd + "]}"}) {
    const auto read = PublicationFromJson(body);
    ASSERT_FALSE(read) << body;
    EXPECT_EQ(read.error().code, ErrorCode::kUsage) << body << " " << read.error().Line();
  }
}

}  // namespace
}  // namespace sluice
