#include "rollout_engine/simulate/synthetic_device.h"

#include <algorithm>
#include <numbers>

namespace sluice {
namespace {

constexpr double kDay = 86'400;
constexpr double kReportSpread_s = 300;
// How devices differ: standard deviations of the logarithm.
constexpr double kLoadSpread = 0.7;
constexpr double kErrorSpread = 0.5;
constexpr double kSlowSpread = 0.3;
constexpr double kAccuracySpread = 0.02;  // of the accuracy itself
constexpr double kLabelledMean = 0.005;
constexpr double kDiurnal = 0.5;
// Churn: 2 % of the fleet is offline at any time, for an hour on average.
constexpr double kOfflineMean_s = 3'600;
constexpr double kOnlineMean_s = 49 * kOfflineMean_s;
constexpr double kCrashesPerDay = 0.003;
constexpr double kCrashLoopMean_s = 600;
constexpr double kNoHistoryShare = 0.05;

double LogNormal(DeviceRandom& random, double spread) {  // mean 1
  return std::exp(spread * random.Normal() - spread * spread / 2);
}

}  // namespace

std::uint64_t DeviceRandom::Next() {
  state_ += 0x9e3779b97f4a7c15;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

double DeviceRandom::Uniform() { return (static_cast<double>(Next() >> 11) + 0.5) * 0x1p-53; }
double DeviceRandom::Exponential() { return -std::log(Uniform()); }

double DeviceRandom::Normal() {
  return std::sqrt(2 * Exponential()) * std::cos(2 * std::numbers::pi * Uniform());
}

double DeviceRandom::Poisson(double mean) {
  constexpr double kNormalFrom = 50;
  if (mean > kNormalFrom) return std::max(0.0, std::round(mean + std::sqrt(mean) * Normal()));
  double events = 0;
  for (double left = mean - Exponential(); left > 0; left -= Exponential()) ++events;
  return events;
}

std::uint64_t StreamSeed(std::uint64_t seed, std::uint64_t index) {
  DeviceRandom random(seed);
  return DeviceRandom(random.Next() ^ (index * 0xd1342543de82ef95)).Next();
}

std::string SyntheticDevice::IdOf(std::size_t index) { return "d" + std::to_string(index); }

std::string_view SyntheticDevice::HardwareOf(std::size_t index) {
  // In turns that repeat every hundred devices: each hardware has exactly its share.
  const double place = (static_cast<double>(index % 100) + 0.5) / 100;
  double upto = 0;
  for (const HardwareShare& hardware : kSimulatedHardware) {
    upto += hardware.share;
    if (place < upto) return hardware.name;
  }
  return kSimulatedHardware.back().name;
}

SyntheticDevice::SyntheticDevice(const Scenario& scenario, std::uint64_t seed, std::size_t index)
    : scenario_(scenario), random_(StreamSeed(seed, index)) {
  judged_.id = IdOf(index);
  judged_.stratum = HardwareOf(index);
  inferences_per_s_ = scenario.load * LogNormal(random_, kLoadSpread);
  labelled_share_ = kLabelledMean * LogNormal(random_, kLoadSpread);
  normal_.error = kHealthyErrorRate * LogNormal(random_, kErrorSpread);
  normal_.slow = kHealthySlowShare * LogNormal(random_, kSlowSpread);
  normal_.miss =
      std::clamp(1 - kHealthyAccuracy + kAccuracySpread * random_.Normal(), 0.001, 0.999);
  phase_s_ = random_.Uniform() * kReportSpread_s;
  is_affected_ =
      !scenario.rarest_hardware_only || judged_.stratum == kSimulatedHardware.back().name;
  lies_ = random_.Uniform() < scenario.lying;
  online_ = random_.Uniform() >= kOfflineMean_s / (kOfflineMean_s + kOnlineMean_s);
  toggles_at_s_ = random_.Exponential() * (online_ ? kOnlineMean_s : kOfflineMean_s);
  // One that is offline as the stage starts has been so for a while.
  last_report_s_ = online_ ? -phase_s_ : -random_.Exponential() * kOfflineMean_s;
  until_error_ = random_.Exponential();
  until_slow_ = random_.Exponential();
  until_label_ = random_.Exponential();
  crash_at_s_ = random_.Exponential() * kDay / kCrashesPerDay;
  TakeHistory();
}

void SyntheticDevice::TakeHistory() {
  if (random_.Uniform() < kNoHistoryShare) return;
  const double n = std::round(inferences_per_s_ * kDay);
  const double labelled = std::min(n, random_.Poisson(n * labelled_share_));
  const auto of = [&](double count, double p) {
    return std::min(count, random_.Poisson(count * p));
  };
  judged_.pre = {{{n, of(n, normal_.error)},
                  {n, of(n, normal_.slow)},
                  {labelled, labelled - of(labelled, normal_.miss)}}};
}

void SyntheticDevice::Activate(double now_s) {
  judged_.arm = Arm::kTest;
  activated_s_ = worked_until_s_ = now_s;
  last_report_s_ = now_s;  // it reports before it switches
  online_ = true;
  toggles_at_s_ = now_s + random_.Exponential() * kOnlineMean_s;
  crash_at_s_ += now_s;
  if (!is_affected_) return;
  dead_ = random_.Uniform() < scenario_.bricked;
  if (random_.Uniform() < scenario_.crashing)
    crash_at_s_ = now_s + random_.Exponential() * kCrashLoopMean_s;
}

SyntheticDevice::Rates SyntheticDevice::RatesAt(double now_s) const {
  Rates rates = normal_;
  const bool changed =
      judged_.arm == Arm::kTest && is_affected_ && now_s - activated_s_ > scenario_.from_s;
  if (changed) {
    if (scenario_.error_rate) rates.error *= *scenario_.error_rate / kHealthyErrorRate;
    if (scenario_.slow_share) rates.slow *= *scenario_.slow_share / kHealthySlowShare;
    rates.miss = std::min(1.0, rates.miss + scenario_.accuracy_drop);
  }
  if (now_s > scenario_.outage_from_s && now_s <= scenario_.outage_until_s)
    rates.error *= scenario_.outage_error_factor;
  rates.error = std::min(1.0, rates.error);
  rates.slow = std::min(1.0, rates.slow);
  return rates;
}

double SyntheticDevice::EventsIn(double hazard, double& until_next) {
  double events = 0;
  until_next -= hazard;
  while (until_next <= 0) {
    ++events;
    until_next += random_.Exponential();
  }
  return events;
}

void SyntheticDevice::CountEvents(double inferences, const Rates& rates) {
  RatioCount& errors = done_[static_cast<std::size_t>(Metric::kErrorRate)];
  RatioCount& slow = done_[static_cast<std::size_t>(Metric::kLatencyExceed)];
  RatioCount& accuracy = done_[static_cast<std::size_t>(Metric::kAccuracyDrop)];
  const double new_errors = EventsIn(inferences * rates.error, until_error_);
  errors.n += inferences;
  errors.y = lies_ ? errors.n : std::min(errors.n, errors.y + new_errors);
  slow.n = errors.n;
  slow.y = std::min(slow.n, slow.y + EventsIn(inferences * rates.slow, until_slow_));
  const double labelled = EventsIn(inferences * labelled_share_, until_label_);
  for (double i = 0; i < labelled; ++i) {
    ++accuracy.n;
    if (random_.Uniform() >= rates.miss) ++accuracy.y;
  }
}

void SyntheticDevice::WorkUntil(double now_s) {
  if (dead_) return;
  const double day =
      std::sin(2 * std::numbers::pi * (now_s / kDay + phase_s_ / kReportSpread_s / 8));
  const double inferences = std::floor(
      (now_s - worked_until_s_) * inferences_per_s_ * (1 + kDiurnal * day) + random_.Uniform());
  CountEvents(inferences, RatesAt(now_s));
  worked_until_s_ = now_s;
  for (; toggles_at_s_ <= now_s; online_ = !online_)
    toggles_at_s_ += random_.Exponential() * (online_ ? kOfflineMean_s : kOnlineMean_s);
  if (crash_at_s_ <= now_s) {
    ++crashes_;
    crash_at_s_ = INFINITY;
  }
  if (!online_) return;
  reported_ = done_;
  judged_.crashes = crashes_;
  last_report_s_ = std::max(last_report_s_, now_s - phase_s_);
}

const JudgedDevice& SyntheticDevice::Judged(double now_s) {
  judged_.since_activation_s = now_s - activated_s_;
  // One that was never heard is silent since the arm began to count it.
  judged_.silence_s = std::min(now_s - last_report_s_, judged_.since_activation_s);
  for (std::size_t i = 0; i < kMetricCount; ++i) {
    judged_.cum[i] = {reported_[i].n - at_start_[i].n, reported_[i].y - at_start_[i].y};
    judged_.epoch[i] = {reported_[i].n - at_epoch_start_[i].n,
                        reported_[i].y - at_epoch_start_[i].y};
  }
  return judged_;
}

}  // namespace sluice
