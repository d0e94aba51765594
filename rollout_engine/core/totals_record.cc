// The packed form of DeviceTotals: what is small takes few bytes.
//
// Version, last heard, flags and the numbers of a look (look_numbers.h) have fixed places; the rest
// follows as numbers of seven bits a byte: releases, segments, folded totals, the window, marks.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "rollout_engine/core/fleet_telemetry.h"
#include "rollout_engine/core/look_numbers.h"

namespace sluice {
namespace {

class Packer {
 public:
  explicit Packer(Bytes& out) : out_(out) {}

  void Byte(std::uint8_t value) { out_.push_back(value); }
  void Fixed(std::uint64_t value) {
    for (int shift = 0; shift < 64; shift += 8)
      out_.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  void Number(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<std::uint8_t>(value) | 0x80);
    out_.push_back(static_cast<std::uint8_t>(value));
  }
  /// As a difference from `before`, small in both directions, over any wrap.
  void Difference(std::uint64_t value, std::uint64_t before) {
    const auto difference = static_cast<std::int64_t>(value - before);
    Number((static_cast<std::uint64_t>(difference) << 1) ^
           static_cast<std::uint64_t>(difference >> 63));
  }
  void Count(const Counters& c, const Counters& before) {
    Difference(c.inferences, before.inferences);
    Difference(c.errors, before.errors);
    Difference(c.over_latency, before.over_latency);
    Difference(c.labelled, before.labelled);
    Difference(c.correct_q8, before.correct_q8);
    Difference(c.crashes, before.crashes);
  }

 private:
  Bytes& out_;
};

class Unpacker {
 public:
  explicit Unpacker(ByteView rest) : rest_(rest) {}

  [[nodiscard]] bool ok() const { return ok_; }
  [[nodiscard]] bool AtEnd() const { return rest_.empty(); }

  std::uint8_t Byte() {
    if (rest_.empty()) {
      ok_ = false;
      return 0;
    }
    const std::uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  std::uint64_t Fixed() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 8) value |= std::uint64_t{Byte()} << shift;
    return value;
  }
  std::uint64_t Number() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const std::uint8_t byte = Byte();
      value |= std::uint64_t{byte & 0x7fU} << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    return 0;
  }
  std::uint64_t Difference(std::uint64_t before) {
    const std::uint64_t zigzag = Number();
    return before + ((zigzag >> 1) ^ (~(zigzag & 1) + 1));
  }
  std::optional<LookNumbers> Numbers() {
    const std::optional<std::size_t> size = LookNumbers::SizeIn(rest_);
    if (!size) return std::nullopt;
    const LookNumbers numbers = LookNumbers::ReadFrom(rest_);
    rest_ = rest_.subspan(*size);
    return numbers;
  }
  /// A length of at most `most`.
  std::size_t Length(std::size_t most) {
    const std::uint64_t length = Number();
    if (length > most) ok_ = false;
    return ok_ ? static_cast<std::size_t>(length) : 0;
  }
  Counters Count(const Counters& before) {
    Counters c;
    c.inferences = Difference(before.inferences);
    c.errors = Difference(before.errors);
    c.over_latency = Difference(before.over_latency);
    c.labelled = Difference(before.labelled);
    c.correct_q8 = Difference(before.correct_q8);
    c.crashes = Difference(before.crashes);
    return c;
  }
  BootMs Time(BootMs before) {
    return {static_cast<std::int64_t>(Difference(static_cast<std::uint64_t>(before.ms)))};
  }

 private:
  ByteView rest_;
  bool ok_ = true;
};

/// Each release is written once; the rest names it by its place.
class Releases {
 public:
  std::uint64_t PlaceOf(std::uint64_t release) {
    const auto end = list_.begin() + static_cast<std::ptrdiff_t>(size_);
    const auto found = std::find(list_.begin(), end, release);
    if (found == end) list_[size_++] = release;
    return static_cast<std::uint64_t>(found - list_.begin());
  }
  [[nodiscard]] std::span<const std::uint64_t> list() const { return {list_.data(), size_}; }

 private:
  std::array<std::uint64_t, kSegmentsMax + kReleasesMax + kMarksMax + 1> list_{};
  std::size_t size_ = 0;
};

Releases ReleasesOf(const DeviceTotals& totals) {
  Releases releases;
  for (const TelemetrySegment& segment : totals.segments) releases.PlaceOf(segment.release_id);
  for (const auto& [release, total] : totals.folded) releases.PlaceOf(release);
  if (totals.window) releases.PlaceOf(totals.window->release_id);
  for (const DeviceTotals::Mark& mark : totals.marks) releases.PlaceOf(mark.release_id);
  return releases;
}

std::uint64_t Unsigned(BootMs at) { return static_cast<std::uint64_t>(at.ms); }

/// Of a wide record.
void PackWide(Packer& out, const DeviceTotals& totals) {
  if (totals.window) {
    out.Count(totals.window->at_start, {});
    out.Count(totals.window->at_epoch_start, totals.window->at_start);
  }
  if (totals.pre) {
    for (const RatioCount& count : *totals.pre) {
      out.Fixed(std::bit_cast<std::uint64_t>(count.n));
      out.Fixed(std::bit_cast<std::uint64_t>(count.y));
    }
  }
  out.Number(totals.rss_kb);
  out.Number(totals.rss_kb_before);
}

void UnpackWide(Unpacker& in, DeviceTotals& totals) {
  if (totals.window) {
    totals.window->at_start = in.Count({});
    totals.window->at_epoch_start = in.Count(totals.window->at_start);
  }
  if (totals.pre) {
    for (RatioCount& count : *totals.pre) {
      count.n = std::bit_cast<double>(in.Fixed());
      count.y = std::bit_cast<double>(in.Fixed());
    }
  }
  totals.rss_kb = static_cast<std::uint32_t>(in.Number());
  totals.rss_kb_before = static_cast<std::uint32_t>(in.Number());
}

/// The same from the numbers of a look. REQUIRES: the segments and folded totals are unpacked.
void TakeNumbers(const LookNumbers& numbers, DeviceTotals& totals) {
  if (totals.window) {
    const Counters total = TotalOf(totals, totals.window->release_id);
    totals.window->at_start = total - numbers.Cumulative();
    totals.window->at_epoch_start = total - numbers.Epoch();
  }
  if (totals.pre) totals.pre = numbers.History();
  totals.rss_kb = numbers.rss_kb();
  totals.rss_kb_before = numbers.rss_kb_before();
}

std::uint8_t FlagsOf(const DeviceTotals& totals, bool is_wide) {
  const bool runs_window =
      totals.window && NewestRelease(totals) == std::optional(totals.window->release_id);
  return static_cast<std::uint8_t>(
      (totals.window ? record::kHasWindow : 0) | (totals.pre ? record::kHasHistory : 0) |
      (is_wide ? record::kIsWide : 0) | (runs_window ? record::kRunsWindow : 0));
}

}  // namespace

Bytes PackTotals(const DeviceTotals& totals) {
  Bytes bytes;
  Packer out(bytes);
  Releases releases = ReleasesOf(totals);
  const std::optional<LookNumbers> numbers = LookNumbers::Of(totals);
  out.Byte(record::kVersion);
  out.Fixed(Unsigned(totals.last_heard));
  out.Byte(FlagsOf(totals, !numbers));
  if (numbers) numbers->AppendTo(bytes);
  out.Number(releases.list().size());
  for (const std::uint64_t release : releases.list()) out.Fixed(release);
  out.Number(totals.range_errors);
  out.Number(totals.segments.size());
  for (const TelemetrySegment& segment : totals.segments) {
    out.Number(releases.PlaceOf(segment.release_id));
    out.Number(segment.activation);
    out.Number(segment.boot);
    out.Number(segment.seq);
    out.Count(segment.total, {});
  }
  out.Number(totals.folded.size());
  for (const auto& [release, total] : totals.folded) {
    out.Number(releases.PlaceOf(release));
    out.Count(total, {});
  }
  if (totals.window) {
    out.Number(releases.PlaceOf(totals.window->release_id));
    out.Difference(Unsigned(totals.window->started), 0);
    out.Difference(Unsigned(totals.window->epoch_started), Unsigned(totals.window->started));
  }
  if (!numbers) PackWide(out, totals);
  out.Number(totals.marks.size());
  DeviceTotals::Mark before;
  for (const DeviceTotals::Mark& mark : totals.marks) {
    out.Number(releases.PlaceOf(mark.release_id));
    out.Difference(Unsigned(mark.at), Unsigned(before.at));
    out.Count(mark.total, before.total);
    before = mark;
  }
  return bytes;
}

std::optional<DeviceTotals> UnpackTotals(ByteView bytes, TotalsPart part) {
  Unpacker in(bytes);
  DeviceTotals totals;
  if (in.Byte() != record::kVersion) return std::nullopt;
  totals.last_heard = {static_cast<std::int64_t>(in.Fixed())};
  const std::uint8_t flags = in.Byte();
  const bool is_wide = (flags & record::kIsWide) != 0;
  const std::optional<LookNumbers> numbers =
      in.ok() && !is_wide ? in.Numbers() : std::optional<LookNumbers>();
  if (!is_wide && !numbers) return std::nullopt;
  std::array<std::uint64_t, kSegmentsMax + kReleasesMax + kMarksMax + 1> releases{};
  const std::size_t count = in.Length(releases.size());
  for (std::size_t i = 0; i < count; ++i) releases[i] = in.Fixed();
  const auto release = [&] { return releases[in.Length(releases.size() - 1)]; };
  totals.range_errors = in.Number();
  totals.segments.resize(in.Length(kSegmentsMax));
  for (TelemetrySegment& segment : totals.segments) {
    segment.release_id = release();
    segment.activation = static_cast<std::uint32_t>(in.Number());
    segment.boot = static_cast<std::uint16_t>(in.Number());
    segment.seq = static_cast<std::uint32_t>(in.Number());
    segment.total = in.Count({});
  }
  const std::size_t folded = in.Length(kReleasesMax);
  for (std::size_t i = 0; i < folded; ++i) {
    const std::uint64_t id = release();
    totals.folded[id] = in.Count({});
  }
  if ((flags & record::kHasWindow) != 0) {
    TelemetryWindow& window = totals.window.emplace();
    window.release_id = release();
    window.started = in.Time({0});
    window.epoch_started = in.Time(window.started);
  }
  if ((flags & record::kHasHistory) != 0) totals.pre.emplace();
  is_wide ? UnpackWide(in, totals) : TakeNumbers(*numbers, totals);
  if (part == TotalsPart::kWithoutMarks) return in.ok() ? std::optional(totals) : std::nullopt;
  totals.marks.resize(in.Length(kMarksMax));
  DeviceTotals::Mark before;
  for (DeviceTotals::Mark& mark : totals.marks) {
    mark.release_id = release();
    mark.at = in.Time(before.at);
    mark.total = in.Count(before.total);
    before = mark;
  }
  if (!in.ok() || !in.AtEnd()) return std::nullopt;
  return totals;
}

}  // namespace sluice
