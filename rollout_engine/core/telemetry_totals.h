// Totals of a device's cumulative telemetry: loss, duplicates and reordering of reports cannot bias
// them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/base/clock.h"
#include "common/base/result.h"
#include "common/contract/hello.h"
#include "rollout_engine/core/judge_snapshot.h"

namespace sluice {

/// Counters that only grow, wider than the wire's.
struct Counters {
  std::uint64_t inferences = 0, errors = 0, over_latency = 0, labelled = 0, correct_q8 = 0,
                crashes = 0;

  Counters& operator+=(const Counters& other);
  /// Per counter, never below 0.
  friend Counters operator-(Counters later, const Counters& earlier);
  /// n and y of each metric.
  [[nodiscard]] RatioCounts Ratios() const;
  friend bool operator==(const Counters&, const Counters&) = default;
};

/// The last report of one (release, activation, boot) of a device: its counters restart with each
/// of the three.
struct TelemetrySegment {
  std::uint64_t release_id = 0;
  std::uint32_t activation = 0;
  std::uint16_t boot = 0;
  std::uint32_t seq = 0;
  Counters total;
  friend bool operator==(const TelemetrySegment&, const TelemetrySegment&) = default;
};

/// What counts in the current stage: the totals of one release at the starts of its windows.
struct TelemetryWindow {
  std::uint64_t release_id = 0;
  BootMs started;
  BootMs epoch_started;
  Counters at_start;
  Counters at_epoch_start;
  friend bool operator==(const TelemetryWindow&, const TelemetryWindow&) = default;
};

/// Everything that one device's telemetry has told. A plain value: the caller may store it.
struct DeviceTotals {
  std::vector<TelemetrySegment> segments;    // newest last, at most kSegmentsMax
  std::map<std::uint64_t, Counters> folded;  // by release: segments that are closed for good
  struct Mark {
    BootMs at;
    std::uint64_t release_id = 0;
    Counters total;
    friend bool operator==(const Mark&, const Mark&) = default;
  };
  std::vector<Mark> marks;  // oldest first, at most kMarksMax: where a baseline may begin
  std::optional<TelemetryWindow> window;
  std::optional<RatioCounts> pre;    // of the former release, before the window
  std::uint32_t rss_kb = 0;          // of the newest report
  std::uint32_t rss_kb_before = 0;   // when the window of the former release ended
  BootMs last_heard{INT64_MIN / 2};  // of any message
  std::uint64_t range_errors = 0;    // reports dropped with E_TM_RANGE
  friend bool operator==(const DeviceTotals&, const DeviceTotals&) = default;
};

inline constexpr std::size_t kSegmentsMax = 8;
inline constexpr std::size_t kReleasesMax = 8;  // folded
inline constexpr std::size_t kMarksMax = 8;

/// Adds one report. False: a duplicate or older than what is known, and nothing changed but
/// `last_heard`. E_TM_RANGE: a counter went back or a y is above its n; dropped and counted, never
/// taken for 0.
Result<bool> AcceptTelemetry(DeviceTotals& device, const Telemetry& report, BootMs received);

/// Everything that the device did on that release.
Counters TotalOf(const DeviceTotals& device, std::uint64_t release_id);
/// The release of its newest report, or nothing.
std::optional<std::uint64_t> NewestRelease(const DeviceTotals& device);

/// Counts `release_id` from now on, in both windows.
void StartWindow(DeviceTotals& device, std::uint64_t release_id, BootMs now);
/// Remembers what the device did on `release_id` in the last `baseline_ms` as its history.
void TakeBaseline(DeviceTotals& device, std::uint64_t release_id, std::int64_t baseline_ms,
                  BootMs now);
/// Notes where a later baseline may begin. Call now and then, at least once per baseline_ms /
/// kMarksMax.
void KeepMark(DeviceTotals& device, std::int64_t baseline_ms, BootMs now);
void StartEpoch(DeviceTotals& device, BootMs now);

/// Since the start of the window, of the epoch; zero without a window.
Counters WindowTotal(const DeviceTotals& device);
Counters EpochTotal(const DeviceTotals& device);

}  // namespace sluice
