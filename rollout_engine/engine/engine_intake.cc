// What devices say, and what the engine makes of it.
#include <algorithm>

#include "rollout_engine/engine/engine.h"
#include "rollout_engine/engine/intake.h"
#include "rollout_engine/engine/view_json.h"

namespace sluice {
namespace {

constexpr std::string_view kDevicePlane = "sluice-dev/";  // all else is for rules

/// The device's numbers are above those of this engine: its store is older than its fleet.
bool KnowsMore(const Hello& hello, const Device& device, const Director& director) {
  return hello.directive > device.last_number || hello.order > director.order().number ||
         hello.engine_epoch_seen > director.epoch();
}

std::string StageName(const RolloutLog& log, const Report& report) {
  const RolloutEntry* entry = log.Find(report.rollout);
  if (entry == nullptr || report.stage >= entry->rollout.spec.stages.size()) return "";
  return entry->rollout.spec.stages[report.stage].name;
}

}  // namespace

void Engine::HandleMessage(const MqttMessage& message) {
  if (!failure_ || superseded_) return;
  if (message.topic == BuildTopic(AllKind::kFreshness)) return TakeFreshness(message);
  if (IsServerLeaseTopic(message.topic)) TakeServerLease(message);
  if (!message.topic.starts_with(kDevicePlane)) return rules_.Take(message, CurrentTurn());
  auto parsed = ParseDeviceMessage(message);
  if (!parsed) return Refuse(parsed.error());
  // Only a hello makes a device known: whoever has not said one is asked for nothing and told
  // nothing.
  const bool is_hello = std::holds_alternative<Hello>(parsed->word);
  Device* device =
      is_hello ? devices_.FindOrAdd(parsed->device) : devices_.FindMutable(parsed->device);
  if (device == nullptr) {
    ++counters_.refused_messages;
    return;
  }
  Turn& turn = CurrentTurn();
  if (const auto* presence = std::get_if<Presence>(&parsed->word)) {
    devices_.TakePresence(*device, presence->online, turn);
    if (!presence->online) chunks_.Forget(device->id);
    return;
  }
  if (!message.retained) {
    telemetry_.Hear(device->id, turn.now);
    devices_.TakeSign(*device);
  }
  if (auto* hello = std::get_if<Hello>(&parsed->word))
    return Take(*device, std::move(*hello), message.payload);
  if (auto* report = std::get_if<Report>(&parsed->word))
    return Take(*device, std::move(*report), message.payload);
  if (const auto* telemetry = std::get_if<Telemetry>(&parsed->word))
    return TakeTelemetry(*device, *telemetry);
  if (const auto* fetch = std::get_if<FetchRequest>(&parsed->word))
    chunks_.Ask(device->id, *fetch, turn.now);
}

void Engine::Refuse(const Refusal& refusal) {
  ++counters_.refused_messages;
  if (refusal.error.code == ErrorCode::kTmRange) {
    // A counter out of range is a bug of a model or its host, not an attack: dropped and counted.
    if (Device* const counted = devices_.FindMutable(refusal.device))
      RejectTelemetry(*counted, refusal.error);
    return;
  }
  Device* device = devices_.FindMutable(refusal.device);
  if (device == nullptr || !device->quarantine.empty()) return;
  if (DeviceDirectory::CountBad(*device, CurrentTurn().now)) {
    Quarantine(*device, refusal.error.code, "sends what cannot be read: " + refusal.error.text);
  }
}

void Engine::RejectTelemetry(Device& device, const Error& why) {
  ++counters_.telemetry_rejected;
  if (!DeviceDirectory::CountTelemetry(device, false)) return;
  Turn& turn = CurrentTurn();
  const std::string text = "more than 5 % of its telemetry cannot be so, the last: " + why.text;
  devices_.AddHistory(device,
                      {.ts_ms = turn.wall.ms,
                       .state = "doubted",
                       .code = std::string(CodeName(ErrorCode::kTmRange)),
                       .text = text},
                      turn);
  RolloutEntry* const entry = log_.Covering(device.id);
  if (entry == nullptr) return;
  log_.AddNote(*entry,
               {.type = "telemetry",
                .by = "engine",
                .via = "engine",
                .ok = false,
                .code = std::string(CodeName(ErrorCode::kTmRange)),
                .why = device.id + ": " + text},
               turn);
}

void Engine::Quarantine(Device& device, ErrorCode code, const std::string& why) {
  Turn& turn = CurrentTurn();
  const Error error{code, why};
  devices_.AddHistory(device,
                      {.ts_ms = turn.wall.ms,
                       .state = "quarantined",
                       .code = std::string(CodeName(code)),
                       .text = why},
                      turn);
  devices_.Quarantine(device, error.Line(), turn);
  runner_.OnQuarantine(device, turn);
}

void Engine::TakeFreshness(const MqttMessage& message) {
  const auto freshness = director_.trust().Open<Freshness>(message.payload);
  // An engine that took the fleet over speaks with a higher epoch, and only a director key makes
  // this one believe it.
  if (freshness && freshness->number.epoch > director_.epoch()) StepDown();
}

void Engine::TakeServerLease(const MqttMessage& message) {
  const auto lease = ParseServerLease(message.topic, message.payload);
  if (!lease) {
    ++counters_.refused_messages;
    return;
  }
  servers_.Take(*lease, message.retained, CurrentTurn().now);
}

void Engine::Take(Device& device, Hello hello, const Bytes& bytes) {
  ++counters_.hellos;
  Turn& turn = CurrentTurn();
  const Heard heard = devices_.TakeHello(device, std::move(hello), bytes, turn);
  if (heard == Heard::kDuplicate) {
    ++counters_.duplicates;
    return conversation_.Owe(device.id, Urgency::kHello, turn.now);
  }
  if (!CheckHello(device, heard)) return;
  runner_.OnHello(device, turn);
  const bool waits_for_news =
      !device.hello->permit_wanted.IsZero() ||
      (device.directive && device.hello->directive < device.directive->value.number);
  conversation_.Owe(device.id, waits_for_news ? Urgency::kNews : Urgency::kHello, turn.now);
}

bool Engine::CheckHello(Device& device, Heard heard) {
  Turn& turn = CurrentTurn();
  if (heard == Heard::kClash && device.quarantine.empty()) {
    Quarantine(device, ErrorCode::kIdentityClash,
               "two disks or two machines speak as " + device.id +
                   "; end one of them, then lift the quarantine");
  }
  if (heard == Heard::kNewInstance) {
    devices_.AddHistory(
        device,
        {.ts_ms = turn.wall.ms, .state = "idle", .text = "a new instance: the device was emptied"},
        turn);
  }
  devices_.MarkBehind(device, KnowsMore(*device.hello, device, director_));
  if (!device.behind) return true;
  const auto share =
      static_cast<double>(devices_.behind_count()) / static_cast<double>(devices_.all().size());
  if (devices_.behind_count() >= limits::kStoreBehindDevices &&
      share >= limits::kStoreBehindShare) {
    runner_.PauseAll(
        "E_STORE_BEHIND: " + std::to_string(devices_.behind_count()) +
            " devices know numbers that this store never held; was an old copy restored?",
        turn);
  }
  return false;
}

void Engine::Take(Device& device, Report report, const Bytes& bytes) {
  Turn& turn = CurrentTurn();
  const Heard heard = devices_.TakeReport(device, std::move(report), bytes, turn);
  conversation_.Owe(device.id, Urgency::kReport, turn.now);
  if (heard == Heard::kDuplicate) {
    ++counters_.duplicates;
    return;
  }
  ++counters_.reports;
  const Report& taken = *device.report;
  std::string release;
  if (device.directive && taken.directive == device.directive->value.number)
    release = device.directive->release;
  devices_.AddHistory(
      device,
      {.ts_ms = turn.wall.ms,
       .state = std::string(DeviceStateName(StateOf(taken.state))),
       .release = release.empty() ? offers_.ReleaseNameOf(taken.active_artifact) : release,
       .rollout = taken.rollout,
       .stage = StageName(log_, taken),
       .code = taken.code.empty() ? "OK" : taken.code,
       .text = taken.text,
       .bytes = taken.bytes_down},
      turn);
  runner_.OnReport(device, turn);
}

void Engine::TakeTelemetry(Device& device, const Telemetry& telemetry) {
  const auto accepted =
      telemetry_.Accept(device.id, telemetry, runner_.BaselineMs(device.id), CurrentTurn().now);
  if (!accepted) {
    RejectTelemetry(device, accepted.error());
  } else {
    DeviceDirectory::CountTelemetry(device, true);
    counters_.telemetry += *accepted ? 1 : 0;
  }
  devices_.NoteChanged(device.id);
}

}  // namespace sluice
