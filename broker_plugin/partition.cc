#include "broker_plugin/partition.h"

#include <algorithm>
#include <bit>

#include "common/base/check.h"
#include "common/contract/limits.h"

namespace sluice::plugin {
namespace {

constexpr std::size_t kBlockSize = 64;
constexpr std::size_t kLengthSize = 8;
constexpr std::size_t kTextMax = 2 * kBlockSize - kLengthSize - 1;
constexpr std::size_t kRounds = 64;

// FIPS 180-4 takes its constants from the fractional parts of roots of the first primes; so does
// this, at compile time, in integers: the root r of p * 2^(32 n) for the n-th root of p.

constexpr std::array<std::uint32_t, kRounds> FirstPrimes() {
  std::array<std::uint32_t, kRounds> primes{};
  std::size_t found = 0;
  for (std::uint32_t candidate = 2; found < kRounds; ++candidate) {
    bool prime = true;
    for (std::size_t i = 0; i < found && prime; ++i) prime = candidate % primes[i] != 0;
    if (prime) primes[found++] = candidate;
  }
  return primes;
}

/// The first 32 bits of the fraction of the square (power 2) or cube (power 3) root of `prime`.
constexpr std::uint32_t RootFraction(std::uint32_t prime, int power) {
  __extension__ using Wide = unsigned __int128;
  const Wide goal = static_cast<Wide>(prime) << (32 * power);
  std::uint64_t root = 0;
  for (int bit = 36; bit >= 0; --bit) {
    const std::uint64_t candidate = root | (std::uint64_t{1} << bit);
    Wide product = 1;
    for (int i = 0; i < power; ++i) product *= candidate;
    if (product <= goal) root = candidate;
  }
  return static_cast<std::uint32_t>(root);
}

template <std::size_t n>
constexpr std::array<std::uint32_t, n> RootFractions(int power) {
  constexpr std::array<std::uint32_t, kRounds> primes = FirstPrimes();
  std::array<std::uint32_t, n> fractions{};
  for (std::size_t i = 0; i < n; ++i) fractions[i] = RootFraction(primes[i], power);
  return fractions;
}

constexpr auto kRoundConstants = RootFractions<kRounds>(3);
constexpr auto kInitialState = RootFractions<8>(2);

std::uint32_t LoadBe(const std::uint8_t* from) {
  return std::uint32_t{from[0]} << 24 | std::uint32_t{from[1]} << 16 | std::uint32_t{from[2]} << 8 |
         std::uint32_t{from[3]};
}

void Compress(std::array<std::uint32_t, 8>& state, const std::uint8_t* block) {
  std::array<std::uint32_t, kRounds> w{};
  for (std::size_t i = 0; i < 16; ++i) w[i] = LoadBe(block + 4 * i);
  for (std::size_t i = 16; i < kRounds; ++i) {
    const std::uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const std::uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (std::size_t i = 0; i < kRounds; ++i) {
    const std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const std::uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + kRoundConstants[i] + w[i];
    const std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const std::uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
  }
  const std::array<std::uint32_t, 8> mixed = {a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) state[i] += mixed[i];
}

}  // namespace

Digest ShortSha256(std::string_view text) {
  SLUICE_CHECK(text.size() <= kTextMax);
  std::array<std::uint8_t, 2 * kBlockSize> padded{};
  std::copy(text.begin(), text.end(), padded.begin());
  padded[text.size()] = 0x80;
  const std::size_t size =
      text.size() + 1 + kLengthSize <= kBlockSize ? kBlockSize : 2 * kBlockSize;
  const std::size_t bits = 8 * text.size();
  padded[size - 2] = static_cast<std::uint8_t>(bits >> 8);
  padded[size - 1] = static_cast<std::uint8_t>(bits);

  std::array<std::uint32_t, 8> state = kInitialState;
  for (std::size_t at = 0; at < size; at += kBlockSize) Compress(state, padded.data() + at);
  Digest digest;
  for (std::size_t i = 0; i < Digest::kSize; ++i) {
    digest.bytes[i] = static_cast<std::uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
  }
  return digest;
}

int PartitionOfDevice(std::string_view device) {
  return ShortSha256(device).bytes[0] & (sluice::limits::kPartitions - 1);
}

}  // namespace sluice::plugin
