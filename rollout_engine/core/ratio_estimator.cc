#include "rollout_engine/core/ratio_estimator.h"

#include <algorithm>
#include <array>
#include <cmath>

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

double MeanN(RatioRows rows) {
  const auto [n] = SumsOf<1>(rows, [](const RatioRow& row, auto& sums) { sums[0] += row.n; });
  return n / static_cast<double>(rows.size());
}

double MedianN(RatioRows rows) {
  std::vector<double> n;
  n.reserve(rows.size());
  for (const RatioRow& row : rows) n.push_back(row.n);
  std::sort(n.begin(), n.end());
  const std::size_t half = n.size() / 2;
  return n.size() % 2 == 1 ? n[half] : 0.5 * (n[half - 1] + n[half]);
}

/// A device's history as a deviation from the mean of all histories, in the unit of the metric.
struct Covariate {
  double ratio = 0;
  double mean_n = 0;  // 0 = nobody has a history
  [[nodiscard]] double Of(const RatioRow& row) const {
    return row.pre_n > 0 ? (row.pre_y - ratio * row.pre_n) / mean_n : 0;
  }
};

Covariate MakeCovariate(RatioRows test, RatioRows control) {
  double n = 0, y = 0, known = 0;
  for (const RatioRows arm : {test, control}) {
    const auto [arm_n, arm_y, arm_known] = SumsOf<3>(arm, [](const RatioRow& row, auto& sums) {
      const double has_history = row.pre_n > 0 ? 1 : 0;
      sums[0] += has_history * row.pre_n;
      sums[1] += has_history * row.pre_y;
      sums[2] += has_history;
    });
    n += arm_n;
    y += arm_y;
    known += arm_known;
  }
  if (known == 0) return {};
  return {y / n, n / known};
}

/// An arm's rows, linearised: z is a device's deviation from the arm's ratio, x its covariate. Both
/// are worked out again in each pass: to keep them costs more than to compute them.
struct LinearArm {
  RatioRows rows;
  double cap = kNoCap;
  Covariate covariate;
  double m = 0, sum_n = 0, sum_y = 0, raw = 0, mean_n = 0;
  double x_mean = 0;
  double sxx = 0, sxz = 0, szz = 0;  // of the centred x

  [[nodiscard]] double Z(const RatioRow& uncapped) const {
    const RatioRow row = Capped(uncapped, cap);
    return (row.y - raw * row.n) / mean_n;
  }
  [[nodiscard]] double X(const RatioRow& row) const { return covariate.Of(row) - x_mean; }
};

LinearArm Linearise(RatioRows rows, double cap, const Covariate& covariate) {
  LinearArm arm{
      .rows = rows, .cap = cap, .covariate = covariate, .m = static_cast<double>(rows.size())};
  const auto [n, y, x] = SumsOf<3>(rows, [&](const RatioRow& row, auto& sums) {
    const RatioRow capped = Capped(row, cap);
    sums[0] += capped.n;
    sums[1] += capped.y;
    sums[2] += covariate.Of(row);
  });
  arm.sum_n = n;
  arm.sum_y = y;
  arm.raw = y / n;
  arm.mean_n = n / arm.m;
  arm.x_mean = x / arm.m;
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

/// The sum of (z - beta x)^2. Where history explains nearly everything, the difference of the sums
/// would be rounding error, and the squares are added up one by one.
double SquaredResiduals(const LinearArm& arm, double beta) {
  constexpr double kTrustedShare = 1e-3;
  const double expanded = arm.szz - 2 * beta * arm.sxz + beta * beta * arm.sxx;
  if (expanded > kTrustedShare * arm.szz) return expanded;
  return SumOf(arm.rows, [&](const RatioRow& row) {
    const double residual = arm.Z(row) - beta * arm.X(row);
    return residual * residual;
  });
}

struct PooledSlope {
  double sxx = 0, sxz = 0;
  [[nodiscard]] double Beta() const { return sxx > 0 ? sxz / sxx : 0; }
};

ArmEstimate Estimate(const LinearArm& arm, const PooledSlope& pooled, double x_mean_all) {
  const bool own = arm.m >= kOwnSlopeRows && arm.sxx > 0;
  ArmEstimate estimate{.m = arm.m, .sum_n = arm.sum_n, .sum_y = arm.sum_y, .raw = arm.raw};
  estimate.beta = own ? arm.sxz / arm.sxx : pooled.Beta();
  estimate.theta = arm.raw - estimate.beta * (arm.x_mean - x_mean_all);
  const double residuals = SquaredResiduals(arm, estimate.beta);
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

std::optional<RatioEstimate> EstimateRatio(RatioRows test, RatioRows control) {
  if (test.size() < 2 || control.size() < 2) return std::nullopt;
  RatioEstimate estimate;
  estimate.cap = kCapFactor * MeanN(control);
  const Covariate covariate = MakeCovariate(test, control);
  const LinearArm test_arm = Linearise(test, estimate.cap, covariate);
  const LinearArm control_arm = Linearise(control, kNoCap, covariate);
  const PooledSlope pooled{test_arm.sxx + control_arm.sxx, test_arm.sxz + control_arm.sxz};
  const double rows = test_arm.m + control_arm.m;
  const double x_mean_all =
      (test_arm.x_mean * test_arm.m + control_arm.x_mean * control_arm.m) / rows;
  estimate.test = Estimate(test_arm, pooled, x_mean_all);
  estimate.control = Estimate(control_arm, pooled, x_mean_all);
  estimate.covariate_mean_variance = CovariateMeanVariance(pooled.sxx, rows);
  return estimate;
}

std::optional<RatioEstimate> EstimateLoneRatio(RatioRows test) {
  if (test.size() < 2) return std::nullopt;
  RatioEstimate estimate;
  estimate.cap = kCapFactor * MedianN(test);
  const Covariate covariate = MakeCovariate(test, {});
  const LinearArm arm = Linearise(test, estimate.cap, covariate);
  const PooledSlope pooled{arm.sxx, arm.sxz};
  estimate.test = Estimate(arm, pooled, arm.x_mean);
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
  std::stable_sort(rows.begin(), rows.end(), [&](const RatioRow& a, const RatioRow& b) {
    return sign * (a.y - ratio * a.n) < sign * (b.y - ratio * b.n);
  });
  const auto rest = std::span(rows).subspan(TrimmedCount(tau, rows.size()));
  const double n = SumOf(rest, [](const RatioRow& row) { return row.n; });
  return n > 0 ? SumOf(rest, [](const RatioRow& row) { return row.y; }) / n : ratio;
}

}  // namespace sluice
