// What a look needs of a device's telemetry, at the head of its record and in a form that is read
// without a branch: a look reads a million of them.
//
// Twenty numbers below 2^32; two bits tell whether one takes 0, 1, 2 or 4 bytes. The five bytes of
// these lengths come first. A device whose numbers do not fit has a wide record, without this part.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "common/base/bytes.h"
#include "rollout_engine/core/telemetry_totals.h"

namespace sluice {

class LookNumbers {
 public:
  /// Nothing if a number does not fit.
  static std::optional<LookNumbers> Of(const DeviceTotals& totals);
  void AppendTo(Bytes& out) const;
  /// How many bytes of `bytes` they take. Nothing if not all of them are there.
  static std::optional<std::size_t> SizeIn(ByteView bytes);
  /// REQUIRES: SizeIn(bytes).
  static LookNumbers ReadFrom(ByteView bytes);

  /// Memory now and before, without the rest. REQUIRES: SizeIn(bytes).
  struct Memory {
    std::uint32_t rss_kb = 0, rss_kb_before = 0;
  };
  static Memory ReadMemory(ByteView bytes);

  /// Since the start of the window, and of the epoch; zero without a window.
  [[nodiscard]] Counters Cumulative() const { return CountersAt(kCumulative); }
  [[nodiscard]] Counters Epoch() const { return CountersAt(kEpoch); }
  [[nodiscard]] RatioCounts CumulativeRatios() const { return RatiosAt(kCumulative); }
  [[nodiscard]] RatioCounts EpochRatios() const { return RatiosAt(kEpoch); }
  [[nodiscard]] RatioCounts History() const {
    const auto real = [](std::uint32_t number) { return static_cast<double>(number); };
    const auto* const at = &numbers_[kHistory];
    return {{{real(at[0]), real(at[1])},
             {real(at[0] ^ at[2]), real(at[3])},
             {real(at[4]), real(at[5]) / kScoreOne}}};
  }
  [[nodiscard]] std::uint32_t crashes() const { return numbers_[kCumulative + 5]; }
  [[nodiscard]] std::uint32_t rss_kb() const { return numbers_[kRss]; }
  [[nodiscard]] std::uint32_t rss_kb_before() const { return numbers_[kRss + 1]; }

 private:
  // Where each group of numbers begins: six counters, six counters, a history, memory.
  static constexpr std::size_t kCumulative = 0, kEpoch = 6, kHistory = 12, kRss = 18, kCount = 20;
  static constexpr double kScoreOne = 256;  // scores are kept in 1/256

  bool SetCounters(std::size_t at, const Counters& counters);
  bool SetHistory(const RatioCounts& history);
  [[nodiscard]] Counters CountersAt(std::size_t at) const;
  [[nodiscard]] RatioCounts RatiosAt(std::size_t at) const {
    const auto real = [&](std::size_t i) { return static_cast<double>(numbers_[at + i]); };
    return {{{real(0), real(1)}, {real(0), real(2)}, {real(3), real(4) / kScoreOne}}};
  }

  std::array<std::uint32_t, kCount> numbers_;
};

namespace record {

// The fixed places of a record: its version, then these.
inline constexpr std::size_t kLastHeardAt = 1, kFlagsAt = 9, kNumbersAt = 10;
inline constexpr std::uint8_t kVersion = 3;  // 1 was JSON; 2 had no numbers of a look
inline constexpr std::uint8_t kHasWindow = 1;
inline constexpr std::uint8_t kHasHistory = 2;
inline constexpr std::uint8_t kIsWide = 4;
inline constexpr std::uint8_t kRunsWindow = 8;  // the newest report is of the window's release

}  // namespace record

/// What has a fixed place. REQUIRES: a record that UnpackTotals takes.
class RecordHead {
 public:
  explicit RecordHead(ByteView record) : record_(record) {}

  [[nodiscard]] BootMs last_heard() const {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < 8; ++i)
      value |= std::uint64_t{record_[record::kLastHeardAt + i]} << (8 * i);
    return {static_cast<std::int64_t>(value)};
  }
  [[nodiscard]] bool has_history() const { return Has(record::kHasHistory); }
  [[nodiscard]] bool is_wide() const { return Has(record::kIsWide); }
  [[nodiscard]] bool runs_window() const { return Has(record::kRunsWindow); }
  /// REQUIRES: not wide.
  [[nodiscard]] LookNumbers Numbers() const {
    return LookNumbers::ReadFrom(record_.subspan(record::kNumbersAt));
  }

 private:
  [[nodiscard]] bool Has(std::uint8_t flag) const {
    return (record_[record::kFlagsAt] & flag) != 0;
  }
  ByteView record_;
};

}  // namespace sluice
