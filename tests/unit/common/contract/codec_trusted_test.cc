#include <limits>

#include "common/contract/limits.h"
#include "tests/support/contract_samples.h"
#include "tests/unit/common/contract/broken_value.h"

namespace sluice {
namespace {

using test_support::SampleDigest;
using test_support::SampleKeys;
using test_support::SampleManifest;
using test_support::SampleRevocations;
using test_support::SampleRoot;

PublicKey NumberedKey(std::size_t number) {
  Bytes raw(32, 0x77);
  raw[0] = static_cast<std::uint8_t>(number);
  return {SignatureAlgorithm::kEd25519, raw};
}

void AddNumberedKeys(RoleKeys& role, std::size_t count) {
  role.keys.clear();
  for (std::size_t i = 0; i < count; ++i) role.keys.push_back(NumberedKey(i));
}

TEST(RootCodec, GivesBackWhatWasWritten) {
  Root root = SampleRoot(SampleKeys());
  ExpectRoundTrip(root);
  root.lowered_floors = {{"detector", 0}, {"reader", 4}};
  ExpectRoundTrip(root);
}

TEST(RootCodec, ChecksSizeBeforeStructure) {
  ExpectSizeIsChecked(SampleRoot(SampleKeys()), limits::kRootBytesMax);
}

TEST(RootCodec, BearsAnyFlippedBit) {
  ExpectEveryBitFlipIsBorne(SampleRoot(SampleKeys()), ErrorCode::kFbRange);
}

TEST(RootCodec, ChecksEveryField) {
  ExpectEachDecoded<Root>(
      SampleRoot(SampleKeys()), ErrorCode::kFbRange,
      {
          {"fleet_id", [](Root& r) { r.fleet_id = ""; }},
          {"version", [](Root& r) { r.version = 0; }},
          {"root", [](Root& r) { r.root.keys.clear(); }},
          {"root", [](Root& r) { r.root.threshold = 0; }},
          {"root", [](Root& r) { r.root.threshold = 4; }},
          {"", [](Root& r) { r.root.threshold = 3; }},
          {"root", [](Root& r) { r.root.keys.push_back(r.root.keys[0]); }},
          {"root", [](Root& r) { r.root.keys[0].raw.push_back(0); }},
          {"root", [](Root& r) { r.root.keys[1].raw.pop_back(); }},
          {"release",
           [](Root& r) { r.release.keys[0].algorithm = static_cast<SignatureAlgorithm>(3); }},
          {"", [](Root& r) { AddNumberedKeys(r.release, limits::kRootKeysMax); }},
          {"release", [](Root& r) { AddNumberedKeys(r.release, limits::kRootKeysMax + 1); }},
          {"director", [](Root& r) { r.director = r.release; }},
          {"lowered_floors",
           [](Root& r) {
             r.lowered_floors = {{"a", 1}, {"a", 2}};
           }},
          {"lowered_floors.model",
           [](Root& r) {
             r.lowered_floors = {{"", 1}};
           }},
          {"lowered_floors",
           [](Root& r) {
             for (std::size_t i = 0; i <= limits::kModelFloorsMax; ++i) {
               r.lowered_floors.push_back({"m" + std::to_string(i), 0});
             }
           }},
          {"created_ms", [](Root& r) { r.created_ms = -1; }},
          {"expires_ms", [](Root& r) { r.expires_ms = r.created_ms; }},
          {"expires_ms", [](Root& r) { r.expires_ms = limits::kTimeMsMax + 1; }},
      });
}

TEST(RevocationCodec, GivesBackWhatWasWritten) {
  ExpectRoundTrip(SampleRevocations());
  RevocationList empty = SampleRevocations();
  empty.entries.clear();
  ExpectRoundTrip(empty);
}

TEST(RevocationCodec, ChecksSizeBeforeStructure) {
  ExpectSizeIsChecked(SampleRevocations(), limits::kRevocationsBytesMax);
}

TEST(RevocationCodec, BearsAnyFlippedBit) {
  ExpectEveryBitFlipIsBorne(SampleRevocations(), ErrorCode::kFbRange);
}

TEST(RevocationCodec, ChecksEveryField) {
  ExpectEachDecoded<RevocationList>(
      SampleRevocations(), ErrorCode::kFbRange,
      {
          {"fleet_id", [](RevocationList& l) { l.fleet_id = ""; }},
          {"version", [](RevocationList& l) { l.version = 0; }},
          {"entries.model", [](RevocationList& l) { l.entries[0].model = "a/b"; }},
          {"entries", [](RevocationList& l) { l.entries[0].model = l.entries[1].model; }},
          {"entries",
           [](RevocationList& l) {
             for (std::size_t i = 0; i <= limits::kModelFloorsMax; ++i) {
               l.entries.push_back({"m" + std::to_string(i), 0, {}});
             }
           }},
          {"entries.artifacts", [](RevocationList& l) { l.entries[0].artifacts.push_back({}); }},
          {"",
           [](RevocationList& l) {
             l.entries[0].artifacts.assign(limits::kRevokedMax - 1, SampleDigest(1));
             l.entries[1].artifacts.assign(1, SampleDigest(2));
           }},
          {"entries.artifacts",
           [](RevocationList& l) {
             l.entries[0].artifacts.assign(limits::kRevokedMax, SampleDigest(1));
             l.entries[1].artifacts.assign(1, SampleDigest(2));
           }},
          {"expires_ms", [](RevocationList& l) { l.expires_ms = l.created_ms; }},
      });
}

TEST(ManifestCodec, GivesBackWhatWasWritten) {
  ExpectRoundTrip(SampleManifest());
  ReleaseManifest bare = SampleManifest();
  bare.validation = {};
  bare.limits = {};
  bare.runtime_abi.clear();
  bare.min_agent.clear();
  ExpectRoundTrip(bare);
}

TEST(ManifestCodec, ChecksSizeBeforeStructure) {
  ExpectSizeIsChecked(SampleManifest(), limits::kManifestBytesMax);
}

TEST(ManifestCodec, BearsAnyFlippedBit) {
  ExpectEveryBitFlipIsBorne(SampleManifest(), ErrorCode::kFbRange);
}

TEST(ManifestCodec, ChecksEveryField) {
  ExpectEachDecoded<ReleaseManifest>(
      SampleManifest(), ErrorCode::kFbRange,
      {
          {"fleet_id", [](ReleaseManifest& m) { m.fleet_id = ""; }},
          {"model", [](ReleaseManifest& m) { m.model = "a b"; }},
          {"release", [](ReleaseManifest& m) { m.release = ".."; }},
          {"", [](ReleaseManifest& m) { m.floor_epoch = m.security_epoch; }},
          {"floor_epoch", [](ReleaseManifest& m) { m.floor_epoch = m.security_epoch + 1; }},
          {"hardware", [](ReleaseManifest& m) { m.hardware.clear(); }},
          {"hardware",
           [](ReleaseManifest& m) {
             m.hardware = {"a", "a"};
           }},
          {"hardware",
           [](ReleaseManifest& m) {
             for (std::size_t i = 0; i < limits::kHardwareNamesMax; ++i) {
               m.hardware.push_back("h" + std::to_string(i));
             }
           }},
          {"", [](ReleaseManifest& m) { m.min_agent = "0.0.99999"; }},
          {"min_agent", [](ReleaseManifest& m) { m.min_agent = "1.2"; }},
          {"min_agent", [](ReleaseManifest& m) { m.min_agent = "1.2.3.4"; }},
          {"min_agent", [](ReleaseManifest& m) { m.min_agent = "1..3"; }},
          {"min_agent", [](ReleaseManifest& m) { m.min_agent = "1.2.x"; }},
          {"min_agent", [](ReleaseManifest& m) { m.min_agent = "1.2.100000"; }},
          {"min_agent", [](ReleaseManifest& m) { m.min_agent = "1.2."; }},
          {"format", [](ReleaseManifest& m) { m.format = ""; }},
          {"artifact_size", [](ReleaseManifest& m) { m.artifact_size = 0; }},
          {"", [](ReleaseManifest& m) { m.artifact_size = limits::kArtifactBytesMax; }},
          {"artifact_size",
           [](ReleaseManifest& m) { m.artifact_size = limits::kArtifactBytesMax + 1; }},
          {"artifact_sha256", [](ReleaseManifest& m) { m.artifact_sha256 = {}; }},
          {"block_root", [](ReleaseManifest& m) { m.block_root = {}; }},
          {"validation", [](ReleaseManifest& m) { m.validation.size_bytes = 0; }},
          {"validation", [](ReleaseManifest& m) { m.validation.sha256 = {}; }},
          {"validation.size_bytes",
           [](ReleaseManifest& m) {
             m.validation.size_bytes = limits::kValidationSetBytesMax + 1;
           }},
          {"validation.accuracy_expected",
           [](ReleaseManifest& m) { m.validation.accuracy_expected = 1.01; }},
          {"validation.accuracy_tolerance",
           [](ReleaseManifest& m) { m.validation.accuracy_tolerance = -0.1; }},
          {"limits.error_rate_max",
           [](ReleaseManifest& m) {
             m.limits.error_rate_max = std::numeric_limits<double>::quiet_NaN();
           }},
          {"limits.error_rate_max", [](ReleaseManifest& m) { m.limits.error_rate_max = 1.5; }},
          {"limits.latency_p99_max_ms",
           [](ReleaseManifest& m) {
             m.limits.latency_p99_max_ms = std::numeric_limits<double>::infinity();
           }},
          {"limits.latency_p99_max_ms",
           [](ReleaseManifest& m) { m.limits.latency_p99_max_ms = 1e308; }},
          {"limits.accuracy_drop_max", [](ReleaseManifest& m) { m.limits.accuracy_drop_max = -1; }},
          {"created_ms",
           [](ReleaseManifest& m) { m.created_ms = std::numeric_limits<std::int64_t>::min(); }},
          {"expires_ms", [](ReleaseManifest& m) { m.expires_ms = m.created_ms - 1; }},
      });
}

}  // namespace
}  // namespace sluice
