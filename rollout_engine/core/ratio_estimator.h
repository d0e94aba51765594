// The ratio estimator: what an arm's error rate is, and how sure of it, with the device as the
// unit.
//
// A metric is a ratio of per-device sums (delta method), corrected by each device's own history
// (CUPED).
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "rollout_engine/core/ratio_moments.h"

namespace sluice {

using RatioRows = std::span<const RatioRow>;

/// The rows of one arm: nearly all as sums, those that a cap may concern one by one.
struct ArmSample {
  std::vector<const RatioMoments*> groups;  // without the heavy rows
  std::vector<RatioRow> heavy;
  /// All rows: for what the sums cannot tell exactly.
  std::function<std::vector<RatioRow>()> list_rows;

  [[nodiscard]] std::size_t Rows() const;
  /// Of all rows, uncapped.
  [[nodiscard]] double SumN() const;
  [[nodiscard]] double SumY() const;
};

struct ArmEstimate {
  double m = 0;  // rows
  double sum_n = 0, sum_y = 0;
  double raw = 0;       // sum_y / sum_n
  double theta = 0;     // raw, corrected by history
  double variance = 0;  // of theta, but for the covariate's mean
  double beta = 0;      // slope on history
};

/// The test arm against its own past: for scopes that have no concurrent control.
struct SelfDifference {
  double difference = 0;
  double variance = 0;
};

struct RatioEstimate {
  ArmEstimate test;
  std::optional<ArmEstimate> control;
  double covariate_mean_variance = 0;
  std::optional<SelfDifference> self;
  double cap = std::numeric_limits<double>::infinity();  // the n of a test row counts up to here

  /// Variance of test.theta as an absolute number, the covariate's mean included.
  [[nodiscard]] double TestVariance() const {
    return test.variance + test.beta * test.beta * covariate_mean_variance;
  }
  /// Variance of test.theta - control.theta. REQUIRES: control.
  [[nodiscard]] double DifferenceVariance() const {
    const double slopes = test.beta - control->beta;
    return test.variance + control->variance + slopes * slopes * covariate_mean_variance;
  }
};

/// What the n of a test row counts up to: ten average control rows. REQUIRES: rows.
double CapBy(const ArmSample& control);

/// Both arms. Nothing if one has fewer than two rows. REQUIRES: every test row above the cap is
/// among the heavy ones, no control row is.
std::optional<RatioEstimate> EstimateRatio(const ArmSample& test, const ArmSample& control);
/// The test arm alone, against itself. Nothing if it has fewer than two rows.
std::optional<RatioEstimate> EstimateLoneRatio(RatioRows test);

/// The ratio of capped rows without the `tau` share of devices that speak most against it.
/// `high_is_bad`: else low is. `test_rows` in the order of the input.
double TrimmedRatio(std::vector<RatioRow> test_rows, double cap, double tau, bool high_is_bad);
/// How many devices that share is.
std::size_t TrimmedCount(double tau, std::size_t devices);

}  // namespace sluice
