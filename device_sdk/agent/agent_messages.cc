// What the engine says to an agent, and what the agent says by itself.
#include <algorithm>

#include "common/contract/topics.h"
#include "device_sdk/agent/agent.h"

namespace sluice::device {
namespace {

constexpr std::int64_t kUnknownKeyHelloMs = 10 * limits::kSecond;
constexpr std::int64_t kBehindHelloMs = 5 * limits::kSecond;
constexpr std::int64_t kFreshnessHelloSpanMs = 10 * limits::kMinute;
/// A whole fleet hears at once that its engine is back: what it must say again is spread over this.
constexpr std::int64_t kEngineBackHelloSpanMs = 2 * limits::kSecond;
constexpr std::int64_t kSketchIntervalMs = limits::kHour;

}  // namespace

void Agent::HandleMessage(const MqttMessage& message) {
  if (message.topic == chunk_topic_) {
    const Result<Chunk> chunk = Decode<Chunk>(message.payload);
    if (!chunk) return Refused("chunk", chunk.error());
    const Status taken = fetcher_.OnChunk(*chunk, Boot());
    // A chunk that does not fit is nobody's loss: it is asked for again.
    if (!taken && taken.error().code != ErrorCode::kChunkRange)
      installer_.OnFetchFailed(taken.error());
    return PollInstaller();
  }
  if (message.topic == directive_topic_) {
    OnDownMessage(message.payload);
  } else if (message.topic == BuildTopic(AllKind::kRoot)) {
    OnAllMessage(PayloadType::kRoot, message.payload);
  } else if (message.topic == BuildTopic(AllKind::kFreshness)) {
    OnAllMessage(PayloadType::kFreshness, message.payload);
  } else if (message.topic == BuildTopic(AllKind::kOrder)) {
    OnAllMessage(PayloadType::kOrder, message.payload);
  }
  Poll();
}

void Agent::OnDownMessage(const Bytes& payload) {
  if (payload.empty()) return;  // a cleared retained message: absence means no change
  const Result<Envelope> envelope = ParseEnvelope(payload);
  if (!envelope) return Refused("message", envelope.error());
  switch (envelope->type) {
    case PayloadType::kRoot:
      return OnRoot(payload);
    case PayloadType::kAnswer:
      return OnAnswer(payload);
    case PayloadType::kOrder:
      return OnOrder(payload);
    case PayloadType::kDirective:
      static_cast<void>(Feed(DirectiveReceived{payload}));
      return;
    case PayloadType::kManifest:
    case PayloadType::kRevocations:
    case PayloadType::kFreshness:
      break;
  }
  Refused("message", {ErrorCode::kEnvFormat, std::string(PayloadTypeName(envelope->type)) +
                                                 " does not come on this topic"});
}

void Agent::OnAllMessage(PayloadType expected, const Bytes& payload) {
  if (payload.empty()) return;
  const Result<Envelope> envelope = ParseEnvelope(payload);
  if (!envelope) return Refused("broadcast", envelope.error());
  if (envelope->type != expected) {
    return Refused("broadcast",
                   {ErrorCode::kEnvFormat,
                    std::string(PayloadTypeName(envelope->type)) + " does not come on this topic"});
  }
  if (expected == PayloadType::kRoot) return OnRoot(payload);
  if (expected == PayloadType::kOrder) return OnOrder(payload);
  OnFreshness(payload);
}

void Agent::Refused(std::string_view what, const Error& why) {
  last_error_ = why.With(what);
  Log("refused " + std::string(what) + ": " + why.Line());
  // What stands keeps its number over a restart of the engine: only an Answer tells it from an old
  // one.
  const bool asks = why.code == ErrorCode::kSigUnknownKey || why.code == ErrorCode::kStaleEngine;
  if (asks) hello_.Want(Boot() + kUnknownKeyHelloMs);
}

void Agent::OnRoot(const Bytes& envelope) {
  const ByteView held = verifier_.root_envelope();
  if (std::ranges::equal(envelope, held)) return;
  Result<Verifier::NextRoot> next = verifier_.CheckRoot(envelope);
  if (!next) return Refused("Root", next.error());
  const RootReplaced event = next->event;
  const std::uint32_t version = event.version;
  static_cast<void>(Feed(event));
  if (update_.record.root_version != version) return;  // not stored, so not taken
  verifier_.TakeRoot(std::move(next->next));
  if (event.reset_numbers) time_.Reset(event.created_ms);
  Log("Root " + std::to_string(version));
}

void Agent::OnAnswer(const Bytes& envelope) {
  Result<Answer> answer = verifier_.CheckAnswer(envelope, nonce_, update_.record, time_);
  if (!answer) return Refused("Answer", answer.error());
  const BootMs now = Boot();
  hello_.OnAnswer(now);
  time_.OnAnswer(answer->now_ms, now);
  newest_answer_ = *std::move(answer);
  named_ = newest_answer_.held;
  static_cast<void>(Feed(EngineSeen{newest_answer_.engine_epoch, newest_answer_.now_ms, {}}));
  reporter_.OnAnswer(newest_answer_.report_seq, now);
  // What it names comes right behind it.
  if (IsBehind()) hello_.Want(now + kBehindHelloMs);

  const auto& install = update_.plan.install;
  if (update_.state() != UpdateState::kReady || !install) return;
  if (newest_answer_.permit == install->manifest && permit_spent_ != nonce_) {
    permit_until_ = now + limits::kPermitLife;
    return;
  }
  const std::int64_t ask_again_ms =
      static_cast<std::int64_t>(newest_answer_.ask_again_s) * limits::kSecond;
  if (WantsPermit()) hello_.Want(now + (ask_again_ms > 0 ? ask_again_ms : kAskAgainDefaultMs));
}

/// An engine that has just connected missed what was said while it was away, or died with it.
/// Waiting out the timers would cost a rollout a minute.
void Agent::OnEngineBack() {
  const BootMs at = Boot() + static_cast<std::int64_t>(parts_.random.Below(kEngineBackHelloSpanMs));
  hello_.OnEngineBack(at);
  reporter_.OnEngineBack();
  if (reporter_.IsWaiting()) hello_.Want(at);
}

void Agent::OnFreshness(const Bytes& envelope) {
  const Result<Freshness> freshness = verifier_.CheckFreshness(envelope, update_.record, time_);
  if (!freshness) return Refused("Freshness", freshness.error());
  time_.OnFreshness(freshness->now_ms);
  // The engine says a new one when it connects.
  if (freshness->number > update_.record.freshness) OnEngineBack();
  static_cast<void>(
      Feed(EngineSeen{freshness->number.epoch, freshness->now_ms, freshness->number}));
  named_ = freshness->held;
  if (!IsBehind()) return;
  const bool at_work =
      update_.state() != UpdateState::kIdle && update_.state() != UpdateState::kFault;
  const auto jitter_ms = static_cast<std::int64_t>(parts_.random.Below(kFreshnessHelloSpanMs));
  hello_.Want(Boot() + (at_work ? 0 : jitter_ms));
}

void Agent::OnOrder(const Bytes& envelope) {
  Result<std::optional<OrderReceived>> order =
      verifier_.CheckOrder(envelope, update_.record, newest_answer_.held.order);
  if (!order) return Refused("Order", order.error());
  if (!*order) return;
  Log("Order " + std::to_string((*order)->order.number.epoch) + "." +
      std::to_string((*order)->order.number.seq));
  static_cast<void>(Feed(**std::move(order)));
}

std::vector<SlotSummary> Agent::SlotSummaries() const {
  std::vector<SlotSummary> summaries;
  for (std::size_t i = 0; i < static_cast<std::size_t>(update_.slot_count); ++i) {
    const SlotRecord& slot = update_.record.slots[i];
    summaries.push_back(
        {slot.state, slot.artifact, slot.manifest, slot.release, slot.rollout, slot.stage});
  }
  return summaries;
}

void Agent::PublishHello() {
  const StateRecord& record = update_.record;
  parts_.random.Fill(nonce_);
  Hello hello;
  hello.nonce = nonce_;
  hello.instance = parts_.store.instance();
  hello.boot = record.boot;
  hello.record_gen = record.gen;
  hello.model = options_.model;
  hello.hardware = options_.hardware;
  hello.agent_version = kAgentVersion;
  hello.runtime_abi = options_.runtime_abi;
  hello.memory_class = MemoryClass::kL;
  hello.codec_mask = kCodecMaskV1;
  hello.chunk_size = options_.chunk_bytes;
  hello.window_bytes_max = options_.window_bytes_max;
  hello.state = update_.state();
  hello.slots = SlotSummaries();
  hello.active_slot = record.active ? static_cast<std::int8_t>(*record.active) : std::int8_t{-1};
  hello.activation = record.activation;
  hello.floor_epoch = record.floor_epoch;
  hello.root_version = verifier_.root().version;
  hello.directive = record.directive;
  hello.order = record.order;
  hello.engine_epoch_seen = record.engine_epoch;
  hello.report_seq = reporter_.last_seq();
  if (WantsPermit()) {
    hello.permit_wanted = update_.plan.install->manifest;
  }
  hello.bad_artifacts = record.bad_artifacts;
  hello.attributes.assign(options_.attributes.begin(), options_.attributes.end());
  const BootMs now = Boot();
  // One that could not be sent counts as one that was not answered.
  static_cast<void>(parts_.transport.Publish(hello_topic_, Encode(hello), Qos::k1, false));
  hello_.OnHelloSaid(now);
}

void Agent::PublishTelemetry(bool ask_runner) {
  if (counted_release_.IsZero() || !hello_.connected()) return;
  // Its counters are those of its last health call.
  if (ask_runner) static_cast<void>(parts_.host.Health());
  const CounterSnapshot counts = Counts();
  const StateRecord& record = update_.record;
  Telemetry telemetry;
  telemetry.release_id = counted_release_.Prefix64();
  telemetry.activation = counted_activation_;
  telemetry.boot = static_cast<std::uint16_t>(record.boot);
  telemetry.flags = telemetry_flags_;
  const bool can_go_back =
      record.fallback && record.slots[*record.fallback].state == SlotState::kGood;
  if (can_go_back) telemetry.flags |= Telemetry::kStandbyHealthy;
  if (time_.IsUntrusted(parts_.clock.Wall())) telemetry.flags |= Telemetry::kClockUnsynchronised;
  telemetry.seq = ++telemetry_seq_;
  telemetry.up_s = static_cast<std::uint32_t>((Boot() - started_) / limits::kSecond);
  telemetry.inferences = counts.inferences;
  telemetry.errors = counts.errors;
  telemetry.over_latency = counts.over_latency;
  telemetry.labelled = counts.labelled;
  telemetry.correct_q8 = counts.correct_q8;
  telemetry.rss_kb = options_.rss_kb ? options_.rss_kb() : 0;
  if (const auto own = parts_.host.Counters()) telemetry.rss_kb = own->rss_kb;
  telemetry.crashes = crashes_;
  telemetry.val_drop_q = val_drop_q_;
  if (!sketch_due_) sketch_due_ = Boot() + kSketchIntervalMs;
  if (Boot() >= *sketch_due_) {
    sketch_due_ = Boot() + kSketchIntervalMs;
    telemetry.lat_bins = counters_.TakeSketch();
    telemetry.lat_seq = ++sketch_seq_;
  }
  static_cast<void>(parts_.transport.Publish(telemetry_topic_, Encode(telemetry), Qos::k0, false));
}

}  // namespace sluice::device
