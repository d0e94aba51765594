// Runs the validation set on a model and writes down what it did, for the runner and for the hook.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "device_sdk/examples/digits/mlp.h"

namespace sluice::digits {

struct ValidationRun {
  std::uint32_t n = 0;
  std::uint32_t non_finite = 0;
  std::uint32_t slow = 0;
  std::uint32_t latency_us_p99 = 0;
  std::vector<std::uint8_t> scores;  // per image: 255 = right, 0 = wrong
};

/// Microseconds on a clock that never steps.
std::int64_t NowUs();

/// `latency_limit` 0 = nothing is slow. REQUIRES: `images` is not empty.
ValidationRun RunValidation(const Mlp& mlp, const Images& images,
                            std::chrono::microseconds latency_limit);

}  // namespace sluice::digits
