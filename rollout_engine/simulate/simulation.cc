#include "rollout_engine/simulate/simulation.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

#include "rollout_engine/core/judge_bounds.h"
#include "rollout_engine/simulate/synthetic_device.h"

namespace sluice {
namespace {

constexpr std::size_t kAffectedMin = 4;  // what a verdict test needs

double MedianOf(std::vector<double> values, double otherwise) {
  if (values.empty()) return otherwise;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

double UpperBound95(std::int32_t events, std::int32_t trials) {
  if (events >= trials) return 1;
  double low = 0, high = 1;
  constexpr int kHalvings = 60;
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = (low + high) / 2;
    const double at_most = 1 - BinomialTail(events + 1, trials, middle);
    (at_most > 0.05 ? low : high) = middle;
  }
  return high;
}

std::vector<StageRunResult> SimulateRuns(const SimulationOptions& options, const Scenario& scenario,
                                         DecisionRule rule, const RunObserver& observe) {
  std::vector<StageRunResult> results(static_cast<std::size_t>(options.runs));
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::int32_t done = 0;
  const auto work = [&] {
    for (std::size_t run = next++; run < results.size(); run = next++) {
      results[run] = RunStage(options.stage, scenario, rule, StreamSeed(options.seed, run));
      const std::scoped_lock lock(mutex);
      ++done;
      if (observe) observe(done);
    }
  };
  std::vector<std::jthread> threads;
  for (std::int32_t i = 1; i < options.threads; ++i) threads.emplace_back(work);
  work();
  threads.clear();  // joins
  return results;
}

SimulationSummary Summarise(const std::vector<StageRunResult>& results) {
  SimulationSummary summary{.runs = static_cast<std::int32_t>(results.size())};
  std::vector<double> minutes, exposed;
  for (const StageRunResult& result : results) {
    exposed.push_back(static_cast<double>(result.exposed));
    switch (result.end) {
      case StageEnd::kRolledBack:
        ++summary.rolled_back;
        minutes.push_back(result.minutes);
        break;
      case StageEnd::kPromoted:
        ++summary.promoted;
        if (result.affected >= kAffectedMin) ++summary.promoted_with_evidence;
        break;
      case StageEnd::kHeld:
        ++summary.held;
        break;
    }
  }
  summary.rolled_back_upper95 = UpperBound95(summary.rolled_back, summary.runs);
  if (!minutes.empty()) summary.minutes_max = *std::ranges::max_element(minutes);
  summary.minutes_median = MedianOf(std::move(minutes), -1);
  if (!exposed.empty()) summary.exposed_max = *std::ranges::max_element(exposed);
  summary.exposed_median = MedianOf(std::move(exposed), 0);
  return summary;
}

}  // namespace sluice
