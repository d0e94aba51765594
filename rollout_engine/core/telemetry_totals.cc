#include "rollout_engine/core/telemetry_totals.h"

#include <algorithm>
#include <tuple>

namespace sluice {
namespace {

/// A 32-bit counter that seems to have grown by more than this went back instead.
constexpr std::uint32_t kGrowthMax = 1U << 31;
constexpr std::uint64_t kScoreOne = 256;  // a score of 1 in correct_q8
constexpr std::uint64_t kAnyRelease = 0;  // of a window that waits for the device's first report

std::uint64_t Minus(std::uint64_t later, std::uint64_t earlier) {
  return later > earlier ? later - earlier : 0;
}

bool IsSameSegment(const TelemetrySegment& segment, const Telemetry& report) {
  return segment.release_id == report.release_id && segment.activation == report.activation &&
         segment.boot == report.boot;
}

bool IsOlder(const TelemetrySegment& a, const TelemetrySegment& b) {
  return std::tie(a.activation, a.boot) < std::tie(b.activation, b.boot);
}

/// `total` moved on to what the wire says now, or nothing if that went back. A segment that was not
/// heard before may begin anywhere.
std::optional<std::uint64_t> Advance(std::uint64_t total, std::uint32_t wire, bool is_first) {
  const std::uint32_t growth = wire - static_cast<std::uint32_t>(total);
  if (!is_first && growth >= kGrowthMax) return std::nullopt;
  return total + growth;
}

Result<Counters> Advance(const Counters& total, const Telemetry& report, bool is_first) {
  const auto inferences = Advance(total.inferences, report.inferences, is_first);
  const auto errors = Advance(total.errors, report.errors, is_first);
  const auto over_latency = Advance(total.over_latency, report.over_latency, is_first);
  const auto labelled = Advance(total.labelled, report.labelled, is_first);
  const auto correct_q8 = Advance(total.correct_q8, report.correct_q8, is_first);
  if (!inferences || !errors || !over_latency || !labelled || !correct_q8 ||
      report.crashes < total.crashes) {
    return Fail(ErrorCode::kTmRange, "a counter went back within one boot; report dropped");
  }
  const Counters next{*inferences, *errors, *over_latency, *labelled, *correct_q8, report.crashes};
  if (next.errors > next.inferences || next.over_latency > next.inferences ||
      next.correct_q8 > next.labelled * kScoreOne) {
    return Fail(ErrorCode::kTmRange,
                "more errors, slow or correct answers than answers; report dropped");
  }
  return next;
}

/// Room for one more release: the one that goes is not what a window counts.
void ForgetARelease(DeviceTotals& device) {
  for (auto folded = device.folded.begin(); folded != device.folded.end(); ++folded) {
    if (device.window.has_value() && device.window->release_id == folded->first) continue;
    device.folded.erase(folded);
    return;
  }
}

/// Makes room: the oldest segment can hear no more reports that matter.
void FoldOldest(DeviceTotals& device) {
  const TelemetrySegment& oldest = device.segments.front();
  if (device.folded.size() >= kReleasesMax && !device.folded.contains(oldest.release_id)) {
    ForgetARelease(device);
  }
  device.folded[oldest.release_id] += oldest.total;
  device.segments.erase(device.segments.begin());
}

TelemetrySegment* FindSegment(DeviceTotals& device, const Telemetry& report) {
  const auto found = std::ranges::find_if(
      device.segments, [&](const TelemetrySegment& s) { return IsSameSegment(s, report); });
  return found == device.segments.end() ? nullptr : &*found;
}

TelemetrySegment NewSegment(const Telemetry& report) {
  TelemetrySegment segment;
  segment.release_id = report.release_id;
  segment.activation = report.activation;
  segment.boot = report.boot;
  return segment;
}

/// Keeps the newest last, in whatever order they came. REQUIRES: not older than all of a full list.
TelemetrySegment& Insert(DeviceTotals& device, const TelemetrySegment& segment) {
  if (device.segments.size() >= kSegmentsMax) FoldOldest(device);
  const auto place =
      std::upper_bound(device.segments.begin(), device.segments.end(), segment, IsOlder);
  return *device.segments.insert(place, segment);
}

/// What was sampled before a window began stays outside it, however late it arrives.
void KeepOutOfWindows(DeviceTotals& device, const Telemetry& report, const Counters& growth,
                      BootMs sampled) {
  if (!device.window.has_value()) return;
  TelemetryWindow& window = *device.window;
  if (window.release_id == kAnyRelease) {
    window.release_id = report.release_id;
    window.at_start = window.at_epoch_start = TotalOf(device, report.release_id);
    return;
  }
  if (window.release_id != report.release_id) return;
  if (sampled < window.started) window.at_start += growth;
  if (sampled < window.epoch_started) window.at_epoch_start += growth;
}

}  // namespace

Counters& Counters::operator+=(const Counters& other) {
  inferences += other.inferences;
  errors += other.errors;
  over_latency += other.over_latency;
  labelled += other.labelled;
  correct_q8 += other.correct_q8;
  crashes += other.crashes;
  return *this;
}

Counters operator-(Counters later, const Counters& earlier) {
  return {Minus(later.inferences, earlier.inferences),     Minus(later.errors, earlier.errors),
          Minus(later.over_latency, earlier.over_latency), Minus(later.labelled, earlier.labelled),
          Minus(later.correct_q8, earlier.correct_q8),     Minus(later.crashes, earlier.crashes)};
}

RatioCounts Counters::Ratios() const {
  const auto real = [](std::uint64_t count) { return static_cast<double>(count); };
  RatioCounts ratios;
  ratios[static_cast<std::size_t>(Metric::kErrorRate)] = {real(inferences), real(errors)};
  ratios[static_cast<std::size_t>(Metric::kLatencyExceed)] = {real(inferences), real(over_latency)};
  ratios[static_cast<std::size_t>(Metric::kAccuracyDrop)] = {real(labelled),
                                                             real(correct_q8) / real(kScoreOne)};
  return ratios;
}

Result<bool> AcceptTelemetry(DeviceTotals& device, const Telemetry& report, BootMs received) {
  device.last_heard = std::max(device.last_heard, received);
  TelemetrySegment* segment = FindSegment(device, report);
  const bool is_first = segment == nullptr;
  const TelemetrySegment known = is_first ? NewSegment(report) : *segment;
  if (!is_first && report.seq <= known.seq) return false;
  if (is_first && device.segments.size() >= kSegmentsMax &&
      IsOlder(known, device.segments.front())) {
    return false;
  }
  Result<Counters> next = Advance(known.total, report, is_first);
  if (!next.has_value()) {
    ++device.range_errors;
    return Fail(std::move(next).error());
  }
  // Only what can be true leaves a trace.
  if (is_first) segment = &Insert(device, known);
  const Counters growth = *next - segment->total;
  segment->total = *next;
  segment->seq = report.seq;
  KeepOutOfWindows(device, report, growth, received + -std::int64_t{report.age_ms});
  if (segment == &device.segments.back()) device.rss_kb = report.rss_kb;
  return true;
}

Counters TotalOf(const DeviceTotals& device, std::uint64_t release_id) {
  Counters total;
  if (const auto folded = device.folded.find(release_id); folded != device.folded.end())
    total = folded->second;
  for (const TelemetrySegment& segment : device.segments) {
    if (segment.release_id == release_id) total += segment.total;
  }
  return total;
}

std::optional<std::uint64_t> NewestRelease(const DeviceTotals& device) {
  if (device.segments.empty()) return std::nullopt;
  return device.segments.back().release_id;
}

void StartWindow(DeviceTotals& device, std::uint64_t release_id, BootMs now) {
  const Counters total = TotalOf(device, release_id);
  device.window = TelemetryWindow{.release_id = release_id,
                                  .started = now,
                                  .epoch_started = now,
                                  .at_start = total,
                                  .at_epoch_start = total};
}

void TakeBaseline(DeviceTotals& device, std::uint64_t release_id, std::int64_t baseline_ms,
                  BootMs now) {
  Counters from;  // without a mark: all that is known of the release
  for (const DeviceTotals::Mark& mark : device.marks) {
    if (mark.release_id == release_id && now - mark.at >= baseline_ms) from = mark.total;
  }
  device.pre = (TotalOf(device, release_id) - from).Ratios();
  device.rss_kb_before = device.rss_kb;
}

void KeepMark(DeviceTotals& device, std::int64_t baseline_ms, BootMs now) {
  const std::optional<std::uint64_t> release_id = NewestRelease(device);
  if (!release_id.has_value()) return;
  const std::int64_t spacing_ms = baseline_ms / static_cast<std::int64_t>(kMarksMax - 1);
  if (!device.marks.empty() && now - device.marks.back().at < spacing_ms) return;
  if (device.marks.size() >= kMarksMax) device.marks.erase(device.marks.begin());
  device.marks.push_back({now, *release_id, TotalOf(device, *release_id)});
}

void StartEpoch(DeviceTotals& device, BootMs now) {
  if (!device.window.has_value()) return;
  device.window->epoch_started = now;
  device.window->at_epoch_start = TotalOf(device, device.window->release_id);
}

Counters WindowTotal(const DeviceTotals& device) {
  if (!device.window.has_value()) return {};
  return TotalOf(device, device.window->release_id) - device.window->at_start;
}

Counters EpochTotal(const DeviceTotals& device) {
  if (!device.window.has_value()) return {};
  return TotalOf(device, device.window->release_id) - device.window->at_epoch_start;
}

}  // namespace sluice
