// The judge's distributions and bounds: pure formulas over doubles, no locale, no global state.
#pragma once

#include <cmath>
#include <cstdint>

namespace sluice {

/// A sum whose rounding error does not grow with the number of terms (Neumaier).
class CompensatedSum {
 public:
  void Add(double term) {
    const double next = sum_ + term;
    const bool is_smaller = std::abs(sum_) >= std::abs(term);
    correction_ += is_smaller ? (sum_ - next) + term : (term - next) + sum_;
    sum_ = next;
  }
  [[nodiscard]] double Value() const { return sum_ + correction_; }

 private:
  double sum_ = 0;
  double correction_ = 0;
};

/// How much wider than a normal bound `z` a bound with `nu` degrees of freedom is (Cornish-Fisher,
/// two terms).
double StudentBound(double z, double nu);

/// Half-width, in standard errors, of a confidence sequence at relative information `x` that holds
/// at all looks together with probability 1 - alpha.
double AnytimeBound(double x, double alpha);

/// ln of the Beta(1/2, 1/2) mixture e-value against a Bernoulli mean `limit`, after `successes` of
/// `trials`.
double LogMixtureEvidence(double limit, double successes, double trials);

/// The means that the mixture does not reject at `alpha`.
struct MixtureInterval {
  double low = 0;
  double high = 1;
};
MixtureInterval MixtureBounds(double successes, double trials, double alpha);

/// P(Binomial(m, p) >= x).
double BinomialTail(std::int64_t x, std::int64_t m, double p);

/// `y` of `n` is far more than five times `limit` allows for: no fluctuation of a healthy device.
inline bool IsGrosslyAbove(double y, double n, double limit) {
  constexpr double kFactor = 5;
  constexpr double kEventsMin = 5;
  constexpr double kSigmas = 3.1;  // one in a thousand
  if (y < kEventsMin) return false;
  const double expected = n * kFactor * limit;
  if (y <= expected) return false;  // nearly all, and a root is dear
  return y > expected + kSigmas * std::sqrt(expected) + 1;
}

}  // namespace sluice
