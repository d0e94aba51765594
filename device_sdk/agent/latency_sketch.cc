#include "device_sdk/agent/latency_sketch.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "common/contract/limits.h"

namespace sluice::device {
namespace {

constexpr double kGamma = 1.02 / 0.98;
constexpr double kIndexSlack = 1e-12;     // a value on a bin's edge belongs to it
constexpr std::size_t kPairBytesMax = 7;  // a delta below 2^14 and a 32-bit count

void AppendVarint(Bytes& to, std::uint32_t value) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<std::uint8_t>(value | 0x80));
  to.push_back(static_cast<std::uint8_t>(value));
}

std::uint32_t ZigZag(int value) {
  return value >= 0 ? static_cast<std::uint32_t>(value) * 2
                    : static_cast<std::uint32_t>(-value) * 2 - 1;
}

}  // namespace

void LatencySketch::Record(std::int64_t latency_us) noexcept {
  const double ms = static_cast<double>(std::max<std::int64_t>(latency_us, 1)) / 1000;
  const double index = std::ceil(std::log(ms) / std::log(kGamma) - kIndexSlack);
  const int bin = static_cast<int>(std::clamp<double>(index, kFirstIndex, kLastIndex));
  bins_[static_cast<std::size_t>(bin - kFirstIndex)].fetch_add(1, std::memory_order_relaxed);
}

void LatencySketch::Clear() noexcept {
  for (auto& bin : bins_) bin.store(0, std::memory_order_relaxed);
}

Bytes LatencySketch::Take() {
  std::vector<std::pair<int, std::uint32_t>> used;
  for (std::size_t i = 0; i < bins_.size(); ++i) {
    const std::uint32_t count = bins_[i].exchange(0, std::memory_order_relaxed);
    if (count > 0) used.emplace_back(kFirstIndex + static_cast<int>(i), count);
  }
  const std::size_t pairs_max = (limits::kLatencyBinsMax - 2) / kPairBytesMax;
  while (used.size() > pairs_max) {
    const std::uint32_t highest = used.back().second;
    used.pop_back();
    used.back().second += highest;
  }
  Bytes bytes;
  if (used.empty()) return bytes;
  AppendVarint(bytes, ZigZag(used.front().first));
  int last = used.front().first;
  for (const auto& [index, count] : used) {
    AppendVarint(bytes, static_cast<std::uint32_t>(index - last));
    AppendVarint(bytes, count);
    last = index;
  }
  return bytes;
}

}  // namespace sluice::device
