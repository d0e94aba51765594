// Judges a release on the device: the paired validation before it serves, and its health while it
// is on trial.
//
// Pure. Every limit is tested as !(x <= max), so that NaN fails.
#pragma once

#include <optional>
#include <vector>

#include "common/base/result.h"
#include "common/contract/hello.h"
#include "common/contract/manifest.h"

namespace sluice::device {

/// What one model did on the validation set; scores: one byte per item, 255 = right, 0 = wrong.
struct SetRun {
  std::uint32_t n = 0;
  std::uint32_t errors = 0;
  std::uint32_t non_finite = 0;
  std::uint32_t slow = 0;
  std::uint32_t latency_us_p99 = 0;
  std::vector<std::uint8_t> scores;
};

/// p99 <= limit iff at most this share is slower than the limit.
inline constexpr double kSlowShareMax = 0.01;

struct ValidationVerdict {
  ValidationNumbers numbers;
  std::optional<Error> failure;  // E_VALIDATION
};

/// Judges `candidate` against the manifest and, where there is one, against `base` on the same
/// items. A manifest without a set has nothing to judge: passes with numbers.n = 0.
ValidationVerdict JudgeValidation(const ReleaseManifest& manifest,
                                  const std::optional<SetRun>& base, const SetRun& candidate);

/// Telemetry's val_drop_q: (correct_base - correct_new) / n in 1/512, clamped; kValDropNotRun
/// without a set or without a base.
std::int8_t ValidationDropQ(const ValidationNumbers& numbers);

/// Cumulative counters of the serving model in this activation.
struct InferenceCounts {
  std::uint32_t inferences = 0;
  std::uint32_t errors = 0;
  std::uint32_t over_latency = 0;
  friend bool operator==(const InferenceCounts&, const InferenceCounts&) = default;
};

inline constexpr std::uint32_t kHealthInferencesMin = 100;  // of an interval that may count

/// True iff `count` of `n` is more than a true share of `limit` brings about by chance: count > n
/// limit + 3.1 sqrt(n limit) + 1, the bound of docs/decisions/0003-health-intervals.md. Exactly at
/// the limit is never over it.
bool IsShownOver(std::uint32_t count, std::uint32_t n, double limit);

inline constexpr int kBadIntervalsMax = 2;              // in a row
inline constexpr int kFailedProbesMax = 3;              // health calls of the runner, in a row
inline constexpr std::int64_t kStartProvenMs = 60'000;  // a start this long is given back
inline constexpr std::int64_t kCheckpointMs = 60'000;   // the trial's budget is stored this often

/// One start of a trial, fed at least once a second.
class TrialHealth {
 public:
  struct Terms {
    HealthLimits limits;
    std::int64_t soak_ms = 0;         // healthy for this long
    std::int64_t interval_ms = 0;     // counters are judged at least this far apart
    std::int64_t budget_left_ms = 0;  // then the trial ends without evidence
    std::uint32_t min_inferences = 0;
    InferenceCounts start;
  };
  struct Judgement {
    std::optional<Error> bad;  // E_HEALTH
    bool over = false;
    bool evidence = false;  // means something if over
    bool checkpoint = false;
    bool start_proven = false;  // means something at a checkpoint
    std::int64_t budget_left_ms = 0;
  };

  TrialHealth(const Terms& terms, std::int64_t now_ms);

  /// `probe` is what the runner's health call said. Bad and over are said again at every call until
  /// the trial ends.
  Judgement Check(std::int64_t now_ms, const InferenceCounts& counts, const Status& probe);

 private:
  void CloseInterval(std::int64_t now_ms, const InferenceCounts& counts);

  Terms terms_;
  std::int64_t started_ms_;
  std::int64_t checkpoint_ms_;
  std::int64_t interval_started_ms_;
  InferenceCounts interval_start_;
  int bad_intervals_ = 0;
  int failed_probes_ = 0;
  bool proven_told_ = false;
  std::optional<Error> bad_;
};

}  // namespace sluice::device
