#include "tests/support/fake_device.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"

namespace sluice::test_support {
namespace {

Trust TrustOf(ByteView root) {
  Result<Trust> trust = Trust::FromInstalledRoot(root);
  SLUICE_CHECK(trust.has_value());
  return std::move(*trust);
}

}  // namespace

FakeDevice::FakeDevice(MemoryBroker& broker, ByteView root, const Catalog& catalog, Setup setup,
                       std::uint64_t seed)
    : setup_(std::move(setup)),
      catalog_(catalog),
      trust_(TrustOf(root)),
      random_(seed),
      transport_(broker, setup_.id),
      slots_(2) {
  random_.Fill(hello.instance);
  hello.model = setup_.model;
  hello.hardware = setup_.hardware;
  hello.attributes = setup_.attributes;
  hello.agent_version = "1.0.0";
  hello.codec_mask = 0b1111;
  hello.chunk_size = 16'320;
  hello.window_bytes_max = 64 * 1024;
  hello.root_version = trust_.root().version;
  hello.boot = 1;
  if (!setup_.installed) return;
  const KnownRelease& release = catalog_.at(*setup_.installed);
  slots_[0].state = SlotState::kGood;
  slots_[0].artifact = release.artifact;
  slots_[0].manifest = *setup_.installed;
  slots_[0].release = release.name;
  activation_ = 1;
}

void FakeDevice::Start() {
  const Will will{BuildTopic(UpTopic{PartitionOf(id()), id(), UpKind::kPresence}),
                  Bytes{'o', 'f', 'f', 'l', 'i', 'n', 'e'}};
  const Status started =
      transport_.Start(will,
                       {{BuildTopic(DownTopic{id(), DownKind::kDirective}), Qos::k1},
                        {BuildTopic(DownTopic{id(), DownKind::kChunk}), Qos::k0},
                        {BuildTopic(AllKind::kOrder), Qos::k1}},
                       *this);
  SLUICE_CHECK(started.has_value());
}

void FakeDevice::OnConnected() {
  const std::string_view online = "online";
  Publish(UpKind::kPresence, AsBytes(online), true);
  SayHello();
}

void FakeDevice::Publish(UpKind kind, ByteView payload, bool retain) {
  const Qos qos = kind == UpKind::kTelemetry || kind == UpKind::kFetch ? Qos::k0 : Qos::k1;
  (void)transport_.Publish(BuildTopic(UpTopic{PartitionOf(id()), id(), kind}), payload, qos,
                           retain);
}

void FakeDevice::SayHello() {
  random_.Fill(hello.nonce);
  ++hello.record_gen;
  hello.slots = slots_;
  hello.active_slot = slots_[active_slot_].artifact.IsZero()
                          ? std::int8_t{-1}
                          : static_cast<std::int8_t>(active_slot_);
  hello.activation = activation_;
  hello.report_seq = report_seq_;
  if (forges_number) hello.directive = {hello.engine_epoch_seen + 1, 1'000'000};
  order_of_types.clear();
  last_hello_ = Encode(hello);
  Publish(UpKind::kHello, last_hello_);
  for (const auto& [seq, report] : outbox_) Publish(UpKind::kReport, report);
}

void FakeDevice::RepeatHello() { Publish(UpKind::kHello, last_hello_); }
void FakeDevice::RepeatReport() { Publish(UpKind::kReport, last_report_); }

void FakeDevice::SendTelemetry(const Telemetry& telemetry) {
  Publish(UpKind::kTelemetry, Encode(telemetry));
}

void FakeDevice::Infer(std::uint32_t inferences, std::uint32_t errors, std::uint32_t slow,
                       std::uint32_t correct) {
  telemetry_.release_id = active().Prefix64();
  telemetry_.activation = activation_;
  telemetry_.boot = 1;
  ++telemetry_.seq;
  telemetry_.inferences += inferences;
  telemetry_.errors += errors;
  telemetry_.over_latency += slow;
  telemetry_.labelled += inferences;
  telemetry_.correct_q8 += correct * 256;
  telemetry_.rss_kb = 1'000;
  telemetry_.lat_bins = std::exchange(lat_bins, {});
  SendTelemetry(telemetry_);
}

void FakeDevice::OnMessage(MqttMessage message) {
  if (message.topic == BuildTopic(DownTopic{id(), DownKind::kChunk})) {
    const auto chunk = Decode<Chunk>(message.payload);
    SLUICE_CHECK(chunk.has_value());
    chunks.push_back(*chunk);
    return;
  }
  const auto envelope = ParseEnvelope(message.payload);
  SLUICE_CHECK(envelope.has_value());
  order_of_types.emplace_back(PayloadTypeName(envelope->type));
  if (envelope->type == PayloadType::kDirective) {
    const auto directive = trust_.Open<Directive>(message.payload);
    SLUICE_CHECK(directive.has_value() && directive->device_id == id());
    directives.push_back(*directive);
    directive_bytes.push_back(message.payload);
    if (directive->number > hello.directive) Take(*directive);
  } else if (envelope->type == PayloadType::kOrder) {
    const auto order = trust_.Open<Order>(message.payload);
    SLUICE_CHECK(order.has_value());
    orders.push_back(*order);
    if (order->number > hello.order) Take(*order);
  } else if (envelope->type == PayloadType::kAnswer) {
    const auto answer = trust_.Open<Answer>(message.payload);
    SLUICE_CHECK(answer.has_value());
    answers.push_back(*answer);
    outbox_.erase(outbox_.begin(), outbox_.upper_bound(answer->report_seq));
    if (answer->nonce == hello.nonce) Take(*answer);
  }
}

void FakeDevice::Take(const Directive& directive) {
  hello.directive = directive.number;
  switch (directive.action) {
    case DirectiveAction::kInstall:
      if (takes_installs) Install(directive);
      break;
    case DirectiveAction::kHold:
      work_ = directive;
      SendReport(ReportState::kHolding);
      break;
    case DirectiveAction::kRevert:
      Revert(directive.rollout, directive.stage, directive.number);
      break;
  }
}

void FakeDevice::Install(const Directive& directive) {
  work_ = directive;
  SlotSummary& standby = slots_[1 - active_slot_];
  const KnownRelease& release = catalog_.at(directive.manifest);
  if (release.artifact == active()) return SendReport(ReportState::kConfirmed);
  standby = {};
  standby.state = SlotState::kReady;
  standby.artifact = release.artifact;
  standby.manifest = directive.manifest;
  standby.release = release.name;
  SendReport(ReportState::kDownloading);
  if (!fails_with.empty()) return SendReport(ReportState::kFailed, fails_with);
  SendReport(ReportState::kReady);
  hello.permit_wanted = directive.manifest;
  hello.state = UpdateState::kReady;
  SayHello();
}

void FakeDevice::Take(const Answer& answer) {
  hello.engine_epoch_seen = std::max(hello.engine_epoch_seen, answer.engine_epoch);
  if (answer.permit.IsZero() || answer.permit != hello.permit_wanted || !work_) return;
  ++permits_used;
  Activate();
}

void FakeDevice::Activate() {
  hello.permit_wanted = {};
  hello.state = UpdateState::kTrial;
  SendReport(ReportState::kActivating);
  active_slot_ = 1 - active_slot_;
  ++activation_;
  telemetry_ = {};
  slots_[active_slot_].rollout = work_->rollout;
  slots_[active_slot_].stage = work_->stage;
  SendReport(ReportState::kActivated);
  if (!reports_confirmed) return;
  slots_[active_slot_].state = SlotState::kGood;
  hello.state = UpdateState::kIdle;
  SendReport(ReportState::kConfirmed);
}

void FakeDevice::Take(const Order& order) {
  hello.order = order.number;
  for (const OrderEntry& entry : order.entries) {
    if (entry.action == OrderAction::kHold) continue;
    if (work_ && work_->rollout == entry.rollout && !hello.permit_wanted.IsZero()) {
      hello.permit_wanted = {};
      SendReport(ReportState::kWithdrawn, "E_WITHDRAWN");
    }
    const SlotSummary& slot = slots_[active_slot_];
    if (entry.action == OrderAction::kRollBack && slot.rollout == entry.rollout &&
        slot.stage >= entry.lowest_stage) {
      Revert(entry.rollout, slot.stage, work_ ? work_->number : SequenceNumber{});
    }
  }
}

void FakeDevice::Revert(const std::string& rollout, std::uint16_t stage,
                        const SequenceNumber& number) {
  if (slots_[active_slot_].rollout != rollout || slots_[1 - active_slot_].artifact.IsZero()) return;
  Directive reverted;
  reverted.manifest = slots_[active_slot_].manifest;  // the one that it leaves
  active_slot_ = 1 - active_slot_;
  ++activation_;
  telemetry_ = {};
  reverted.rollout = rollout;
  reverted.stage = stage;
  reverted.number = number;
  work_ = reverted;
  SendReport(ReportState::kReverted, "E_REVERT_ORDERED");
}

void FakeDevice::SendReport(ReportState state, const std::string& code) {
  Report report;
  report.instance = hello.instance;
  report.record_gen = hello.record_gen;
  report.seq = ++report_seq_;
  report.directive = work_->number;
  report.rollout = work_->rollout;
  report.stage = work_->stage;
  report.manifest = work_->manifest;
  report.state = state;
  report.code = code;
  report.active_artifact = active();
  report.activation = activation_;
  report.bytes_down = 1'000;
  reports.push_back(report);
  last_report_ = Encode(report);
  outbox_[report.seq] = last_report_;
  Publish(UpKind::kReport, last_report_);
}

}  // namespace sluice::test_support
