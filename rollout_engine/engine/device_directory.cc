#include "rollout_engine/engine/device_directory.h"

#include <algorithm>
#include <utility>

#include "common/contract/envelope.h"
#include "common/contract/limits.h"
#include "rollout_engine/engine/keys.h"
#include "rollout_engine/engine/stored_json.h"

namespace sluice {
namespace {

Json ToJson(SequenceNumber number) { return Json::array({number.epoch, number.seq}); }

SequenceNumber NumberFrom(const Json& json) {
  return {json.at(0).get<std::uint64_t>(), json.at(1).get<std::uint64_t>()};
}

Instance InstanceFrom(const Json& json) {
  Instance instance{};
  const auto bytes = FromHex(json.get<std::string>());
  if (bytes && bytes->size() == instance.size())
    std::copy(bytes->begin(), bytes->end(), instance.begin());
  return instance;
}

Json ToJson(const HistoryLine& line) {
  return {{"ts", line.ts_ms},        {"state", line.state}, {"release", line.release},
          {"rollout", line.rollout}, {"stage", line.stage}, {"code", line.code},
          {"text", line.text},       {"bytes", line.bytes}};
}

HistoryLine LineFrom(const Json& json) {
  return {json.at("ts"),    json.at("state"), json.at("release"), json.at("rollout"),
          json.at("stage"), json.at("code"),  json.at("text"),    json.at("bytes")};
}

/// Fills `device` from its JSON record; the bytes of its words come from their own keys.
Status ReadRecord(std::string_view key, ByteView value, Device& device) {
  return ReadStoredJson(
             key, value,
             [&device](const Json& json) {
               device.instance = InstanceFrom(json.at("instance"));
               device.instance_before = InstanceFrom(json.at("instance_before"));
               device.report_seq = json.at("report_seq");
               device.active_artifact =
                   DigestFromHex(json.at("active").get<std::string>()).value_or(Digest{});
               device.last_number = NumberFrom(json.at("number"));
               device.quarantine = json.at("quarantine");
               device.history_seq = json.at("history_seq");
               device.last_seen_ms = json.at("last_seen");
               if (json.contains("directive")) {
                 device.directive.emplace();
                 device.directive->release = json.at("directive").at("release");
                 device.directive->named = json.at("directive").at("named");
                 device.directive->finished = json.at("directive").at("finished");
               }
               return true;
             })
      .map([](bool) {});
}

template <class T>
Result<std::optional<T>> ReadWord(const Store& store, const std::string& key, Bytes& bytes) {
  SLUICE_ASSIGN(std::optional<Bytes> stored, store.Get(key));
  if (!stored) return std::optional<T>();
  auto word = Decode<T>(*stored);
  if (!word) return StoredJsonError(key, word.error().Line());
  bytes = std::move(*stored);
  return std::optional<T>(std::move(*word));
}

/// The engine signed it itself and stored it with its record, so the signature is not asked again.
Status ReadDirective(const Store& store, const std::string& key, StandingDirective& directive) {
  SLUICE_ASSIGN(std::optional<Bytes> stored, store.Get(key));
  if (!stored) return StoredJsonError(key, "is named by its device's record but missing");
  const auto envelope = ParseEnvelope(*stored);
  if (!envelope) return StoredJsonError(key, envelope.error().Line());
  auto value = Decode<Directive>(envelope->payload);
  if (!value) return StoredJsonError(key, value.error().Line());
  directive.value = std::move(*value);
  directive.envelope = std::move(*stored);
  return {};
}

}  // namespace

const std::string& Device::model() const {
  static const std::string kNone;
  return hello ? hello->model : kNone;
}

const std::string& Device::hardware() const {
  static const std::string kNone;
  return hello ? hello->hardware : kNone;
}

const SlotSummary* Device::ActiveSlot() const {
  if (!hello || hello->active_slot < 0) return nullptr;
  return &hello->slots[static_cast<std::size_t>(hello->active_slot)];
}

bool Device::HasFallback() const {
  if (!hello) return false;
  for (std::size_t i = 0; i < hello->slots.size(); ++i) {
    const bool serves = hello->active_slot == static_cast<std::int8_t>(i);
    if (!serves && hello->slots[i].state == SlotState::kGood) return true;
  }
  return false;
}

std::string Device::ReleaseOf(const Digest& artifact) const {
  if (!hello || artifact.IsZero()) return {};
  for (const SlotSummary& slot : hello->slots) {
    if (slot.artifact == artifact) return slot.release;
  }
  return {};
}

bool Device::Holds(const Digest& artifact) const {
  if (active_artifact == artifact) return true;
  return hello && std::any_of(hello->slots.begin(), hello->slots.end(),
                              [&](const SlotSummary& slot) { return slot.artifact == artifact; });
}

bool Device::HasWork() const {
  return directive && !directive->finished && directive->value.action == DirectiveAction::kInstall;
}

Status DeviceDirectory::Load(const Store& store) {
  Status status;
  const std::string prefix = store_key::Below(store_key::kDevice);
  SLUICE_TRY(store.Scan(prefix, [&](std::string_view key, ByteView value) {
    const std::string id(key.substr(prefix.size()));
    Device& device = devices_[id];
    device.id = id;
    status = ReadRecord(key, value, device);
    return status.has_value();
  }));
  SLUICE_TRY(std::move(status));
  for (auto& [id, device] : devices_) {
    SLUICE_ASSIGN(device.hello, ReadWord<Hello>(store, store_key::Join(store_key::kHello, {id}),
                                                device.hello_bytes));
    SLUICE_ASSIGN(device.report, ReadWord<Report>(store, store_key::Join(store_key::kReport, {id}),
                                                  device.report_bytes));
    if (device.directive) {
      SLUICE_TRY(
          ReadDirective(store, store_key::Join(store_key::kDirective, {id}), *device.directive));
    }
    NoteSleep(device);
    changed_.insert(id);
  }
  return {};
}

const Device* DeviceDirectory::Find(const std::string& id) const {
  const auto found = devices_.find(id);
  return found == devices_.end() ? nullptr : &found->second;
}

Device* DeviceDirectory::FindMutable(const std::string& id) {
  const auto found = devices_.find(id);
  return found == devices_.end() ? nullptr : &found->second;
}

Device* DeviceDirectory::FindOrAdd(const std::string& id) {
  if (Device* known = FindMutable(id)) return known;
  if (devices_.size() >= limits::kDevicesMax) return nullptr;
  Device& device = devices_[id];
  device.id = id;
  return &device;
}

Heard DeviceDirectory::TakeHello(Device& device, Hello hello, Bytes bytes, Turn& turn) {
  SetOnline(device, true);
  if (device.hello && device.hello->nonce == hello.nonce) return Heard::kDuplicate;
  Heard heard = Heard::kNew;
  const bool first = device.instance == Instance{};
  if (!first && hello.instance != device.instance) {
    heard = hello.instance == device.instance_before ? Heard::kClash : Heard::kNewInstance;
    device.instance_before = device.instance;
    device.report_seq = 0;
  } else if (device.hello && hello.instance == device.hello->instance &&
             hello.record_gen + 1 < device.hello->record_gen) {
    heard = Heard::kClash;
  }
  device.instance = hello.instance;
  device.hello = std::move(hello);
  device.hello_bytes = std::move(bytes);
  NoteSleep(device);
  const SlotSummary* active = device.ActiveSlot();
  device.active_artifact = active ? active->artifact : Digest{};
  NameDirective(device, device.hello->directive);
  device.last_seen_ms = turn.wall.ms;
  turn.batch.Put(store_key::Join(store_key::kHello, {device.id}), device.hello_bytes);
  Save(device, turn);
  return heard;
}

Heard DeviceDirectory::TakeReport(Device& device, Report report, Bytes bytes, Turn& turn) {
  SetOnline(device, true);
  // Only a hello starts a new instance; a straggler of the old one says nothing about this one.
  if (report.instance != device.instance || report.seq <= device.report_seq)
    return Heard::kDuplicate;
  device.report_seq = report.seq;
  device.active_artifact = report.active_artifact;
  NameDirective(device, report.directive);
  // A report on another release may name the Directive in force too: a slot that an Order cannot
  // take away.
  if (device.directive && report.directive == device.directive->value.number &&
      report.manifest == device.directive->value.manifest && IsTerminal(report.state)) {
    device.directive->finished = true;
  }
  device.report = std::move(report);
  device.report_bytes = std::move(bytes);
  device.last_seen_ms = turn.wall.ms;
  turn.batch.Put(store_key::Join(store_key::kReport, {device.id}), device.report_bytes);
  Save(device, turn);
  return Heard::kNew;
}

void DeviceDirectory::TakePresence(Device& device, bool online, Turn& turn) {
  SetOnline(device, online);
  if (online) device.last_seen_ms = turn.wall.ms;
}

void DeviceDirectory::SetDirective(Device& device, StandingDirective directive, Turn& turn) {
  device.last_number = directive.value.number;
  device.directive = std::move(directive);
  turn.batch.Put(store_key::Join(store_key::kDirective, {device.id}), device.directive->envelope);
  Save(device, turn);
}

void DeviceDirectory::Quarantine(Device& device, std::string why, Turn& turn) {
  device.quarantine = std::move(why);
  Save(device, turn);
}

void DeviceDirectory::AddHistory(Device& device, const HistoryLine& line, Turn& turn) {
  const auto key = [&](std::uint64_t seq) {
    return store_key::Join(store_key::kHistory, {device.id, store_key::Number(seq)});
  };
  turn.batch.Put(key(device.history_seq), DumpJson(ToJson(line)));
  if (device.history_seq >= limits::kDeviceHistoryMax) {
    turn.batch.Delete(key(device.history_seq - limits::kDeviceHistoryMax));
  }
  ++device.history_seq;
  Save(device, turn);
}

Result<std::vector<HistoryLine>> DeviceDirectory::History(const Store& store, const std::string& id,
                                                          std::size_t limit) {
  std::vector<HistoryLine> lines;
  Status status;
  SLUICE_TRY(store.Scan(store_key::Below(store_key::kHistory, {id}),
                        [&](std::string_view key, ByteView value) {
                          auto line = ReadStoredJson(key, value, LineFrom);
                          if (!line) {
                            status = Fail(std::move(line).error());
                            return false;
                          }
                          lines.push_back(std::move(*line));
                          return true;
                        }));
  SLUICE_TRY(std::move(status));
  std::reverse(lines.begin(), lines.end());
  if (lines.size() > limit) lines.resize(limit);
  return lines;
}

void DeviceDirectory::MarkBehind(Device& device, bool behind) {
  if (device.behind == behind) return;
  device.behind = behind;
  behind ? ++behind_count_ : --behind_count_;
}

bool DeviceDirectory::CountBad(Device& device, BootMs now) {
  if (device.bad_messages == 0 || now - device.bad_since > limits::kMinute) {
    device.bad_messages = 0;
    device.bad_since = now;
  }
  return ++device.bad_messages >= limits::kBadMessagesPerMinute;
}

bool DeviceDirectory::CountTelemetry(Device& device, bool good) {
  ++device.telemetry_heard;
  if (good) return false;
  ++device.telemetry_bad;
  const bool doubtful =
      device.telemetry_heard >= limits::kTelemetryHeardMin &&
      static_cast<double>(device.telemetry_bad) >
          limits::kTelemetryBadShare * static_cast<double>(device.telemetry_heard);
  return doubtful && !std::exchange(device.telemetry_doubted, true);
}

void DeviceDirectory::NameDirective(Device& device, SequenceNumber number) const {
  if (device.directive && number >= device.directive->value.number) device.directive->named = true;
}

void DeviceDirectory::NoteSleep(const Device& device) {
  if (device.hello && device.hello->next_contact_s > 0) {
    sleepy_.insert(device.id);
  } else {
    sleepy_.erase(device.id);
  }
}

void DeviceDirectory::SetOnline(Device& device, bool online) {
  device.away = !online;
  if (device.online == online) return;
  device.online = online;
  online ? ++online_count_ : --online_count_;
  changed_.insert(device.id);
}

void DeviceDirectory::Save(Device& device, Turn& turn) {
  Json json = {
      {"instance", ToHex(device.instance)},   {"instance_before", ToHex(device.instance_before)},
      {"report_seq", device.report_seq},      {"active", device.active_artifact.Hex()},
      {"number", ToJson(device.last_number)}, {"quarantine", device.quarantine},
      {"history_seq", device.history_seq},    {"last_seen", device.last_seen_ms}};
  if (device.directive) {
    json["directive"] = {{"release", device.directive->release},
                         {"named", device.directive->named},
                         {"finished", device.directive->finished}};
  }
  turn.batch.Put(store_key::Join(store_key::kDevice, {device.id}), DumpJson(json));
  turn.must_sync = true;
  changed_.insert(device.id);
}

}  // namespace sluice
