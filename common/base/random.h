// Randomness as a port: seeded for simulation and tests, the kernel's for everything else.
//
// Numbers are mapped from raw 64-bit draws here and nowhere else: std::*_distribution differs
// between libraries.
#pragma once

#include <cstdint>
#include <random>

#include "common/base/bytes.h"

namespace sluice {

class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t Next() = 0;

  /// Uniform in [0, bound). REQUIRES: bound > 0.
  std::uint64_t Below(std::uint64_t bound);
  /// Uniform in [0, 1).
  double Unit() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }
  void Fill(std::span<std::uint8_t> bytes);
};

/// The same seed gives the same sequence on every machine. Not for secrets.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t Next() override { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

/// getrandom(2). Good for nonces and keys.
class SystemRandom final : public Random {
 public:
  std::uint64_t Next() override;
};

}  // namespace sluice
