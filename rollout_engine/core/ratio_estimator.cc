#include "rollout_engine/core/ratio_estimator.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "rollout_engine/core/judge_bounds.h"

namespace sluice {
namespace {

constexpr double kCapFactor = 10;     // one device weighs at most ten average ones
constexpr double kOwnSlopeRows = 40;  // below it both arms share a slope

template <class Range, class Term>
double SumOf(const Range& range, Term term) {
  CompensatedSum sum;
  for (const auto& item : range) sum.Add(term(item));
  return sum.Value();
}

/// K sums in one pass: plain over a block of rows, compensated over the blocks. `add(row, sums)`.
template <std::size_t K, class Add>
std::array<double, K> SumsOf(RatioRows rows, Add add) {
  constexpr std::size_t kBlock = 64;
  std::array<CompensatedSum, K> sums;
  while (!rows.empty()) {
    std::array<double, K> block{};
    const RatioRows now = rows.first(std::min(kBlock, rows.size()));
    for (const RatioRow& row : now) add(row, block);
    for (std::size_t k = 0; k < K; ++k) sums[k].Add(block[k]);
    rows = rows.subspan(now.size());
  }
  std::array<double, K> values;
  for (std::size_t k = 0; k < K; ++k) values[k] = sums[k].Value();
  return values;
}

constexpr double kNoCap = std::numeric_limits<double>::infinity();

RatioRow Capped(RatioRow row, double cap) {
  if (row.n <= cap) return row;
  const double weight = cap / row.n;
  row.n *= weight;
  row.y *= weight;
  return row;
}

double MedianN(RatioRows rows) {
  std::vector<double> n;
  n.reserve(rows.size());
  for (const RatioRow& row : rows) n.push_back(row.n);
  const auto half = n.begin() + static_cast<std::ptrdiff_t>(n.size() / 2);
  std::nth_element(n.begin(), half, n.end());
  return n.size() % 2 == 1 ? *half : 0.5 * (*std::max_element(n.begin(), half) + *half);
}

/// A device's history as a deviation from the mean of all histories, in the unit of the metric.
struct Covariate {
  double ratio = 0;
  double mean_n = 0;  // 0 = nobody has a history
  [[nodiscard]] double Of(const RatioRow& row) const {
    return row.pre_n > 0 ? (row.pre_y - ratio * row.pre_n) / mean_n : 0;
  }
};

/// What all histories add up to.
struct HistorySums {
  double n = 0, y = 0, known = 0;

  void Add(const ArmSample& arm) {
    for (const RatioMoments* group : arm.groups) {
      n += group->pre_n;
      y += group->pre_y;
      known += group->known;
    }
    Add(arm.heavy);
  }
  void Add(RatioRows rows) {
    for (const RatioRow& row : rows) {
      if (row.pre_n <= 0) continue;
      n += row.pre_n;
      y += row.pre_y;
      ++known;
    }
  }
  [[nodiscard]] Covariate AsCovariate() const {
    return known == 0 ? Covariate{} : Covariate{y / n, n / known};
  }
};

/// An arm's rows, linearised: z is a device's deviation from the arm's ratio, x its covariate.
struct LinearArm {
  double cap = kNoCap;
  Covariate covariate;
  double m = 0, sum_n = 0, sum_y = 0, raw = 0, mean_n = 0;
  double x_mean = 0;
  double sxx = 0, sxz = 0, szz = 0;  // of the centred x

  void SetTotals(double rows, double n, double y, double x) {
    m = rows;
    sum_n = n;
    sum_y = y;
    raw = y / n;
    mean_n = n / rows;
    x_mean = x / rows;
  }
  [[nodiscard]] double Z(const RatioRow& uncapped) const {
    const RatioRow row = Capped(uncapped, cap);
    return (row.y - raw * row.n) / mean_n;
  }
  [[nodiscard]] double X(const RatioRow& row) const { return covariate.Of(row) - x_mean; }
};

/// Row by row: exact to rounding, whatever the rows are.
LinearArm Linearise(RatioRows rows, double cap, const Covariate& covariate) {
  LinearArm arm{.cap = cap, .covariate = covariate};
  const auto [n, y, x] = SumsOf<3>(rows, [&](const RatioRow& row, auto& sums) {
    const RatioRow capped = Capped(row, cap);
    sums[0] += capped.n;
    sums[1] += capped.y;
    sums[2] += covariate.Of(row);
  });
  arm.SetTotals(static_cast<double>(rows.size()), n, y, x);
  const auto [sxx, sxz, szz] = SumsOf<3>(rows, [&](const RatioRow& row, auto& sums) {
    const double row_z = arm.Z(row);
    const double row_x = arm.X(row);
    sums[0] += row_x * row_x;
    sums[1] += row_x * row_z;
    sums[2] += row_z * row_z;
  });
  arm.sxx = sxx;
  arm.sxz = sxz;
  arm.szz = szz;
  return arm;
}

/// The sums of squares of one arm about its ratio and its covariate's, moved there from the
/// groups' guesses. `zz_size` and `xx_size`: what they were made of, to tell how much cancelled.
struct MovedSums {
  double zz = 0, xz = 0, xx = 0;
  double zz_size = 0, xx_size = 0;

  void Add(const RatioMoments& g, double ratio, double pre_ratio) {
    const double a = g.y_guess - ratio;
    const double b = g.pre_guess - pre_ratio;
    zz += g.dd + 2 * a * g.dn + a * a * g.nn;
    xz += g.de + a * g.n_e + b * g.d_pre + a * b * g.n_pre;
    xx += g.ee + 2 * b * g.e_pre + b * b * g.pre_pre;
    zz_size += g.dd + a * a * g.nn;
    xx_size += g.ee + b * b * g.pre_pre;
  }
};

/// From the sums, or nothing where they would be mostly rounding error.
std::optional<LinearArm> LineariseSums(const ArmSample& sample, double cap,
                                       const Covariate& covariate) {
  constexpr double kTrustedShare = 1e-5;
  LinearArm arm{.cap = cap, .covariate = covariate};
  double m = 0, n = 0, y = 0;
  HistorySums history;
  history.Add(sample);
  for (const RatioMoments* group : sample.groups) {
    m += group->m;
    n += group->n;
    y += group->y;
  }
  for (const RatioRow& row : sample.heavy) {
    const RatioRow capped = Capped(row, cap);
    ++m;
    n += capped.n;
    y += capped.y;
  }
  const double unit = covariate.mean_n > 0 ? 1 / covariate.mean_n : 0;
  arm.SetTotals(m, n, y, (history.y - covariate.ratio * history.n) * unit);

  MovedSums sums;
  for (const RatioMoments* group : sample.groups) sums.Add(*group, arm.raw, covariate.ratio);
  for (const RatioRow& row : sample.heavy) {
    const RatioRow capped = Capped(row, cap);
    const double z = capped.y - arm.raw * capped.n;
    const double x = row.pre_n > 0 ? row.pre_y - covariate.ratio * row.pre_n : 0;
    sums.zz += z * z;
    sums.xz += x * z;
    sums.xx += x * x;
    sums.zz_size += z * z;
    sums.xx_size += x * x;
  }
  const double x_mean_part = arm.m * arm.x_mean * arm.x_mean;
  arm.szz = sums.zz / (arm.mean_n * arm.mean_n);
  arm.sxz = sums.xz * unit / arm.mean_n;  // the z add up to 0: centring x changes nothing
  arm.sxx = sums.xx * unit * unit - x_mean_part;
  const bool is_exact = sums.zz >= kTrustedShare * sums.zz_size &&
                        arm.sxx >= kTrustedShare * (sums.xx_size * unit * unit + x_mean_part);
  return is_exact ? std::optional(arm) : std::nullopt;
}

LinearArm Linearise(const ArmSample& sample, double cap, const Covariate& covariate) {
  if (const auto arm = LineariseSums(sample, cap, covariate)) return *arm;
  return Linearise(sample.list_rows(), cap, covariate);
}

using ListRows = std::function<std::vector<RatioRow>()>;

/// The sum of (z - beta x)^2. Where history explains nearly everything, the difference of the sums
/// would be rounding error, and the squares are added up one by one.
double SquaredResiduals(const LinearArm& arm, double beta, const ListRows& list_rows) {
  constexpr double kTrustedShare = 1e-3;
  if (beta == 0) return arm.szz;
  const double expanded = arm.szz - 2 * beta * arm.sxz + beta * beta * arm.sxx;
  if (expanded > kTrustedShare * arm.szz) return expanded;
  return SumOf(list_rows(), [&](const RatioRow& row) {
    const double residual = arm.Z(row) - beta * arm.X(row);
    return residual * residual;
  });
}

struct PooledSlope {
  double sxx = 0, sxz = 0;
  [[nodiscard]] double Beta() const { return sxx > 0 ? sxz / sxx : 0; }
};

ArmEstimate Estimate(const LinearArm& arm, const PooledSlope& pooled, double x_mean_all,
                     const ListRows& list_rows) {
  const bool own = arm.m >= kOwnSlopeRows && arm.sxx > 0;
  ArmEstimate estimate{.m = arm.m, .sum_n = arm.sum_n, .sum_y = arm.sum_y, .raw = arm.raw};
  estimate.beta = own ? arm.sxz / arm.sxx : pooled.Beta();
  estimate.theta = arm.raw - estimate.beta * (arm.x_mean - x_mean_all);
  const double residuals = SquaredResiduals(arm, estimate.beta, list_rows);
  const double freedom = own && estimate.beta != 0 ? arm.m - 2 : arm.m - 1;
  // Few events leave the sample variance near 0; the binomial one is its floor.
  const double p = (arm.sum_y + 0.5) / (arm.sum_n + 1);
  estimate.variance =
      std::max(residuals / (arm.m * std::max(1.0, freedom)), p * (1 - p) / arm.sum_n);
  return estimate;
}

double CovariateMeanVariance(double sxx, double rows) {
  return rows > 2 ? sxx / ((rows - 2) * rows) : 0;
}

/// R - R_p and the sample variance of the mean of (z - x), over rows with history.
std::optional<SelfDifference> CompareWithSelf(RatioRows rows, double cap,
                                              const Covariate& covariate) {
  std::vector<RatioRow> known;
  for (const RatioRow& row : rows) {
    if (row.pre_n > 0) known.push_back(row);
  }
  if (known.size() < 2) return std::nullopt;
  const LinearArm arm = Linearise(known, cap, covariate);
  const double mean =  // x is centred, z nearly so
      SumOf(known, [&](const RatioRow& row) { return arm.Z(row); }) / arm.m;
  const double squares = SumOf(known, [&](const RatioRow& row) {
    const double deviation = arm.Z(row) - arm.X(row) - mean;
    return deviation * deviation;
  });
  return SelfDifference{arm.raw - covariate.ratio, squares / ((arm.m - 1) * arm.m)};
}

}  // namespace

std::size_t ArmSample::Rows() const {
  double rows = static_cast<double>(heavy.size());
  for (const RatioMoments* group : groups) rows += group->m;
  return static_cast<std::size_t>(rows);
}

double ArmSample::SumN() const {
  double n = 0;
  for (const RatioMoments* group : groups) n += group->n;
  for (const RatioRow& row : heavy) n += row.n;
  return n;
}

double ArmSample::SumY() const {
  double y = 0;
  for (const RatioMoments* group : groups) y += group->y;
  for (const RatioRow& row : heavy) y += row.y;
  return y;
}

double CapBy(const ArmSample& control) {
  return kCapFactor * (control.SumN() / static_cast<double>(control.Rows()));
}

std::optional<RatioEstimate> EstimateRatio(const ArmSample& test, const ArmSample& control) {
  if (test.Rows() < 2 || control.Rows() < 2) return std::nullopt;
  RatioEstimate estimate;
  estimate.cap = CapBy(control);
  HistorySums history;
  history.Add(test);
  history.Add(control);
  const Covariate covariate = history.AsCovariate();
  const LinearArm test_arm = Linearise(test, estimate.cap, covariate);
  const LinearArm control_arm = Linearise(control, kNoCap, covariate);
  const PooledSlope pooled{test_arm.sxx + control_arm.sxx, test_arm.sxz + control_arm.sxz};
  const double rows = test_arm.m + control_arm.m;
  const double x_mean_all =
      (test_arm.x_mean * test_arm.m + control_arm.x_mean * control_arm.m) / rows;
  estimate.test = Estimate(test_arm, pooled, x_mean_all, test.list_rows);
  estimate.control = Estimate(control_arm, pooled, x_mean_all, control.list_rows);
  estimate.covariate_mean_variance = CovariateMeanVariance(pooled.sxx, rows);
  return estimate;
}

std::optional<RatioEstimate> EstimateLoneRatio(RatioRows test) {
  if (test.size() < 2) return std::nullopt;
  RatioEstimate estimate;
  estimate.cap = kCapFactor * MedianN(test);
  HistorySums history;
  history.Add(test);
  const Covariate covariate = history.AsCovariate();
  const LinearArm arm = Linearise(test, estimate.cap, covariate);
  const PooledSlope pooled{arm.sxx, arm.sxz};
  const auto list_rows = [test] { return std::vector<RatioRow>(test.begin(), test.end()); };
  estimate.test = Estimate(arm, pooled, arm.x_mean, list_rows);
  estimate.covariate_mean_variance = CovariateMeanVariance(pooled.sxx, arm.m);
  estimate.self = CompareWithSelf(test, estimate.cap, covariate);
  return estimate;
}

std::size_t TrimmedCount(double tau, std::size_t devices) {
  return static_cast<std::size_t>(std::ceil(tau * static_cast<double>(devices) - 1e-12));
}

double TrimmedRatio(std::vector<RatioRow> rows, double cap, double tau, bool high_is_bad) {
  for (RatioRow& row : rows) row = Capped(row, cap);
  const double ratio = SumOf(rows, [](const RatioRow& row) { return row.y; }) /
                       SumOf(rows, [](const RatioRow& row) { return row.n; });
  const double sign = high_is_bad ? -1 : 1;
  // Among devices that speak equally loudly those go that come first.
  std::vector<std::pair<double, std::size_t>> order;
  order.reserve(rows.size());
  for (const RatioRow& row : rows) order.emplace_back(sign * (row.y - ratio * row.n), order.size());
  const std::size_t gone = TrimmedCount(tau, rows.size());
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(gone), order.end());
  const auto rest = std::span(order).subspan(gone);
  const double n = SumOf(rest, [&](const auto& place) { return rows[place.second].n; });
  return n > 0 ? SumOf(rest, [&](const auto& place) { return rows[place.second].y; }) / n : ratio;
}

}  // namespace sluice
