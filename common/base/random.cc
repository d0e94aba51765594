#include "common/base/random.h"

#include <sys/random.h>

#include "common/base/check.h"

namespace sluice {

std::uint64_t Random::Below(std::uint64_t bound) {
  SLUICE_CHECK(bound > 0);
  // Draws from the incomplete last span are thrown away, so that every value is equally likely.
  const std::uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  std::uint64_t draw = Next();
  while (draw >= limit) draw = Next();
  return draw % bound;
}

void Random::Fill(std::span<std::uint8_t> bytes) {
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint8_t raw[8];
    StoreLe(raw, Next());
    std::copy_n(raw, std::min<std::size_t>(8, bytes.size() - at),
                bytes.begin() + static_cast<std::ptrdiff_t>(at));
  }
}

std::uint64_t SystemRandom::Next() {
  std::uint64_t value = 0;
  SLUICE_CHECK(getrandom(&value, sizeof value, 0) == static_cast<ssize_t>(sizeof value));
  return value;
}

}  // namespace sluice
