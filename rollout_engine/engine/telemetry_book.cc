#include "rollout_engine/engine/telemetry_book.h"

#include <utility>

#include "rollout_engine/engine/keys.h"
#include "rollout_engine/engine/latency_sketch.h"
#include "rollout_engine/engine/stored_json.h"

namespace sluice {

// Found by the JSON library through argument-dependent lookup. Arrays, since there is one per
// device.
void to_json(Json& json, const Counters& c) {
  json = {c.inferences, c.errors, c.over_latency, c.labelled, c.correct_q8, c.crashes};
}
void from_json(const Json& json, Counters& c) {
  c = {json.at(0), json.at(1), json.at(2), json.at(3), json.at(4), json.at(5)};
}
void to_json(Json& json, const TelemetrySegment& s) {
  json = {s.release_id, s.activation, s.boot, s.seq, s.total};
}
void from_json(const Json& json, TelemetrySegment& s) {
  s = {json.at(0), json.at(1), json.at(2), json.at(3), json.at(4).get<Counters>()};
}
void to_json(Json& json, const DeviceTotals::Mark& m) { json = {m.at.ms, m.release_id, m.total}; }
void from_json(const Json& json, DeviceTotals::Mark& m) {
  m = {{json.at(0).get<std::int64_t>()}, json.at(1), json.at(2).get<Counters>()};
}

namespace {

Json ToJson(const DeviceTotals& totals) {
  Json json = {{"segments", totals.segments},
               {"marks", totals.marks},
               {"rss_kb", totals.rss_kb},
               {"rss_kb_before", totals.rss_kb_before},
               {"last_heard", totals.last_heard.ms},
               {"range_errors", totals.range_errors}};
  for (const auto& [release, counters] : totals.folded)
    json["folded"].push_back({release, counters});
  if (totals.window) {
    json["window"] = {totals.window->release_id, totals.window->started.ms,
                      totals.window->epoch_started.ms, totals.window->at_start,
                      totals.window->at_epoch_start};
  }
  if (totals.pre) {
    for (const RatioCount& count : *totals.pre) json["pre"].push_back({count.n, count.y});
  }
  return json;
}

DeviceTotals TotalsFrom(const Json& json) {
  DeviceTotals totals;
  json.at("segments").get_to(totals.segments);
  json.at("marks").get_to(totals.marks);
  totals.rss_kb = json.at("rss_kb");
  totals.rss_kb_before = json.at("rss_kb_before");
  totals.last_heard.ms = json.at("last_heard");
  totals.range_errors = json.at("range_errors");
  if (json.contains("folded")) {
    for (const Json& row : json.at("folded")) {
      totals.folded[row.at(0).get<std::uint64_t>()] = row.at(1).get<Counters>();
    }
  }
  if (json.contains("window")) {
    const Json& window = json.at("window");
    totals.window = TelemetryWindow{.release_id = window.at(0),
                                    .started = {window.at(1).get<std::int64_t>()},
                                    .epoch_started = {window.at(2).get<std::int64_t>()},
                                    .at_start = window.at(3).get<Counters>(),
                                    .at_epoch_start = window.at(4).get<Counters>()};
  }
  if (json.contains("pre")) {
    totals.pre.emplace();
    for (std::size_t i = 0; i < totals.pre->size(); ++i) {
      (*totals.pre)[i] = {json.at("pre").at(i).at(0), json.at("pre").at(i).at(1)};
    }
  }
  return totals;
}

}  // namespace

Status TelemetryBook::Load(const Store& store) {
  Status status;
  const std::string prefix = store_key::Below(store_key::kTotals);
  SLUICE_TRY(store.Scan(prefix, [&](std::string_view key, ByteView value) {
    auto totals = ReadStoredJson(key, value, TotalsFrom);
    if (!totals) {
      status = Fail(std::move(totals).error());
      return false;
    }
    fleet_[std::string(key.substr(prefix.size()))] = std::move(*totals);
    return true;
  }));
  return status;
}

Result<bool> TelemetryBook::Accept(const std::string& device, const Telemetry& telemetry,
                                   std::int64_t baseline_ms, BootMs now) {
  DeviceTotals& totals = fleet_[device];
  changed_.insert(device);
  Result<bool> accepted = AcceptTelemetry(totals, telemetry, now);
  if (!accepted || !*accepted) return accepted;
  KeepMark(totals, baseline_ms, now);
  if (const auto p99_ms = LatencyP99Ms(telemetry.lat_bins))
    latencies_[device] = {telemetry.release_id, *p99_ms, telemetry.lat_bins};
  return accepted;
}

std::optional<double> TelemetryBook::LatencyP99Of(const std::string& device,
                                                  std::uint64_t release_id) const {
  const auto found = latencies_.find(device);
  if (found == latencies_.end() || found->second.release_id != release_id) return std::nullopt;
  return found->second.p99_ms;
}

TelemetryBook::ArmLatencies TelemetryBook::LatenciesOf(const JudgeInput& look) const {
  LatencyHistogram test;
  LatencyHistogram control;
  for (const JudgedDevice& device : look.devices) {
    const auto latency = latencies_.find(device.id);
    const auto totals = fleet_.find(device.id);
    if (latency == latencies_.end() || totals == fleet_.end()) continue;
    const auto& window = totals->second.window;
    if (!window || window->release_id != latency->second.release_id) continue;
    (device.arm == Arm::kTest ? test : control).Add(latency->second.sketch);
  }
  return {test.P99Ms(), control.P99Ms()};
}

void TelemetryBook::Hear(const std::string& device, BootMs now) {
  fleet_[device].last_heard = now;
  changed_.insert(device);
}

void TelemetryBook::Know(const std::string& device, BootMs now) {
  const auto [known, is_new] = fleet_.try_emplace(device);
  if (is_new) known->second.last_heard = now;
}

BootMs TelemetryBook::LastHeard(const std::string& device) const {
  const auto found = fleet_.find(device);
  return found == fleet_.end() ? DeviceTotals().last_heard : found->second.last_heard;
}

void TelemetryBook::Save(Turn& turn) {
  for (const std::string& device : changed_) {
    const auto totals = fleet_.find(device);
    if (totals == fleet_.end()) continue;  // of a rollout, but never heard
    turn.batch.Put(store_key::Join(store_key::kTotals, {device}), DumpJson(ToJson(totals->second)));
  }
  changed_.clear();
}

}  // namespace sluice
