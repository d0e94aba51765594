#include "rollout_engine/core/look_numbers.h"

#include <algorithm>

namespace sluice {
namespace {

constexpr std::size_t kPerByte = 4;
constexpr std::array<std::uint8_t, 4> kSizes = {0, 1, 2, 4};  // by the two bits of a length
constexpr std::array<std::uint32_t, 4> kMasks = {0, 0xff, 0xffff, 0xffffffff};
constexpr std::size_t kReadAtOnce = 4;

/// Where the four numbers are whose lengths one byte holds, and where they end.
struct Places {
  std::array<std::uint8_t, kPerByte> begin{};
  std::uint8_t end = 0;
};

constexpr std::array<Places, 256> kPlaces = [] {
  std::array<Places, 256> places{};
  for (std::size_t lengths = 0; lengths < places.size(); ++lengths) {
    for (std::size_t i = 0; i < kPerByte; ++i) {
      places[lengths].begin[i] = places[lengths].end;
      places[lengths].end =
          static_cast<std::uint8_t>(places[lengths].end + kSizes[(lengths >> (2 * i)) & 3]);
    }
  }
  return places;
}();

std::uint8_t LengthOf(std::uint32_t number) {
  for (std::uint8_t length = 0; length < 3; ++length) {
    if (number <= kMasks[length]) return length;
  }
  return 3;
}

bool Set(std::uint32_t& number, std::uint64_t value) {
  number = static_cast<std::uint32_t>(value);
  return number == value;
}

/// Nothing but whole numbers.
bool Set(std::uint32_t& number, double value) {
  if (!(value >= 0 && value <= UINT32_MAX)) return false;
  number = static_cast<std::uint32_t>(value);
  return static_cast<double>(number) == value;
}

bool IsAtLeast(const Counters& later, const Counters& earlier) {
  return later.inferences >= earlier.inferences && later.errors >= earlier.errors &&
         later.over_latency >= earlier.over_latency && later.labelled >= earlier.labelled &&
         later.correct_q8 >= earlier.correct_q8 && later.crashes >= earlier.crashes;
}

constexpr std::size_t IndexOf(Metric metric) { return static_cast<std::size_t>(metric); }

}  // namespace

std::optional<LookNumbers> LookNumbers::Of(const DeviceTotals& totals) {
  LookNumbers look;
  look.numbers_.fill(0);
  if (totals.window) {
    const Counters total = TotalOf(totals, totals.window->release_id);
    const bool fits = IsAtLeast(total, totals.window->at_start) &&
                      IsAtLeast(total, totals.window->at_epoch_start) &&
                      look.SetCounters(kCumulative, total - totals.window->at_start) &&
                      look.SetCounters(kEpoch, total - totals.window->at_epoch_start);
    if (!fits) return std::nullopt;
  }
  if (totals.pre && !look.SetHistory(*totals.pre)) return std::nullopt;
  look.numbers_[kRss] = totals.rss_kb;
  look.numbers_[kRss + 1] = totals.rss_kb_before;
  return look;
}

bool LookNumbers::SetCounters(std::size_t at, const Counters& c) {
  return Set(numbers_[at], c.inferences) && Set(numbers_[at + 1], c.errors) &&
         Set(numbers_[at + 2], c.over_latency) && Set(numbers_[at + 3], c.labelled) &&
         Set(numbers_[at + 4], c.correct_q8) && Set(numbers_[at + 5], c.crashes);
}

Counters LookNumbers::CountersAt(std::size_t at) const {
  return {numbers_[at],     numbers_[at + 1], numbers_[at + 2],
          numbers_[at + 3], numbers_[at + 4], numbers_[at + 5]};
}

/// Errors and slow answers are of the same inferences nearly always: their difference takes 0
/// bytes.
bool LookNumbers::SetHistory(const RatioCounts& history) {
  const RatioCount& errors = history[IndexOf(Metric::kErrorRate)];
  const RatioCount& slow = history[IndexOf(Metric::kLatencyExceed)];
  const RatioCount& accuracy = history[IndexOf(Metric::kAccuracyDrop)];
  if (!Set(numbers_[kHistory], errors.n) || !Set(numbers_[kHistory + 1], errors.y) ||
      !Set(numbers_[kHistory + 2], slow.n) || !Set(numbers_[kHistory + 3], slow.y) ||
      !Set(numbers_[kHistory + 4], accuracy.n) ||
      !Set(numbers_[kHistory + 5], accuracy.y * kScoreOne)) {
    return false;
  }
  numbers_[kHistory + 2] ^= numbers_[kHistory];
  return true;
}

void LookNumbers::AppendTo(Bytes& out) const {
  for (std::size_t first = 0; first < kCount; first += kPerByte) {
    std::uint8_t lengths = 0;
    for (std::size_t i = 0; i < kPerByte; ++i)
      lengths = static_cast<std::uint8_t>(lengths | LengthOf(numbers_[first + i]) << (2 * i));
    out.push_back(lengths);
  }
  for (const std::uint32_t number : numbers_) {
    for (std::size_t i = 0; i < kSizes[LengthOf(number)]; ++i)
      out.push_back(static_cast<std::uint8_t>(number >> (8 * i)));
  }
}

std::optional<std::size_t> LookNumbers::SizeIn(ByteView bytes) {
  std::size_t size = kCount / kPerByte;
  if (bytes.size() < size) return std::nullopt;
  for (const std::uint8_t lengths : bytes.first(kCount / kPerByte)) size += kPlaces[lengths].end;
  if (bytes.size() < size) return std::nullopt;
  return size;
}

LookNumbers::Memory LookNumbers::ReadMemory(ByteView bytes) {
  static_assert(kRss == kCount - 2 && kRss % kPerByte == 2);
  std::size_t at = kCount / kPerByte;
  for (std::size_t byte = 0; byte < kRss / kPerByte; ++byte) at += kPlaces[bytes[byte]].end;
  const std::uint8_t lengths = bytes[kRss / kPerByte];
  const auto number = [&](std::size_t i) {
    std::uint32_t value = 0;
    const std::size_t begin = at + kPlaces[lengths].begin[i];
    for (std::size_t byte = 0; byte < kSizes[(lengths >> (2 * i)) & 3]; ++byte)
      value |= std::uint32_t{bytes[begin + byte]} << (8 * byte);
    return value;
  };
  return {number(2), number(3)};
}

LookNumbers LookNumbers::ReadFrom(ByteView bytes) {
  constexpr std::size_t kSizeMax = kCount / kPerByte + kCount * sizeof(std::uint32_t);
  // Numbers are read four bytes at once: near the end of a record in a longer copy of it.
  std::array<std::uint8_t, kSizeMax + kReadAtOnce> longer;
  const std::uint8_t* lengths = bytes.data();
  if (bytes.size() < longer.size()) {
    std::copy(bytes.begin(), bytes.end(), longer.begin());
    std::fill(longer.begin() + static_cast<std::ptrdiff_t>(bytes.size()), longer.end(), 0);
    lengths = longer.data();
  }
  const std::uint8_t* at = lengths + kCount / kPerByte;
  LookNumbers look;
  for (std::size_t byte = 0; byte < kCount / kPerByte; ++byte) {
    const Places& places = kPlaces[lengths[byte]];
    for (std::size_t i = 0; i < kPerByte; ++i) {
      const std::uint8_t* const from = at + places.begin[i];
      const std::uint32_t four = from[0] | std::uint32_t{from[1]} << 8 |
                                 std::uint32_t{from[2]} << 16 | std::uint32_t{from[3]} << 24;
      look.numbers_[byte * kPerByte + i] = four & kMasks[(lengths[byte] >> (2 * i)) & 3];
    }
    at += places.end;
  }
  return look;
}

}  // namespace sluice
