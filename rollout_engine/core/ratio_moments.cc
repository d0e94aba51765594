#include "rollout_engine/core/ratio_moments.h"

#include <cstdint>
#include <cstring>

namespace sluice {
namespace {

// Two lanes, on any processor: the same sums in the same order everywhere.
using Lanes = double __attribute__((vector_size(16)));
using Bits = std::int64_t __attribute__((vector_size(16)));
constexpr std::size_t kLanes = 2;

Lanes Load(const RatioTile::Column& column, std::size_t row) {
  Lanes lanes;
  std::memcpy(&lanes, &column[row], sizeof lanes);
  return lanes;
}

/// `value` where `mask`, else 0.
Lanes Where(Bits mask, Lanes value) {
  Bits bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits &= mask;
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

constexpr Lanes kZero = {0, 0};
constexpr Lanes kOne = {1, 1};

struct PlainSums {
  Lanes m = kZero, known = kZero, n = kZero, y = kZero, pre_n = kZero, pre_y = kZero;
};

double Total(Lanes lanes) { return lanes[0] + lanes[1]; }

}  // namespace

void MomentSums::Add(const RatioTile::Column& n_column, const RatioTile::Column& y_column,
                     const RatioTile::Column& pre_n_column, const RatioTile::Column& pre_y_column,
                     std::size_t rows) {
  PlainSums plain;
  for (std::size_t row = 0; row < rows; row += kLanes) {
    const Lanes n = Load(n_column, row);
    const Bits counts = n > kZero;
    const Lanes pre_n = Where(counts, Load(pre_n_column, row));
    plain.m += Where(counts, kOne);
    plain.known += Where(pre_n > kZero, kOne);
    plain.n += n;
    plain.y += Load(y_column, row);
    plain.pre_n += pre_n;
    plain.pre_y += Where(counts, Load(pre_y_column, row));
  }
  const double n_sum = Total(plain.n), pre_sum = Total(plain.pre_n);
  if (!y_guess_ && n_sum > 0) y_guess_ = Total(plain.y) / n_sum;
  if (!pre_guess_ && pre_sum > 0) pre_guess_ = Total(plain.pre_y) / pre_sum;
  const double y_guess = y_guess_.value_or(0), pre_guess = pre_guess_.value_or(0);

  Lanes dd = kZero, dn = kZero, nn = kZero, de = kZero, d_pre = kZero;
  Lanes n_e = kZero, n_pre = kZero, ee = kZero, e_pre = kZero, pre_pre = kZero;
  for (std::size_t row = 0; row < rows; row += kLanes) {
    const Lanes n = Load(n_column, row);
    const Lanes d = Load(y_column, row) - y_guess * n;
    const Bits counts = n > kZero;
    const Lanes pre_n = Where(counts, Load(pre_n_column, row));
    const Lanes e = Where(counts, Load(pre_y_column, row)) - pre_guess * pre_n;
    dd += d * d;
    dn += d * n;
    nn += n * n;
    de += d * e;
    d_pre += d * pre_n;
    n_e += n * e;
    n_pre += n * pre_n;
    ee += e * e;
    e_pre += e * pre_n;
    pre_pre += pre_n * pre_n;
  }
  const std::array<Lanes, kSums> lanes = {
      plain.m, plain.known, plain.n, plain.y, plain.pre_n, plain.pre_y, dd,    dn,
      nn,      de,          d_pre,   n_e,     n_pre,       ee,          e_pre, pre_pre};
  for (std::size_t i = 0; i < kSums; ++i) sums_[i].Add(Total(lanes[i]));
}

RatioMoments MomentSums::Moments() const {
  const auto sum = [this](std::size_t i) { return sums_[i].Value(); };
  return {.m = sum(0),
          .known = sum(1),
          .n = sum(2),
          .y = sum(3),
          .pre_n = sum(4),
          .pre_y = sum(5),
          .y_guess = y_guess_.value_or(0),
          .pre_guess = pre_guess_.value_or(0),
          .dd = sum(6),
          .dn = sum(7),
          .nn = sum(8),
          .de = sum(9),
          .d_pre = sum(10),
          .n_e = sum(11),
          .n_pre = sum(12),
          .ee = sum(13),
          .e_pre = sum(14),
          .pre_pre = sum(15)};
}

}  // namespace sluice
