#include "rollout_engine/core/ratio_estimator.h"

#include <algorithm>
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

std::vector<RatioRow> CollectRows(const JudgedDevices& devices, Metric metric, Window window) {
  const auto index = static_cast<std::size_t>(metric);
  std::vector<RatioRow> rows;
  rows.reserve(devices.size());
  for (const JudgedDevice* device : devices) {
    const RatioCount& count =
        window == Window::kCumulative ? device->cum[index] : device->epoch[index];
    if (count.n <= 0) continue;
    const RatioCount history = device->pre.has_value() ? (*device->pre)[index] : RatioCount{};
    rows.push_back({count.n, count.y, history.n, history.y});
  }
  return rows;
}

void CapRows(std::vector<RatioRow>& rows, double cap) {
  for (RatioRow& row : rows) {
    if (row.n <= cap) continue;
    const double weight = cap / row.n;
    row.n *= weight;
    row.y *= weight;
  }
}

double MeanN(const std::vector<RatioRow>& rows) {
  return SumOf(rows, [](const RatioRow& row) { return row.n; }) / static_cast<double>(rows.size());
}

double MedianN(const std::vector<RatioRow>& rows) {
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

Covariate MakeCovariate(const std::vector<RatioRow>& test, const std::vector<RatioRow>& control) {
  CompensatedSum n, y;
  double rows = 0;
  for (const auto* arm : {&test, &control}) {
    for (const RatioRow& row : *arm) {
      if (row.pre_n <= 0) continue;
      n.Add(row.pre_n);
      y.Add(row.pre_y);
      ++rows;
    }
  }
  if (rows == 0) return {};
  return {y.Value() / n.Value(), n.Value() / rows};
}

/// An arm's rows, linearised: z is a device's deviation from the arm's ratio, x its centred
/// covariate.
struct LinearArm {
  double m = 0, sum_n = 0, sum_y = 0, raw = 0;
  double x_mean = 0;
  std::vector<double> z, x;
  double sxx = 0, sxz = 0;
};

LinearArm Linearise(const std::vector<RatioRow>& rows, const Covariate& covariate) {
  LinearArm arm;
  arm.m = static_cast<double>(rows.size());
  arm.sum_n = SumOf(rows, [](const RatioRow& row) { return row.n; });
  arm.sum_y = SumOf(rows, [](const RatioRow& row) { return row.y; });
  arm.raw = arm.sum_y / arm.sum_n;
  const double mean_n = arm.sum_n / arm.m;
  for (const RatioRow& row : rows) {
    arm.z.push_back((row.y - arm.raw * row.n) / mean_n);
    arm.x.push_back(covariate.Of(row));
  }
  arm.x_mean = SumOf(arm.x, [](double x) { return x; }) / arm.m;
  CompensatedSum sxx, sxz;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    arm.x[i] -= arm.x_mean;
    sxx.Add(arm.x[i] * arm.x[i]);
    sxz.Add(arm.x[i] * arm.z[i]);
  }
  arm.sxx = sxx.Value();
  arm.sxz = sxz.Value();
  return arm;
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
  CompensatedSum residuals;
  for (std::size_t i = 0; i < arm.z.size(); ++i) {
    const double u = arm.z[i] - estimate.beta * arm.x[i];
    residuals.Add(u * u);
  }
  const double freedom = own && estimate.beta != 0 ? arm.m - 2 : arm.m - 1;
  // Few events leave the sample variance near 0; the binomial one is its floor.
  const double p = (arm.sum_y + 0.5) / (arm.sum_n + 1);
  estimate.variance =
      std::max(residuals.Value() / (arm.m * std::max(1.0, freedom)), p * (1 - p) / arm.sum_n);
  return estimate;
}

double CovariateMeanVariance(double sxx, double rows) {
  return rows > 2 ? sxx / ((rows - 2) * rows) : 0;
}

/// R - R_p and the sample variance of the mean of (z - x), over rows with history.
std::optional<SelfDifference> CompareWithSelf(const std::vector<RatioRow>& rows,
                                              const Covariate& covariate) {
  std::vector<RatioRow> known;
  for (const RatioRow& row : rows) {
    if (row.pre_n > 0) known.push_back(row);
  }
  if (known.size() < 2) return std::nullopt;
  const LinearArm arm = Linearise(known, covariate);
  const double z_minus_x_mean =
      SumOf(arm.z, [](double z) { return z; }) / arm.m;  // x is centred, z nearly so
  CompensatedSum squares;
  for (std::size_t i = 0; i < known.size(); ++i) {
    const double deviation = arm.z[i] - arm.x[i] - z_minus_x_mean;
    squares.Add(deviation * deviation);
  }
  return SelfDifference{arm.raw - covariate.ratio, squares.Value() / ((arm.m - 1) * arm.m)};
}

}  // namespace

std::optional<RatioEstimate> EstimateRatio(const JudgedDevices& test, const JudgedDevices& control,
                                           Metric metric, Window window) {
  RatioEstimate estimate;
  estimate.test_rows = CollectRows(test, metric, window);
  const std::vector<RatioRow> control_rows = CollectRows(control, metric, window);
  if (estimate.test_rows.size() < 2 || control_rows.size() < 2) return std::nullopt;
  CapRows(estimate.test_rows, kCapFactor * MeanN(control_rows));

  const Covariate covariate = MakeCovariate(estimate.test_rows, control_rows);
  const LinearArm test_arm = Linearise(estimate.test_rows, covariate);
  const LinearArm control_arm = Linearise(control_rows, covariate);
  const PooledSlope pooled{test_arm.sxx + control_arm.sxx, test_arm.sxz + control_arm.sxz};
  const double rows = test_arm.m + control_arm.m;
  const double x_mean_all =
      (test_arm.x_mean * test_arm.m + control_arm.x_mean * control_arm.m) / rows;
  estimate.test = Estimate(test_arm, pooled, x_mean_all);
  estimate.control = Estimate(control_arm, pooled, x_mean_all);
  estimate.covariate_mean_variance = CovariateMeanVariance(pooled.sxx, rows);
  return estimate;
}

std::optional<RatioEstimate> EstimateLoneRatio(const JudgedDevices& test, Metric metric,
                                               Window window) {
  RatioEstimate estimate;
  estimate.test_rows = CollectRows(test, metric, window);
  if (estimate.test_rows.size() < 2) return std::nullopt;
  CapRows(estimate.test_rows, kCapFactor * MedianN(estimate.test_rows));

  const Covariate covariate = MakeCovariate(estimate.test_rows, {});
  const LinearArm arm = Linearise(estimate.test_rows, covariate);
  const PooledSlope pooled{arm.sxx, arm.sxz};
  estimate.test = Estimate(arm, pooled, arm.x_mean);
  estimate.covariate_mean_variance = CovariateMeanVariance(pooled.sxx, arm.m);
  estimate.self = CompareWithSelf(estimate.test_rows, covariate);
  return estimate;
}

std::size_t TrimmedCount(double tau, std::size_t devices) {
  return static_cast<std::size_t>(std::ceil(tau * static_cast<double>(devices) - 1e-12));
}

double TrimmedRatio(std::span<const RatioRow> test_rows, double tau, bool high_is_bad) {
  const double ratio = SumOf(test_rows, [](const RatioRow& row) { return row.y; }) /
                       SumOf(test_rows, [](const RatioRow& row) { return row.n; });
  std::vector<RatioRow> rows(test_rows.begin(), test_rows.end());
  const double sign = high_is_bad ? -1 : 1;
  std::stable_sort(rows.begin(), rows.end(), [&](const RatioRow& a, const RatioRow& b) {
    return sign * (a.y - ratio * a.n) < sign * (b.y - ratio * b.n);
  });
  const auto rest = std::span(rows).subspan(TrimmedCount(tau, rows.size()));
  const double n = SumOf(rest, [](const RatioRow& row) { return row.n; });
  return n > 0 ? SumOf(rest, [](const RatioRow& row) { return row.y; }) / n : ratio;
}

}  // namespace sluice
