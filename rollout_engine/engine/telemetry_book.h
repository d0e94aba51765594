// The fleet's telemetry totals, and their copy in the store.
//
// A copy may be a few seconds old after a crash: counters are cumulative, so the next report of
// each device makes up for it. What a rollout counts in (the windows) is written in the batch of
// the event that opened it.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "rollout_engine/core/look.h"
#include "rollout_engine/engine/turn.h"

namespace sluice {

class TelemetryBook {
 public:
  Status Load(const Store& store);

  /// See AcceptTelemetry.
  Result<bool> Accept(const std::string& device, const Telemetry& telemetry,
                      std::int64_t baseline_ms, BootMs now);
  /// Any message counts against silence.
  void Hear(const std::string& device, BootMs now);
  /// A device of the directory, after a start: one without totals is not silent since for ever, but
  /// from now on.
  void Know(const std::string& device, BootMs now);

  [[nodiscard]] FleetTelemetry& fleet() { return fleet_; }
  [[nodiscard]] const FleetTelemetry& fleet() const { return fleet_; }
  [[nodiscard]] BootMs LastHeard(const std::string& device) const;
  /// The 99th percentile of the newest hourly sketch, if that was of this release.
  [[nodiscard]] std::optional<double> LatencyP99Of(const std::string& device,
                                                   std::uint64_t release_id) const;
  /// Over the newest sketches of the devices in either arm of a look, each of the release that
  /// counts there.
  struct ArmLatencies {
    std::optional<double> test_p99_ms;
    std::optional<double> control_p99_ms;
  };
  [[nodiscard]] ArmLatencies LatenciesOf(const JudgeInput& look) const;
  /// These totals changed by something that must not be lost.
  void NoteChanged(const std::string& device) { changed_.insert(device); }
  /// Puts what changed since the last save into the batch.
  void Save(Turn& turn);
  [[nodiscard]] bool has_changes() const { return !changed_.empty() || !changed_sketches_.empty(); }

 private:
  struct Latency {
    std::uint64_t release_id = 0;
    double p99_ms = 0;
    Bytes sketch;
  };
  Status LoadSketches(const Store& store);

  FleetTelemetry fleet_;
  std::unordered_map<std::string, Latency> latencies_;
  std::set<std::string> changed_;
  std::set<std::string> changed_sketches_;
};

}  // namespace sluice
