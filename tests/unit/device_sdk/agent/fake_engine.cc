#include "tests/unit/device_sdk/agent/fake_engine.h"

#include <cstdio>

#include "common/base/check.h"
#include "common/contract/limits.h"
#include "common/contract/topics.h"
#include "common/crypto/digest.h"

namespace sluice::device {
namespace {

SigningKey KeyFrom(std::uint64_t seed) {
  SeededRandom random(seed);
  return *SigningKey::Generate(SignatureAlgorithm::kEd25519, random);
}

/// A device that sends what the engine would refuse is what these tests are there to find.
template <class Message>
Message Read(ByteView bytes) {
  Result<Message> message = Decode<Message>(bytes);
  if (!message) std::fprintf(stderr, "%s\n", message.error().Line().c_str());
  SLUICE_CHECK(message.has_value());
  return *std::move(message);
}

RoleKeys Keys(const SigningKey& key) { return {{key.Public()}, 1}; }

}  // namespace

FakeEngine::FakeEngine(MemoryBroker& broker)
    : root_key_(KeyFrom(1)),
      release_key_(KeyFrom(2)),
      director_key_(KeyFrom(3)),
      directive_topic_(BuildTopic(DownTopic{kDevice, DownKind::kDirective})),
      chunk_topic_(BuildTopic(DownTopic{kDevice, DownKind::kChunk})),
      transport_(broker, "engine") {
  Root root;
  root.fleet_id = kFleet;
  root.root = Keys(root_key_);
  root.release = Keys(release_key_);
  root.director = Keys(director_key_);
  root.created_ms = kStartMs - limits::kDay;
  root.expires_ms = kStartMs + 700 * limits::kDay;
  root_ = Seal(PayloadType::kRoot, Encode(root), {&root_key_});
  SLUICE_CHECK(transport_.Start({}, {{"sluice-dev/v1/up/#", Qos::k1}}, *this).has_value());
}

Bytes FakeEngine::NextRoot(bool keep_director) const {
  Root root = *Decode<Root>(ParseEnvelope(root_)->payload);
  root.version = 2;
  root.created_ms = kStartMs;
  if (!keep_director) root.director = Keys(KeyFrom(4));
  return Seal(PayloadType::kRoot, Encode(root), {&root_key_});
}

std::vector<std::string> FakeEngine::ReportNames() const {
  std::vector<std::string> names;
  std::uint64_t last_seq = 0;
  for (const Report& report : reports) {
    if (report.seq <= last_seq) continue;  // sent again
    last_seq = report.seq;
    names.push_back(std::string(ReportStateName(report.state)) +
                    (report.code.empty() ? "" : " " + report.code));
  }
  return names;
}

PublishedRelease FakeEngine::Publish(const std::string& name, Bytes artifact,
                                     const std::function<void(ReleaseManifest&)>& change) {
  PublishedRelease release;
  release.artifact = std::move(artifact);
  const Bytes hashes = BlockHashList(release.artifact);
  ReleaseManifest& manifest = release.manifest;
  manifest.fleet_id = kFleet;
  manifest.model = kModelName;
  manifest.release = name;
  manifest.release_seq = ++release_seq_;
  manifest.security_epoch = 1;
  manifest.hardware = {kHardware};
  manifest.format = "bytes";
  manifest.artifact_size = release.artifact.size();
  manifest.artifact_sha256 = Sha256(release.artifact);
  manifest.block_root = Sha256(hashes);
  const Bytes set(64, 1);
  manifest.validation = {Sha256(set), set.size(), 0.9, 0.05};
  manifest.limits = {.error_rate_max = 0.05, .latency_p99_max_ms = 50, .accuracy_drop_max = 0.05};
  manifest.created_ms = kStartMs - limits::kHour;
  manifest.expires_ms = kStartMs + 180 * limits::kDay;
  if (change) change(manifest);
  release.envelope = Seal(PayloadType::kManifest, Encode(manifest), {&release_key_});
  release.digest = Sha256(release.envelope);
  objects[release.digest] = release.envelope;
  objects[manifest.block_root] = hashes;
  objects[Sha256(set)] = set;
  return release;
}

PayloadOffer FakeEngine::MakePayload(const PublishedRelease& release, const Digest& base,
                                     std::uint64_t base_size) {
  PayloadHead head;
  head.kind = base.IsZero() ? PayloadKind::kFull : PayloadKind::kDelta;
  head.block_size = limits::kManifestBlockSize;
  head.out_size = release.artifact.size();
  head.out_sha256 = release.manifest.artifact_sha256;
  head.base_size = base_size;
  head.base_sha256 = base;
  head.codec_mask = CodecBit(Codec::kRaw);
  for (std::size_t at = 0; at < release.artifact.size(); at += head.block_size) {
    const ByteView block =
        ByteView(release.artifact)
            .subspan(at, std::min<std::size_t>(head.block_size, release.artifact.size() - at));
    head.rows.push_back({static_cast<std::uint32_t>(block.size()), Codec::kRaw, Sha256(block)});
  }
  const Bytes head_bytes = BuildHead(head);
  Bytes payload = head_bytes;
  Append(payload, release.artifact);
  const PayloadOffer offer{.object = Sha256(payload),
                           .head_digest = Sha256(head_bytes),
                           .size_bytes = payload.size(),
                           .head_size = static_cast<std::uint32_t>(head_bytes.size()),
                           .base = base,
                           .codec_profile = 0};
  objects[offer.object] = std::move(payload);
  return offer;
}

Directive FakeEngine::InstallOf(const PublishedRelease& release, const std::string& rollout) {
  Directive directive;
  directive.fleet_id = kFleet;
  directive.device_id = kDevice;
  directive.rollout = rollout;
  directive.manifest = release.digest;
  directive.manifest_size = static_cast<std::uint32_t>(release.envelope.size());
  directive.offers = {MakePayload(release)};
  directive.byte_budget = 10'000'000;
  directive.telemetry_interval_s = 5;
  directive.trial_ms = 60'000;
  directive.min_inferences = 20;
  directive.not_before_ms = now_ms - limits::kHour;
  directive.expires_ms = now_ms + 30 * limits::kDay;
  return directive;
}

Bytes FakeEngine::SealDirective(const Directive& directive) const {
  return Seal(PayloadType::kDirective, Encode(directive), {&director_key_});
}

void FakeEngine::Send(Directive directive) {
  directive.number = NextNumber();
  directive_number_ = directive.number;
  directive_ = SealDirective(directive);
  SendRaw(directive_topic_, directive_);
}

Bytes FakeEngine::SealOrder(const Order& value) const {
  return Seal(PayloadType::kOrder, Encode(value), {&director_key_});
}

void FakeEngine::SendOrder(const std::string& rollout, OrderAction action) {
  order.fleet_id = kFleet;
  order.number = NextNumber();
  order.created_ms = now_ms;
  order.entries = {{rollout, action, 0, {}}};
  SendRaw(BuildTopic(AllKind::kOrder), SealOrder(order));
}

void FakeEngine::SendFreshness() {
  Freshness freshness;
  freshness.fleet_id = kFleet;
  freshness.number = NextNumber();
  freshness.now_ms = now_ms;
  freshness.held.root_version = 1;
  freshness.held.order = order.number;
  SendRaw(BuildTopic(AllKind::kFreshness),
          Seal(PayloadType::kFreshness, Encode(freshness), {&director_key_}));
}

void FakeEngine::SendRaw(const std::string& topic, ByteView bytes) {
  SLUICE_CHECK(transport_.Publish(topic, bytes, Qos::k1, false).has_value());
}

void FakeEngine::OnMessage(MqttMessage message) {
  const auto topic = ParseUpTopic(message.topic);
  if (!topic) return;
  switch (topic->kind) {
    case UpKind::kHello:
      hellos.push_back(Read<Hello>(message.payload));
      named_ = hellos.back().directive;
      if (answers) AnswerHello();
      break;
    case UpKind::kReport: {
      reports.push_back(Read<Report>(message.payload));
      report_seq_ = std::max(report_seq_, reports.back().seq);
      named_ = std::max(named_, reports.back().directive);
      if (answers && acknowledges_reports && !hellos.empty()) AnswerHello();
      break;
    }
    case UpKind::kTelemetry:
      telemetry.push_back(Read<Telemetry>(message.payload));
      break;
    case UpKind::kPresence:
      presence.emplace_back(AsText(message.payload));
      break;
    case UpKind::kFetch:
      fetches.push_back(Read<FetchRequest>(message.payload));
      if (serves_chunks) Serve(fetches.back());
      break;
  }
}

void FakeEngine::AnswerHello() {
  const Hello& hello = hellos.back();
  Answer answer;
  answer.fleet_id = kFleet;
  answer.device_id = kDevice;
  answer.nonce = hello.nonce;
  answer.engine_epoch = epoch;
  answer.now_ms = now_ms;
  answer.held.root_version = 1;
  answer.held.order = order.number;
  answer.directive = directive_number_;
  answer.report_seq = acknowledges_reports ? report_seq_ : 0;
  if (grants_permits) answer.permit = hello.permit_wanted;
  answer.ask_again_s = ask_again_s;
  answer.telemetry_interval_s = 5;
  last_answer = Seal(PayloadType::kAnswer, Encode(answer), {&director_key_});
  SendRaw(directive_topic_, last_answer);
  if (hello.order < order.number) SendRaw(directive_topic_, SealOrder(order));
  if (named_ < directive_number_) SendRaw(directive_topic_, directive_);
}

void FakeEngine::Serve(const FetchRequest& request) {
  const auto found = objects.find(request.object);
  Chunk chunk;
  chunk.object_id = request.object.Prefix64();
  chunk.request_id = request.request_id;
  if (found == objects.end()) {
    chunk.status = ChunkStatus::kNotFound;
    SendRaw(chunk_topic_, Encode(chunk));
    return;
  }
  const Bytes& object = found->second;
  chunk.object_size = object.size();
  for (const ByteRange& range : request.wanted) {
    for (std::uint64_t at = range.offset;
         at < std::min<std::uint64_t>(range.offset + range.length, object.size());
         at += request.chunk_size) {
      const ByteView data = ByteView(object).subspan(
          at, std::min<std::uint64_t>(request.chunk_size, object.size() - at));
      chunk.offset = at;
      chunk.data.assign(data.begin(), data.end());
      Chunk sent = chunk;
      if (on_chunk && !on_chunk(sent)) continue;
      SendRaw(chunk_topic_, Encode(sent));
    }
  }
}

}  // namespace sluice::device
