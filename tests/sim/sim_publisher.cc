#include "tests/sim/sim_publisher.h"

#include "common/base/check.h"
#include "common/contract/limits.h"

namespace sluice::sim {
namespace {

SigningKey NewKey(Random& random) {
  Result<SigningKey> key = SigningKey::Generate(SignatureAlgorithm::kEd25519, random);
  SLUICE_CHECK(key.has_value());
  return std::move(*key);
}

}  // namespace

SimPublisher::SimPublisher(Random& random, WallMs now)
    : root_key_(NewKey(random)), release_(NewKey(random)), director_(NewKey(random)) {
  Root root;
  root.fleet_id = kFleet;
  root.root = {{root_key_.Public()}, 1};
  root.release = {{release_.Public()}, 1};
  root.director = {{director_.Public()}, 1};
  root.created_ms = now.ms - limits::kDay;
  root.expires_ms = now.ms + 730 * limits::kDay;
  root_ = Seal(PayloadType::kRoot, Encode(root), {&root_key_});
}

Publication SimPublisher::Release(const std::string& name, std::uint64_t release_seq,
                                  const std::vector<Bytes>& artifacts, double accuracy_expected,
                                  const ObjectStore& objects, WallMs now) {
  const Bytes set(64, 0x5A);
  SLUICE_CHECK(objects.PutBytes(set).has_value());
  Publication publication{name, {}, {}};
  for (std::size_t i = 0; i < artifacts.size(); ++i) {
    const Bytes& artifact = artifacts[i];
    SLUICE_CHECK(objects.PutBytes(artifact).has_value());
    ReleaseManifest manifest;
    manifest.fleet_id = kFleet;
    manifest.model = kModel;
    manifest.release = name;
    manifest.release_seq = release_seq;
    manifest.hardware = {kHardware[i]};
    manifest.format = "sim";
    manifest.artifact_size = artifact.size();
    manifest.artifact_sha256 = Sha256(artifact);
    manifest.block_root = Sha256(BlockHashList(artifact));
    manifest.validation = {Sha256(set), set.size(), accuracy_expected, 0.01};
    manifest.limits = {0.2, 100, 0.02};
    manifest.created_ms = now.ms;
    manifest.expires_ms = now.ms + 180 * limits::kDay;
    publication.envelopes.push_back(Seal(PayloadType::kManifest, Encode(manifest), {&release_}));
  }
  return publication;
}

}  // namespace sluice::sim
