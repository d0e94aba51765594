#include "tests/support/contract_samples.h"

#include "common/base/check.h"
#include "common/contract/limits.h"

namespace sluice::test_support {
namespace {

constexpr std::uint64_t kEpoch = 1'767'225'000;

SigningKey MakeKey(std::uint64_t seed, SignatureAlgorithm algorithm) {
  SeededRandom random(seed);
  Result<SigningKey> key = SigningKey::Generate(algorithm, random);
  SLUICE_CHECK(key.has_value());
  return std::move(*key);
}

HeldVersions SampleHeld() {
  return {.root_version = 1,
          .order = {kEpoch, 4},
          .revocation_version = 2,
          .revocation_digest = SampleDigest(0x44)};
}

template <std::size_t n>
std::array<std::uint8_t, n> Rising(std::uint8_t first) {
  std::array<std::uint8_t, n> bytes{};
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<std::uint8_t>(first + i);
  return bytes;
}

}  // namespace

Digest SampleDigest(std::uint8_t byte) {
  Digest digest;
  digest.bytes.fill(byte);
  return digest;
}

// One key of the root role is P-256, so that both algorithms are met everywhere.
SampleKeys::SampleKeys()
    : root_a(MakeKey(1, SignatureAlgorithm::kEd25519)),
      root_b(MakeKey(2, SignatureAlgorithm::kEcdsaP256)),
      root_c(MakeKey(3, SignatureAlgorithm::kEd25519)),
      release(MakeKey(4, SignatureAlgorithm::kEd25519)),
      director(MakeKey(5, SignatureAlgorithm::kEd25519)),
      stranger(MakeKey(6, SignatureAlgorithm::kEd25519)) {}

Root SampleRoot(const SampleKeys& keys) {
  Root root;
  root.fleet_id = "plant-7";
  root.version = 1;
  root.root = {{keys.root_a.Public(), keys.root_b.Public(), keys.root_c.Public()}, 2};
  root.release = {{keys.release.Public()}, 1};
  root.director = {{keys.director.Public()}, 1};
  root.created_ms = kSampleNowMs;
  root.expires_ms = kSampleNowMs + 730 * limits::kDay;
  return root;
}

ReleaseManifest SampleManifest() {
  ReleaseManifest manifest;
  manifest.fleet_id = "plant-7";
  manifest.model = "detector";
  manifest.release = "detector-v3.2";
  manifest.release_seq = 32;
  manifest.security_epoch = 3;
  manifest.floor_epoch = 2;
  manifest.hardware = {"cam-a", "cam-b.2"};
  manifest.runtime_abi = "onnx-1.23";
  manifest.min_agent = "0.1.0";
  manifest.format = "onnx";
  manifest.artifact_size = 5'000'000;
  manifest.artifact_sha256 = SampleDigest(0x11);
  manifest.block_root = SampleDigest(0x12);
  manifest.validation = {SampleDigest(0x13), 200'000, 0.913, 0.01};
  manifest.limits = {0.02, 80.0, 0.015};
  manifest.created_ms = kSampleNowMs;
  manifest.expires_ms = kSampleNowMs + 180 * limits::kDay;
  return manifest;
}

RevocationList SampleRevocations() {
  RevocationList list;
  list.fleet_id = "plant-7";
  list.version = 2;
  list.entries = {{"detector", 2, {SampleDigest(0x21), SampleDigest(0x22)}}, {"reader", 1, {}}};
  list.created_ms = kSampleNowMs;
  list.expires_ms = kSampleNowMs + 180 * limits::kDay;
  return list;
}

Directive SampleInstall() {
  Directive directive;
  directive.fleet_id = "plant-7";
  directive.device_id = "cam-0017";
  directive.number = {kEpoch, 9};
  directive.rollout = "detector-v3.2-r1";
  directive.stage = 1;
  directive.action = DirectiveAction::kInstall;
  directive.manifest = SampleDigest(0x31);
  directive.manifest_size = 512;
  directive.offers = {
      {SampleDigest(0x32), SampleDigest(0x33), 210'000, 3'184, SampleDigest(0x34), 2},
      {SampleDigest(0x35), SampleDigest(0x36), 4'600'000, 3'184, Digest{}, 1}};
  directive.byte_budget = 1'400'000;
  directive.attempts = 3;
  directive.window = {120, 300};
  directive.mode = ActivationMode::kAsk;
  directive.telemetry_interval_s = 60;
  directive.latency_limit_us = 80'000;
  directive.trial_ms = 600'000;
  directive.min_inferences = 200;
  directive.retry = true;
  directive.not_before_ms = kSampleNowMs;
  directive.expires_ms = kSampleNowMs + 30 * limits::kDay;
  return directive;
}

Directive SampleRevert() {
  Directive directive;
  directive.fleet_id = "plant-7";
  directive.device_id = "cam-0017";
  directive.number = {kEpoch, 10};
  directive.rollout = "detector-v3.2-r1";
  directive.stage = 1;
  directive.action = DirectiveAction::kRevert;
  directive.manifest = SampleDigest(0x31);
  directive.not_before_ms = kSampleNowMs;
  directive.expires_ms = kSampleNowMs + 30 * limits::kDay;
  return directive;
}

Directive SampleHold() {
  Directive directive;
  directive.fleet_id = "plant-7";
  directive.device_id = "cam-0018";
  directive.number = {kEpoch, 3};
  directive.rollout = "detector-v3.2-r1";
  directive.action = DirectiveAction::kHold;
  directive.telemetry_interval_s = 60;
  directive.latency_limit_us = 80'000;
  directive.not_before_ms = kSampleNowMs;
  directive.expires_ms = kSampleNowMs + limits::kDay;
  return directive;
}

Order SampleOrder() {
  Order order;
  order.fleet_id = "plant-7";
  order.number = {kEpoch, 4};
  order.entries = {{"detector-v3.1-r2", OrderAction::kAbort, 0, {}},
                   {"detector-v3.2-r1", OrderAction::kRollBack, 1, {"cam-a", "cam-b.2"}}};
  order.created_ms = kSampleNowMs;
  return order;
}

Freshness SampleFreshness() {
  Freshness freshness;
  freshness.fleet_id = "plant-7";
  freshness.number = {kEpoch, 12};
  freshness.now_ms = kSampleNowMs;
  freshness.held = SampleHeld();
  return freshness;
}

Answer SampleAnswer() {
  Answer answer;
  answer.fleet_id = "plant-7";
  answer.device_id = "cam-0017";
  answer.nonce = Rising<16>(0x50);
  answer.engine_epoch = kEpoch;
  answer.now_ms = kSampleNowMs;
  answer.held = SampleHeld();
  answer.directive = {kEpoch, 9};
  answer.report_seq = 41;
  answer.permit = SampleDigest(0x31);
  answer.ask_again_s = 60;
  answer.telemetry_interval_s = 300;
  return answer;
}

Hello SampleHello() {
  Hello hello;
  hello.nonce = Rising<16>(0x50);
  hello.instance = Rising<16>(0x60);
  hello.boot = 7;
  hello.record_gen = 1234;
  hello.model = "detector";
  hello.hardware = "cam-a";
  hello.agent_version = "0.1.0";
  hello.runtime_abi = "onnx-1.23";
  hello.memory_class = MemoryClass::kM;
  hello.codec_mask = 0b1111;
  hello.chunk_size = limits::kChunkBytesDefault;
  hello.window_bytes_max = limits::kWindowBytesMax;
  hello.state = UpdateState::kReady;
  hello.slots = {{SlotState::kGood, SampleDigest(0x34), SampleDigest(0x61), "detector-v3.1",
                  "detector-v3.1-r2", 2},
                 {SlotState::kReady, SampleDigest(0x11), SampleDigest(0x31), "detector-v3.2",
                  "detector-v3.2-r1", 1}};
  hello.active_slot = 0;
  hello.activation = 5;
  hello.floor_epoch = 2;
  hello.root_version = 1;
  hello.directive = {kEpoch, 9};
  hello.order = {kEpoch, 4};
  hello.engine_epoch_seen = kEpoch;
  hello.report_seq = 42;
  hello.permit_wanted = SampleDigest(0x31);
  hello.bad_artifacts = {SampleDigest(0x71)};
  hello.next_contact_s = 3'600;
  hello.attributes = {{"line", "3"}, {"site", "a"}};
  return hello;
}

Report SampleReport() {
  Report report;
  report.instance = Rising<16>(0x60);
  report.record_gen = 1235;
  report.seq = 42;
  report.directive = {kEpoch, 9};
  report.rollout = "detector-v3.2-r1";
  report.stage = 1;
  report.manifest = SampleDigest(0x31);
  report.state = ReportState::kFailed;
  report.code = "E_VALIDATION";
  report.text = "accuracy 0.871, expected at least 0.903 \xE2\x80\x93 kept detector-v3.1";
  report.active_artifact = SampleDigest(0x34);
  report.activation = 5;
  report.bytes_down = 230'000;
  report.bytes_up = 9'000;
  report.bytes_done = 210'000;
  report.bytes_total = 210'000;
  report.validation = {1'000, 1'000, 913, 871, 60, 18, 74'000};
  return report;
}

Telemetry SampleTelemetry() {
  Telemetry telemetry;
  telemetry.release_id = SampleDigest(0x34).Prefix64();
  telemetry.activation = 5;
  telemetry.boot = 2;
  telemetry.flags = Telemetry::kStandbyHealthy | Telemetry::kMetered;
  telemetry.seq = 77;
  telemetry.up_s = 86'400;
  telemetry.age_ms = 1'500;
  telemetry.inferences = 250'000;
  telemetry.errors = 12;
  telemetry.over_latency = 800;
  telemetry.labelled = 5'000;
  telemetry.correct_q8 = 1'168'640;
  telemetry.rss_kb = 180'000;
  telemetry.crashes = 1;
  telemetry.temp_c = -7;
  telemetry.battery_pct = 81;
  telemetry.cpu_pct = 63;
  telemetry.val_drop_q = 3;
  return telemetry;
}

FetchRequest SampleFetch() {
  FetchRequest request;
  request.object = SampleDigest(0x32);
  request.chunk_size = limits::kChunkBytesDefault;
  request.window_bytes = limits::kWindowBytesStart;
  request.request_id = 5;
  request.wanted = {{0, 16'320}, {3 * 16'320, 2 * 16'320}, {12 * 16'320, 14'160}};
  return request;
}

Chunk SampleChunk() {
  Chunk chunk;
  chunk.object_id = SampleDigest(0x32).Prefix64();
  chunk.object_size = 210'000;
  chunk.offset = 12 * 16'320;
  chunk.request_id = 5;
  chunk.status = ChunkStatus::kOk;
  const auto data = Rising<64>(0x80);
  chunk.data.assign(data.begin(), data.end());
  return chunk;
}

}  // namespace sluice::test_support
