#include "device_sdk/core/health.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace sluice::device {
namespace {

std::string Number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

double Share(std::uint32_t part, std::uint32_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

bool IsRight(std::uint8_t score) { return score >= 128; }

std::uint32_t CountRight(const std::vector<std::uint8_t>& scores) {
  return static_cast<std::uint32_t>(std::count_if(scores.begin(), scores.end(), IsRight));
}

std::optional<std::string> FaultOfRun(const SetRun& run) {
  if (run.n == 0) return "the set was not run";
  if (run.scores.size() != run.n) return "as many scores as items are needed";
  if (run.errors > 0) return std::to_string(run.errors) + " inferences failed";
  if (run.non_finite > 0) return std::to_string(run.non_finite) + " outputs are not finite";
  return std::nullopt;
}

/// What the candidate fails, or nothing. REQUIRES: FaultOfRun(candidate) found nothing.
std::optional<std::string> FaultOfNumbers(const ReleaseManifest& manifest,
                                          const ValidationNumbers& numbers, bool has_base,
                                          std::uint32_t slow) {
  const double n = numbers.n;
  const double accuracy = numbers.correct_new / n;
  const double wanted =
      manifest.validation.accuracy_expected - manifest.validation.accuracy_tolerance;
  if (!(accuracy >= wanted)) {
    return "accuracy " + Number(accuracy) + " is below the manifest's " + Number(wanted);
  }
  const double drop_max = manifest.limits.accuracy_drop_max;
  const double drop =
      (static_cast<double>(numbers.correct_base) - static_cast<double>(numbers.correct_new)) / n;
  if (has_base && drop_max != 0 && !(drop <= drop_max)) {
    return "accuracy drops by " + Number(drop) + ", allowed " + Number(drop_max);
  }
  if (manifest.limits.latency_p99_max_ms != 0 && IsShownOver(slow, numbers.n, kSlowShareMax)) {
    return Number(100 * slow / n) + " % of the set is slower than " +
           Number(manifest.limits.latency_p99_max_ms) + " ms";
  }
  return std::nullopt;
}

}  // namespace

ValidationVerdict JudgeValidation(const ReleaseManifest& manifest,
                                  const std::optional<SetRun>& base, const SetRun& candidate) {
  ValidationVerdict verdict;
  if (manifest.validation.sha256.IsZero()) return verdict;
  const auto fail = [&](const std::string& text) {
    verdict.failure = Error{ErrorCode::kValidation, text};
    return verdict;
  };
  if (const auto fault = FaultOfRun(candidate)) return fail("new release: " + *fault);
  ValidationNumbers& numbers = verdict.numbers;
  numbers.n = candidate.n;
  numbers.correct_new = CountRight(candidate.scores);
  numbers.latency_us_p99 = candidate.latency_us_p99;
  // A base that cannot run the set says nothing about the new release, which then has to pass on
  // its own.
  const bool paired = base && !FaultOfRun(*base) && base->n == candidate.n;
  if (paired) {
    numbers.n_base = base->n;
    numbers.correct_base = CountRight(base->scores);
    for (std::size_t i = 0; i < candidate.scores.size(); ++i) {
      const bool base_right = IsRight(base->scores[i]);
      const bool new_right = IsRight(candidate.scores[i]);
      numbers.only_base += base_right && !new_right;
      numbers.only_new += new_right && !base_right;
    }
  }
  if (const auto fault = FaultOfNumbers(manifest, numbers, paired, candidate.slow))
    return fail(*fault);
  return verdict;
}

std::int8_t ValidationDropQ(const ValidationNumbers& numbers) {
  if (numbers.n_base == 0) return Telemetry::kValDropNotRun;
  const double drop =
      (static_cast<double>(numbers.correct_base) - static_cast<double>(numbers.correct_new)) /
      static_cast<double>(numbers.n);
  return static_cast<std::int8_t>(std::clamp(std::lround(drop * 512), -127L, 127L));
}

bool IsShownOver(std::uint32_t count, std::uint32_t n, double limit) {
  const double expected = n * limit;
  return !(count <= expected + 3.1 * std::sqrt(expected) + 1);
}

TrialHealth::TrialHealth(const Terms& terms, std::int64_t now_ms)
    : terms_(terms),
      started_ms_(now_ms),
      checkpoint_ms_(now_ms),
      interval_started_ms_(now_ms),
      interval_start_(terms.start) {}

void TrialHealth::CloseInterval(std::int64_t now_ms, const InferenceCounts& counts) {
  const std::uint32_t n = counts.inferences - interval_start_.inferences;
  if (n < kHealthInferencesMin || now_ms - interval_started_ms_ < terms_.interval_ms) return;
  const std::uint32_t errors = counts.errors - interval_start_.errors;
  const std::uint32_t slow = counts.over_latency - interval_start_.over_latency;
  interval_start_ = counts;
  interval_started_ms_ = now_ms;
  std::string fault;
  const HealthLimits& limits = terms_.limits;
  if (limits.error_rate_max != 0 && IsShownOver(errors, n, limits.error_rate_max)) {
    fault = "error rate " + Number(Share(errors, n)) + " over " + Number(limits.error_rate_max);
  } else if (limits.latency_p99_max_ms != 0 && IsShownOver(slow, n, kSlowShareMax)) {
    fault = Number(100 * Share(slow, n)) + " % of inferences over the latency limit";
  }
  bad_intervals_ = fault.empty() ? 0 : bad_intervals_ + 1;
  if (bad_intervals_ >= kBadIntervalsMax) bad_ = Error{ErrorCode::kHealth, fault};
}

TrialHealth::Judgement TrialHealth::Check(std::int64_t now_ms, const InferenceCounts& counts,
                                          const Status& probe) {
  failed_probes_ = probe ? 0 : failed_probes_ + 1;
  if (failed_probes_ >= kFailedProbesMax) {
    bad_ = probe.error().With("the runner is unhealthy");
  }
  CloseInterval(now_ms, counts);

  Judgement judgement;
  judgement.bad = bad_;
  const std::int64_t elapsed_ms = now_ms - started_ms_;
  judgement.budget_left_ms = std::max<std::int64_t>(0, terms_.budget_left_ms - elapsed_ms);
  const std::uint32_t seen = counts.inferences - terms_.start.inferences;
  const bool evidence = seen >= terms_.min_inferences;
  const bool calm = bad_intervals_ == 0 && failed_probes_ == 0;
  const bool soaked = elapsed_ms >= terms_.soak_ms && evidence && calm;
  judgement.over = !bad_ && (soaked || judgement.budget_left_ms == 0);
  judgement.evidence = evidence && calm;
  if (now_ms - checkpoint_ms_ >= kCheckpointMs) {
    checkpoint_ms_ = now_ms;
    judgement.checkpoint = true;
    judgement.start_proven = !proven_told_ && elapsed_ms >= kStartProvenMs;
    proven_told_ = proven_told_ || judgement.start_proven;
  }
  return judgement;
}

}  // namespace sluice::device
