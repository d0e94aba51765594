#include "rollout_engine/engine/latency_sketch.h"

#include <cmath>
#include <cstdlib>

namespace sluice {
namespace {

constexpr double kGamma = 1.02 / 0.98;
constexpr std::int64_t kIndexMax = 1'000;  // 10^17 ms; keeps sums of steps small
constexpr int kVarintBits = 32;

std::optional<std::uint64_t> TakeVarint(ByteView& rest) {
  std::uint64_t value = 0;
  for (int shift = 0; shift < kVarintBits && !rest.empty(); shift += 7) {
    const std::uint8_t byte = rest.front();
    rest = rest.subspan(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

struct Bin {
  std::int64_t index = 0;
  std::uint64_t count = 0;
};

/// Empty for bytes that are no sketch.
std::vector<Bin> ReadBins(ByteView sketch) {
  const auto first = TakeVarint(sketch);
  if (!first) return {};
  auto index = static_cast<std::int64_t>(*first >> 1);
  if (*first % 2 == 1) index = -index - 1;
  std::vector<Bin> bins;
  while (!sketch.empty()) {
    const auto step = TakeVarint(sketch);
    const auto count = TakeVarint(sketch);
    if (!step || !count) return {};
    index += static_cast<std::int64_t>(*step);
    if (std::abs(index) > kIndexMax) return {};
    bins.push_back({index, *count});
  }
  return bins;
}

}  // namespace

LatencyHistogram::LatencyHistogram() : counts_(2 * kIndexMax + 1) {}

bool LatencyHistogram::Add(ByteView sketch) {
  const std::uint64_t before = total_;
  for (const Bin& bin : ReadBins(sketch)) {
    counts_[static_cast<std::size_t>(bin.index + kIndexMax)] += bin.count;
    total_ += bin.count;
  }
  return total_ > before;
}

std::optional<double> LatencyHistogram::P99Ms() const {
  if (total_ == 0) return std::nullopt;
  const std::uint64_t rank = (total_ - 1) * 99 / 100 + 1;  // counted from 1
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen < rank) continue;
    // The middle of a bin is 2 % from both of its edges.
    const auto index = static_cast<double>(i) - static_cast<double>(kIndexMax);
    return 2 * std::pow(kGamma, index) / (1 + kGamma);
  }
  return std::nullopt;
}

std::optional<double> LatencyP99Ms(ByteView sketch) {
  LatencyHistogram histogram;
  if (!histogram.Add(sketch)) return std::nullopt;
  return histogram.P99Ms();
}

}  // namespace sluice
