#include "rollout_engine/engine/latency_sketch.h"

#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

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

}  // namespace

std::optional<double> LatencyP99Ms(ByteView sketch) {
  const auto first = TakeVarint(sketch);
  if (!first) return std::nullopt;
  auto index = static_cast<std::int64_t>(*first >> 1);
  if (*first % 2 == 1) index = -index - 1;
  std::vector<std::pair<std::int64_t, std::uint64_t>> bins;
  std::uint64_t total = 0;
  while (!sketch.empty()) {
    const auto step = TakeVarint(sketch);
    const auto count = TakeVarint(sketch);
    if (!step || !count) return std::nullopt;
    index += static_cast<std::int64_t>(*step);
    if (std::abs(index) > kIndexMax) return std::nullopt;
    bins.emplace_back(index, *count);
    total += *count;
  }
  if (total == 0) return std::nullopt;
  const std::uint64_t rank = total - total / 100;  // of the smallest value that 99 % do not exceed
  std::uint64_t seen = 0;
  for (const auto& [bin, count] : bins) {
    seen += count;
    // The middle of a bin is 2 % from both of its edges.
    if (seen >= rank) return 2 * std::pow(kGamma, static_cast<double>(bin)) / (1 + kGamma);
  }
  return std::nullopt;
}

}  // namespace sluice
