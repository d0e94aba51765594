// Whole rollouts over a small simulated fleet, with the real judge: what a demonstration of a
// minute can show.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>

#include "common/base/random.h"
#include "rollout_engine/core/look.h"
#include "rollout_engine/core/rollout.h"
#include "tests/unit/rollout_engine/core/rollout_harness.h"

namespace sluice {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kDevices = 88;
constexpr std::int64_t kTickMs = 250;
constexpr std::int64_t kIntervalMs = 5'000;

/// Three stages of 10.8 s each, canary 25 %, looks every 5 s, waves every second.
RolloutSpec QuickSpec() {
  RolloutSpec spec = TwoStageSpec();
  spec.rollback.health_check_interval_ms = kIntervalMs;
  spec.rate.every_ms = limits::kSecond;
  spec.stages.assign(3, spec.stages[0]);
  const std::array<MilliPercent, 3> targets = {25'000, 50'000, kAllMilliPercent};
  const std::array<const char*, 3> names = {"canary", "early_adopters", "general"};
  for (std::size_t i = 0; i < 3; ++i) {
    StageSpec& stage = spec.stages[i];
    stage.name = names[i];
    stage.target = targets[i];
    stage.duration_ms = 10'800;
    stage.max_duration_ms = 60'000;
    stage.criteria = {};
    stage.criteria.error_rate_max = 0.01;
    stage.criteria.latency_p99_max_ms = 50;
    stage.criteria.accuracy_drop_max = 0.05;
  }
  return spec;
}

/// How a release behaves on every device.
struct Behaviour {
  double error_rate = 0;
  double slow_rate = 0;
  double accuracy = 0.95;
  bool validates = true;
};

/// Devices that download in a second, ask for a permit, infer 50 times a second and report every 5
/// s.
class SimFleet {
 public:
  SimFleet(const RolloutSpec& spec, const Behaviour& former, const Behaviour& next, bool has_model)
      : h_(spec), former_(former), next_(next) {
    for (const FleetDevice& device : Fleet(kDevices, has_model))
      devices_[device.id].has_model = has_model;
    for (int i = 0; has_model && i < 40 * 4; ++i) Tick();  // a past to compare with
    Act(Started{.eligible = Fleet(kDevices, has_model),
                .release_ids = {{{"cam", kNewRelease}, {"gate", kNewRelease}}}});
  }

  /// Until the rollout has ended, or is held, or the time is over.
  void RunFor(std::int64_t ms) {
    const std::int64_t end = h_.now.ms + ms;
    const auto moves = [&] {
      return rollout().status == RolloutStatus::kRunning ||
             rollout().status == RolloutStatus::kRollingBack;
    };
    while (h_.now.ms < end && moves()) Tick();
  }
  [[nodiscard]] const Rollout& rollout() const { return h_.rollout; }
  [[nodiscard]] int exposed() const { return exposed_; }
  [[nodiscard]] std::int64_t now_ms() const { return h_.now.ms; }
  RolloutHarness& harness() { return h_; }

 private:
  struct Device {
    bool has_model = false;
    bool is_new = false;
    std::optional<std::int64_t> ready_at_ms, activated_at_ms;
    std::int64_t phase_ms = -1;
    Telemetry report;
  };

  void Tick() {
    h_.WaitMs(kTickMs);
    for (auto& [id, device] : devices_) Live(id, device);
    for (std::size_t kind = 0; kind < h_.rollout.timers.size(); ++kind) {
      const auto at = h_.rollout.timers[kind];
      if (at.has_value() && *at <= h_.now) Act(TimerFired{static_cast<TimerKind>(kind)});
    }
  }

  void Live(const std::string& id, Device& device) {
    if (device.ready_at_ms.has_value() && h_.now.ms >= *device.ready_at_ms) {
      device.ready_at_ms.reset();
      if (next_.validates) {
        Act(DeviceReported{id, ReportState::kReady, ""});
        Act(PermitWanted{id});
      } else {
        Act(DeviceReported{id, ReportState::kFailed, "E_VALIDATION"});
      }
    }
    if (device.activated_at_ms.has_value() && h_.now.ms >= *device.activated_at_ms) {
      device.activated_at_ms.reset();
      Act(DeviceReported{id, ReportState::kActivated, ""});
    }
    if (device.has_model) Infer(id, device);
  }

  void Infer(const std::string& id, Device& device) {
    const Behaviour& behaviour = device.is_new ? next_ : former_;
    Telemetry& report = device.report;
    for (int i = 0; i < 12; ++i) {
      ++report.inferences;
      ++report.labelled;
      if (random_.Unit() < behaviour.error_rate) ++report.errors;
      if (random_.Unit() < behaviour.slow_rate) ++report.over_latency;
      if (random_.Unit() < behaviour.accuracy) report.correct_q8 += 256;
    }
    if (device.phase_ms < 0)
      device.phase_ms = static_cast<std::int64_t>(random_.Below(kIntervalMs / kTickMs)) * kTickMs;
    if ((h_.now.ms + device.phase_ms) / kIntervalMs ==
        (h_.now.ms + device.phase_ms - kTickMs) / kIntervalMs)
      return;
    report.release_id = device.is_new ? kNewRelease : kOldRelease;
    ++report.seq;
    telemetry_.Update(id,
                      [&](DeviceTotals& totals) { (void)AcceptTelemetry(totals, report, h_.now); });
  }

  void Act(EventBody body) {
    h_.Do(std::move(body));
    const std::vector<Effect> effects = h_.last;
    for (const Effect& effect : effects) Carry(effect);
  }

  void Carry(const Effect& effect) {
    if (const auto* offer = std::get_if<Offer>(&effect)) {
      devices_.at(offer->device).ready_at_ms = h_.now.ms + 1'000;
    } else if (const auto* permit = std::get_if<GrantPermit>(&effect)) {
      Switch(permit->device, true);
      Act(DeviceReported{permit->device, ReportState::kActivating, ""});
      devices_.at(permit->device).activated_at_ms = h_.now.ms + 250;
      ++exposed_;
    } else if (const auto* window = std::get_if<OpenWindow>(&effect)) {
      if (window->kind == OpenWindow::Kind::kStage) OpenStageWindow(h_.rollout, telemetry_, h_.now);
      if (window->kind == OpenWindow::Kind::kEpoch) OpenEpochWindow(h_.rollout, telemetry_, h_.now);
      if (window->kind == OpenWindow::Kind::kDevice)
        OpenDeviceWindow(h_.rollout, window->device, telemetry_, h_.now);
    } else if (const auto* request = std::get_if<RunLook>(&effect)) {
      const Look look = BuildLook(h_.rollout, telemetry_, h_.now);
      Act(MakeLookJudged(*request, look, JudgeLook(h_.rollout, look)));
    } else if (const auto* order = std::get_if<OrderChanged>(&effect)) {
      Obey(*order);
    }
  }

  void Obey(const OrderChanged& order) {
    if (order.entries.empty() || order.entries[0].action != OrderAction::kRollBack) return;
    for (auto& [id, device] : devices_) {
      if (!device.is_new) continue;
      Switch(id, false);
      Act(DeviceReported{id, ReportState::kReverted, "E_REVERT_ORDERED"});
    }
  }

  void Switch(const std::string& id, bool is_new) {
    Device& device = devices_.at(id);
    device.is_new = is_new;
    device.has_model = true;
    device.report = {};
    device.report.activation = ++activation_;
  }

  RolloutHarness h_;
  Behaviour former_, next_;
  std::map<std::string, Device> devices_;
  FleetTelemetry telemetry_;
  SeededRandom random_{42};
  std::uint32_t activation_ = 1;
  int exposed_ = 0;
};

TEST(RolloutLife, AFirstReleaseReachesEverybodyWithoutAControlArm) {
  SimFleet fleet(QuickSpec(), {}, {}, false);
  fleet.RunFor(120'000);
  EXPECT_EQ(fleet.rollout().status, RolloutStatus::kCompleted) << fleet.rollout().why;
  EXPECT_EQ(fleet.exposed(), kDevices);
  EXPECT_THAT(fleet.rollout().why, HasSubstr("no control arm (first release)"));
}

TEST(RolloutLife, AGoodReleaseGoesThroughAllStagesWithinTwoMinutes) {
  SimFleet fleet(QuickSpec(), {.error_rate = 0.001, .accuracy = 0.94},
                 {.error_rate = 0.001, .accuracy = 0.96}, true);
  fleet.RunFor(120'000);
  EXPECT_EQ(fleet.rollout().status, RolloutStatus::kCompleted) << fleet.rollout().why;
  EXPECT_EQ(fleet.exposed(), kDevices);
}

TEST(RolloutLife, AReleaseThatFailsItsValidationIsHeldAndNeverActivates) {
  SimFleet fleet(QuickSpec(), {}, {.validates = false}, true);
  fleet.RunFor(60'000);
  EXPECT_EQ(fleet.rollout().status, RolloutStatus::kHolding);
  EXPECT_THAT(fleet.rollout().why, HasSubstr("E_VALIDATION"));
  EXPECT_EQ(fleet.exposed(), 0);
}

class BadReleases : public ::testing::TestWithParam<std::pair<const char*, Behaviour>> {};

TEST_P(BadReleases, AreRolledBackInCanaryAndNobodyElseIsEverExposed) {
  SimFleet fleet(QuickSpec(), {}, GetParam().second, true);
  fleet.RunFor(60'000);
  EXPECT_EQ(fleet.rollout().status, RolloutStatus::kRolledBack) << fleet.rollout().why;
  EXPECT_THAT(fleet.rollout().why, HasSubstr(GetParam().first));
  EXPECT_EQ(CurrentStage(fleet.rollout()), 0);
  EXPECT_LE(fleet.exposed(), 22);
  EXPECT_THAT(RolloutHarness::Only<RevertDevice>(fleet.harness().all),
              IsEmpty());  // the Order was enough
}

INSTANTIATE_TEST_SUITE_P(Each, BadReleases,
                         ::testing::Values(std::pair{"accuracy_drop", Behaviour{.accuracy = 0.70}},
                                           std::pair{"latency_exceed", Behaviour{.slow_rate = 0.5}},
                                           std::pair{"error_rate", Behaviour{.error_rate = 0.08}}));

}  // namespace
}  // namespace sluice
