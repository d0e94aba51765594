#include "rollout_engine/core/judge_bounds.h"

#include <math.h>  // lgamma_r: std::lgamma writes a global

#include <algorithm>
#include <cmath>

namespace sluice {
namespace {

constexpr double kInformationMin = 0.05;  // below it the bound would be vacuous
constexpr int kBisections = 200;
constexpr double kNegligibleTerm = 1e-20;  // beside a sum that is at least 1

double LogGamma(double value) {
  int sign = 0;
  return lgamma_r(value, &sign);
}

double LogBeta(double a, double b) { return LogGamma(a) + LogGamma(b) - LogGamma(a + b); }

double LogBinomial(std::int64_t k, std::int64_t m, double p) {
  const double kd = static_cast<double>(k);
  const double md = static_cast<double>(m);
  return LogGamma(md + 1) - LogGamma(kd + 1) - LogGamma(md - kd + 1) + kd * std::log(p) +
         (md - kd) * std::log1p(-p);
}

/// Sums P(X = k) from k = x upwards. REQUIRES: x above the mean, so that terms only fall.
double UpperTail(std::int64_t x, std::int64_t m, double p) {
  CompensatedSum sum;
  double term = 1;  // relative to P(X = x)
  for (std::int64_t k = x; k <= m && term > kNegligibleTerm; ++k) {
    sum.Add(term);
    term *= static_cast<double>(m - k) / static_cast<double>(k + 1) * p / (1 - p);
  }
  return std::exp(LogBinomial(x, m, p)) * sum.Value();
}

}  // namespace

double StudentBound(double z, double nu) {
  const double z2 = z * z;
  return z + z * (z2 + 1) / (4 * nu) + z * (5 * z2 * z2 + 16 * z2 + 3) / (96 * nu * nu);
}

double AnytimeBound(double x, double alpha) {
  const double information = std::max(x, kInformationMin);
  const double level = 2 * std::log(1 / alpha);
  const double scaled = (level + std::log(1 + level)) * information;
  return std::sqrt((1 + 1 / scaled) * std::log((1 + scaled) / (alpha * alpha)));
}

double LogMixtureEvidence(double limit, double successes, double trials) {
  const double failures = trials - successes;
  return LogBeta(0.5 + successes, 0.5 + failures) - LogBeta(0.5, 0.5) -
         (successes * std::log(limit) + failures * std::log1p(-limit));
}

MixtureInterval MixtureBounds(double successes, double trials, double alpha) {
  const double threshold = std::log(1 / alpha);
  const auto bisect = [&](double low, double high, bool inside_is_high) {
    for (int i = 0; i < kBisections; ++i) {
      const double middle = 0.5 * (low + high);
      const bool inside = LogMixtureEvidence(middle, successes, trials) < threshold;
      (inside == inside_is_high ? high : low) = middle;
    }
    return 0.5 * (low + high);
  };
  constexpr double kSmallest = 1e-300;
  constexpr double kLargest = 1 - 1e-16;
  const double mean = successes / trials;
  MixtureInterval interval;
  if (successes > 0) interval.low = bisect(kSmallest, std::min(mean, kLargest), true);
  if (successes < trials) interval.high = bisect(std::max(mean, kSmallest), kLargest, false);
  return interval;
}

double BinomialTail(std::int64_t x, std::int64_t m, double p) {
  if (x <= 0) return 1;
  if (x > m || p <= 0) return 0;
  if (p >= 1) return 1;
  const bool above_mean = static_cast<double>(x) > static_cast<double>(m) * p;
  // The lower tail of X is the upper tail of the failures m - X.
  const double tail = above_mean ? UpperTail(x, m, p) : 1 - UpperTail(m - x + 1, m, 1 - p);
  return std::min(1.0, tail);
}

}  // namespace sluice
