#include "rollout_engine/engine/event_codec.h"

#include <array>
#include <utility>

#include "rollout_engine/core/rollout.h"
#include "rollout_engine/engine/stored_json.h"

namespace sluice {

// Found by the JSON library through argument-dependent lookup.
void to_json(Json& json, const FleetDevice& device) {
  json = {device.id,           device.hardware, device.unit,        device.has_model,
          device.variant_unit, device.site,     device.unsettled_ms};
}
void from_json(const Json& json, FleetDevice& device) {
  device = {json.at(0), json.at(1), json.at(2), json.at(3), json.at(4), json.at(5), json.at(6)};
}
void to_json(Json& json, const FormerControl& control) {
  json = {control.theta, control.variance, control.m, control.raw, control.x0, control.m0};
}
void from_json(const Json& json, FormerControl& control) {
  control = {json.at(0), json.at(1), json.at(2), json.at(3), json.at(4), json.at(5)};
}

namespace {

template <class T>
void Put(Json& json, const char* key, const std::optional<T>& value) {
  if (value) json[key] = *value;
}
template <class T>
std::optional<T> Optional(const Json& json, const char* key) {
  if (!json.contains(key)) return std::nullopt;
  return json.at(key).get<T>();
}

// One pair of functions per event; the name of the event is beside its members.

void Write(Json& json, const Started& e) {
  json["eligible"] = e.eligible;
  json["release_ids"] = e.release_ids;
}
void Read(const Json& json, Started& e) {
  json.at("eligible").get_to(e.eligible);
  json.at("release_ids").get_to(e.release_ids);
}
void Write(Json& json, const DeviceJoined& e) { json["joined"] = e.device; }
void Read(const Json& json, DeviceJoined& e) { json.at("joined").get_to(e.device); }
void Write(Json& json, const DeviceLeft& e) { json["device"] = e.device; }
void Read(const Json& json, DeviceLeft& e) { json.at("device").get_to(e.device); }
void Write(Json& json, const DeviceReported& e) {
  json["device"] = e.device;
  json["state"] = static_cast<int>(e.state);
  json["code"] = e.code;
}
void Read(const Json& json, DeviceReported& e) {
  json.at("device").get_to(e.device);
  e.state = static_cast<ReportState>(json.at("state").get<int>());
  json.at("code").get_to(e.code);
}
void Write(Json& json, const PermitWanted& e) { json["device"] = e.device; }
void Read(const Json& json, PermitWanted& e) { json.at("device").get_to(e.device); }

void Write(Json& json, const LookJudged& e) {
  json["stage"] = e.stage;
  json["look"] = e.look;
  json["variant"] = e.variant;
  json["decision"] = static_cast<int>(e.decision);
  json["hold_cause"] = static_cast<int>(e.hold_cause);
  json["brake"] = e.brake;
  json["fleet_fails"] = e.fleet_fails;
  json["failed_strata"] = e.failed_strata;
  json["sentence"] = e.sentence;
  json["iref"] = e.state.iref;
  Put(json, "control", e.state.control);
  json["reachable"] = e.reachable;
  json["reachable_active"] = e.reachable_active;
  json["enough_active"] = e.enough_active;
  Put(json, "memory_increase_percent", e.memory_increase_percent);
  Put(json, "upper_bound", e.upper_bound);
}
void Read(const Json& json, LookJudged& e) {
  json.at("stage").get_to(e.stage);
  json.at("look").get_to(e.look);
  json.at("variant").get_to(e.variant);
  e.decision = static_cast<Decision>(json.at("decision").get<int>());
  e.hold_cause = static_cast<HoldCause>(json.at("hold_cause").get<int>());
  json.at("brake").get_to(e.brake);
  json.at("fleet_fails").get_to(e.fleet_fails);
  json.at("failed_strata").get_to(e.failed_strata);
  json.at("sentence").get_to(e.sentence);
  json.at("iref").get_to(e.state.iref);
  e.state.control = Optional<std::map<std::string, FormerControl>>(json, "control");
  json.at("reachable").get_to(e.reachable);
  json.at("reachable_active").get_to(e.reachable_active);
  json.at("enough_active").get_to(e.enough_active);
  e.upper_bound = Optional<double>(json, "upper_bound");
  e.memory_increase_percent = Optional<double>(json, "memory_increase_percent");
}

void Write(Json& json, const TimerFired& e) { json["timer"] = static_cast<int>(e.kind); }
void Read(const Json& json, TimerFired& e) {
  e.kind = static_cast<TimerKind>(json.at("timer").get<int>());
}

void Write(Json& json, const PromoteRequested& e) {
  json["reason"] = e.reason;
  json["by"] = e.by;
  Put(json, "to_stage", e.to_stage);
}
void Read(const Json& json, PromoteRequested& e) {
  json.at("reason").get_to(e.reason);
  json.at("by").get_to(e.by);
  e.to_stage = Optional<std::int32_t>(json, "to_stage");
}
template <class E>
requires requires(E e) { e.reason; }
void Write(Json& json, const E& e) {
  json["reason"] = e.reason;
  json["by"] = e.by;
}
template <class E>
requires requires(E e) { e.reason; }
void Read(const Json& json, E& e) {
  json.at("reason").get_to(e.reason);
  json.at("by").get_to(e.by);
}

/// Fills `body` with the event whose name is `name`; false when there is none.
template <std::size_t... I>
bool ReadNamed(const Json& json, std::string_view name, EventBody& body,
               std::index_sequence<I...>) {
  const auto read = [&]<std::size_t Index>() {
    if (EventName(Index) != name) return false;
    Read(json, body.emplace<Index>());
    return true;
  };
  return (read.template operator()<I>() || ...);
}

}  // namespace

std::string EncodeEvent(const Event& event) {
  Json json = {
      {"event", EventName(event.body.index())}, {"now", event.now.ms}, {"wall", event.wall.ms}};
  std::visit([&json](const auto& body) { Write(json, body); }, event.body);
  return DumpJson(json);
}

Result<Event> DecodeEvent(std::string_view key, ByteView value) {
  auto event = ReadStoredJson(key, value, [](const Json& json) {
    std::optional<Event> read(std::in_place);
    read->now.ms = json.at("now");
    read->wall.ms = json.at("wall");
    const auto name = json.at("event").get<std::string>();
    if (!ReadNamed(json, name, read->body, std::make_index_sequence<kEventCount>())) read.reset();
    return read;
  });
  if (!event) return Fail(std::move(event).error());
  if (!*event) return StoredJsonError(key, "holds an event of an unknown name");
  return std::move(**event);
}

}  // namespace sluice
