#include "rollout_engine/engine/telemetry_book.h"

#include <utility>

#include "rollout_engine/engine/keys.h"
#include "rollout_engine/engine/latency_sketch.h"

namespace sluice {
namespace {

constexpr std::size_t kReleaseIdBytes = 8;

Error CorruptRecord(std::string_view key) {
  return {ErrorCode::kStoreCorrupt,
          std::string(key) + ": not a record of telemetry; run 'sluice store verify' or restore"};
}

Bytes PackSketch(std::uint64_t release_id, const Bytes& sketch) {
  Bytes value;
  for (std::size_t i = 0; i < kReleaseIdBytes; ++i)
    value.push_back(static_cast<std::uint8_t>(release_id >> (8 * i)));
  value.insert(value.end(), sketch.begin(), sketch.end());
  return value;
}

}  // namespace

Status TelemetryBook::Load(const Store& store) {
  Status status;
  const std::string prefix = store_key::Below(store_key::kTotals);
  SLUICE_TRY(store.Scan(prefix, [&](std::string_view key, ByteView value) {
    if (!fleet_.PutRecord(key.substr(prefix.size()), value)) status = Fail(CorruptRecord(key));
    return status.has_value();
  }));
  SLUICE_TRY(status);
  return LoadSketches(store);
}

Status TelemetryBook::LoadSketches(const Store& store) {
  Status status;
  const std::string prefix = store_key::Below(store_key::kSketch);
  SLUICE_TRY(store.Scan(prefix, [&](std::string_view key, ByteView value) {
    std::optional<double> p99_ms;
    if (value.size() > kReleaseIdBytes) p99_ms = LatencyP99Ms(value.subspan(kReleaseIdBytes));
    if (!p99_ms) {
      status = Fail(CorruptRecord(key));
      return false;
    }
    Latency& latency = latencies_[std::string(key.substr(prefix.size()))];
    for (std::size_t i = 0; i < kReleaseIdBytes; ++i)
      latency.release_id |= std::uint64_t{value[i]} << (8 * i);
    latency.p99_ms = *p99_ms;
    latency.sketch.assign(value.begin() + kReleaseIdBytes, value.end());
    return true;
  }));
  return status;
}

Result<bool> TelemetryBook::Accept(const std::string& device, const Telemetry& telemetry,
                                   std::int64_t baseline_ms, BootMs now) {
  changed_.insert(device);
  Result<bool> accepted = fleet_.Update(device, [&](DeviceTotals& totals) {
    Result<bool> taken = AcceptTelemetry(totals, telemetry, now);
    if (taken && *taken) KeepMark(totals, baseline_ms, now);
    return taken;
  });
  if (!accepted || !*accepted) return accepted;
  if (const auto p99_ms = LatencyP99Ms(telemetry.lat_bins)) {
    latencies_[device] = {telemetry.release_id, *p99_ms, telemetry.lat_bins};
    changed_sketches_.insert(device);
  }
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
    if (latency == latencies_.end()) continue;
    const auto totals = fleet_.Get(device.id, TotalsPart::kWithoutMarks);
    if (!totals || !totals->window || totals->window->release_id != latency->second.release_id)
      continue;
    (device.arm == Arm::kTest ? test : control).Add(latency->second.sketch);
  }
  return {test.P99Ms(), control.P99Ms()};
}

void TelemetryBook::Hear(const std::string& device, BootMs now) {
  fleet_.SetLastHeard(device, now);
  changed_.insert(device);
}

void TelemetryBook::Know(const std::string& device, BootMs now) {
  if (!fleet_.Contains(device)) fleet_.SetLastHeard(device, now);
}

BootMs TelemetryBook::LastHeard(const std::string& device) const {
  return fleet_.LastHeard(device);
}

void TelemetryBook::Save(Turn& turn) {
  for (const std::string& device : changed_) {
    const ByteView record = fleet_.RecordOf(device);
    if (record.empty()) continue;  // of a rollout, but never heard
    turn.batch.Put(store_key::Join(store_key::kTotals, {device}), AsText(record));
  }
  changed_.clear();
  for (const std::string& device : changed_sketches_) {
    const Latency& latency = latencies_.at(device);
    turn.batch.Put(store_key::Join(store_key::kSketch, {device}),
                   PackSketch(latency.release_id, latency.sketch));
  }
  changed_sketches_.clear();
}

}  // namespace sluice
