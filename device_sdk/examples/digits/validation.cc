#include "device_sdk/examples/digits/validation.h"

#include <algorithm>

#include "common/base/check.h"
#include "common/base/clock.h"

namespace sluice::digits {
namespace {

constexpr std::uint8_t kRight = 255;

/// The smallest latency that 99 % of all do not exceed.
std::uint32_t Percentile99(std::vector<std::int64_t> latencies_us) {
  const std::size_t rank = (latencies_us.size() * 99 + 99) / 100 - 1;
  const auto at = latencies_us.begin() + static_cast<std::ptrdiff_t>(rank);
  std::nth_element(latencies_us.begin(), at, latencies_us.end());
  return static_cast<std::uint32_t>(std::min<std::int64_t>(*at, UINT32_MAX));
}

}  // namespace

std::int64_t NowUs() { return SystemClock().MonotonicUs(); }

ValidationRun RunValidation(const Mlp& mlp, const Images& images,
                            std::chrono::microseconds latency_limit) {
  SLUICE_CHECK(!images.empty());
  ValidationRun run;
  run.n = static_cast<std::uint32_t>(images.size());
  run.scores.reserve(images.size());
  std::vector<std::int64_t> latencies_us;
  latencies_us.reserve(images.size());
  for (const LabelledImage& image : images) {
    const std::int64_t start_us = NowUs();
    const Classification result = Classify(mlp, image.pixels);
    latencies_us.push_back(NowUs() - start_us);
    if (latency_limit.count() > 0 && latencies_us.back() > latency_limit.count()) ++run.slow;
    if (!result.finite) ++run.non_finite;
    run.scores.push_back(result.finite && result.digit == image.label ? kRight : 0);
  }
  run.latency_us_p99 = Percentile99(std::move(latencies_us));
  return run;
}

}  // namespace sluice::digits
