// One device of a simulated fleet: it works, errs, goes offline and reports, by its own random
// stream.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "rollout_engine/core/judge_snapshot.h"
#include "rollout_engine/simulate/scenario.h"

namespace sluice {

struct HardwareShare {
  std::string_view name;
  double share = 0;
};
/// Five models, the rarest last.
inline constexpr std::array<HardwareShare, 5> kSimulatedHardware = {
    {{"cam-a", 0.40}, {"cam-b", 0.30}, {"gate", 0.17}, {"jetson", 0.10}, {"kiosk", 0.03}}};

/// SplitMix64: a stream per device, so that no order of devices or runs changes what one of them
/// does.
class DeviceRandom {
 public:
  explicit DeviceRandom(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next();
  double Uniform();      // in (0, 1)
  double Exponential();  // mean 1
  double Normal();
  double Poisson(double mean);

 private:
  std::uint64_t state_;
};
/// The seed of stream `index` of `seed`.
std::uint64_t StreamSeed(std::uint64_t seed, std::uint64_t index);

class SyntheticDevice {
 public:
  /// `index` in the fleet picks its hardware, its habits and its random stream. Times are seconds
  /// since the stage's start.
  SyntheticDevice(const Scenario& scenario, std::uint64_t seed, std::size_t index);

  /// A test device counts from its activation, a control device from the stage's start until its
  /// window is restarted.
  void StartAsControl() { judged_.arm = Arm::kControl; }
  void Activate(double now_s);

  /// Works until `now_s` and reports, unless it is offline.
  void WorkUntil(double now_s);
  void StartEpoch() { at_epoch_start_ = reported_; }
  /// Counts anew from what it has reported, in both windows.
  void RestartWindow() { at_start_ = at_epoch_start_ = reported_; }
  /// Brings what the judge sees up to date.
  const JudgedDevice& Judged(double now_s);

  [[nodiscard]] bool IsDead() const { return dead_; }
  /// The release is, or may turn, bad for it.
  [[nodiscard]] bool IsAffected() const { return scenario_.is_bad && is_affected_; }
  [[nodiscard]] std::string_view hardware() const { return judged_.stratum; }

  static std::string IdOf(std::size_t index);
  static std::string_view HardwareOf(std::size_t index);

 private:
  struct Rates {
    double error = 0, slow = 0, miss = 0;
  };
  [[nodiscard]] Rates RatesAt(double now_s) const;
  void TakeHistory();
  void CountEvents(double inferences, const Rates& rates);
  /// Events of a Poisson process whose hazard has grown by `hazard`.
  double EventsIn(double hazard, double& until_next);

  const Scenario& scenario_;
  DeviceRandom random_;
  JudgedDevice judged_;
  // Its habits.
  double inferences_per_s_ = 0;
  double labelled_share_ = 0;
  Rates normal_;
  double phase_s_ = 0;  // of its day and of its reports
  // What the release did to it.
  bool is_affected_ = false;
  bool dead_ = false;
  bool lies_ = false;
  double crash_at_s_ = INFINITY;
  // Where it stands.
  double activated_s_ = 0;
  double worked_until_s_ = 0;
  double last_report_s_ = 0;
  bool online_ = true;
  double toggles_at_s_ = 0;
  double crashes_ = 0;
  double until_error_ = 0, until_slow_ = 0, until_label_ = 0;
  RatioCounts done_{};
  RatioCounts reported_{};
  RatioCounts at_start_{};
  RatioCounts at_epoch_start_{};
};

}  // namespace sluice
