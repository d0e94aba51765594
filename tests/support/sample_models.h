// Bytes that behave like models, made from a seed: the same on every machine.
#pragma once

#include <bit>

#include "common/base/random.h"

namespace sluice {

/// Bytes that nothing compresses.
inline Bytes NoiseBytes(std::uint64_t seed, std::size_t size) {
  SeededRandom random(seed);
  Bytes bytes(size);
  random.Fill(bytes);
  return bytes;
}

/// One weight around 0, bell-shaped, so that exponents repeat and mantissas do not.
inline float DrawWeight(Random& random) {
  const double sum = random.Unit() + random.Unit() + random.Unit() + random.Unit();
  return static_cast<float>((sum - 2.0) * 0.05);
}

/// `count` little-endian f32 weights; zstd -19 leaves about 92 %, as it does of trained networks.
inline Bytes WeightBytes(std::uint64_t seed, std::size_t count) {
  SeededRandom random(seed);
  Bytes bytes;
  bytes.reserve(4 * count);
  for (std::size_t i = 0; i < count; ++i) {
    AppendLe(bytes, std::bit_cast<std::uint32_t>(DrawWeight(random)));
  }
  return bytes;
}

/// `base` with its last `head_bytes` trained anew. REQUIRES: a multiple of 4, at most base.size().
inline Bytes WithNewHead(Bytes base, std::uint64_t seed, std::size_t head_bytes) {
  const Bytes head = WeightBytes(seed, head_bytes / 4);
  std::copy(head.begin(), head.end(), base.end() - static_cast<std::ptrdiff_t>(head_bytes));
  return base;
}

/// `base`, f32 weights, with about `share` of them moved by up to `step`.
inline Bytes WithMovedWeights(Bytes base, std::uint64_t seed, double share, double step) {
  SeededRandom random(seed);
  for (std::size_t at = 0; at + 4 <= base.size(); at += 4) {
    if (random.Unit() >= share) continue;
    const auto weight = std::bit_cast<float>(LoadLe<std::uint32_t>(base.data() + at));
    const auto moved = static_cast<float>(weight + (random.Unit() - 0.5) * 2 * step);
    StoreLe(base.data() + at, std::bit_cast<std::uint32_t>(moved));
  }
  return base;
}

}  // namespace sluice
