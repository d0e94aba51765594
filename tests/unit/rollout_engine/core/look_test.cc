#include "rollout_engine/core/look.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/rollout_engine/core/rollout_harness.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

/// A rollout with telemetry beside it; windows open as the effects say.
class LookHarness : public RolloutHarness {
 public:
  explicit LookHarness(const RolloutSpec& spec = TwoStageSpec()) : RolloutHarness(spec) {}

  /// Applies `body` and opens the windows that it asks for.
  void Act(EventBody body) {
    Do(std::move(body));
    for (const OpenWindow& window : Only<OpenWindow>(last)) {
      if (window.kind == OpenWindow::Kind::kStage) OpenStageWindow(rollout, fleet, now);
      if (window.kind == OpenWindow::Kind::kEpoch) OpenEpochWindow(rollout, fleet, now);
      if (window.kind == OpenWindow::Kind::kDevice)
        OpenDeviceWindow(rollout, window.device, fleet, now);
    }
  }
  void Tell(const std::string& device, std::uint64_t release, std::uint32_t inferences,
            std::uint32_t errors, std::uint32_t rss_kb = 1'000) {
    Telemetry report;
    report.release_id = release;
    report.activation = release == kOldRelease ? 1 : 2;
    report.seq = ++seq_;
    report.inferences = inferences;
    report.errors = errors;
    report.rss_kb = rss_kb;
    ASSERT_TRUE(fleet.Update(device, [&](DeviceTotals& totals) {
      return AcceptTelemetry(totals, report, now).has_value();
    }));
  }
  const JudgedDevice* Find(const sluice::Look& look, const std::string& device) {
    for (const JudgedDevice& judged : look.input.devices) {
      if (judged.id == device) return &judged;
    }
    return nullptr;
  }
  void StartWithHistory() {
    for (const FleetDevice& device : Fleet(80)) Tell(device.id, kOldRelease, 1'000, 2);
    WaitMs(1'000);
    Act(Started{.eligible = Fleet(80),
                .release_ids = {{{"cam", kNewRelease}, {"gate", kNewRelease}}}});
  }

  FleetTelemetry fleet;

 private:
  std::uint32_t seq_ = 0;
};

TEST(Look, HoldsTheExposedAndTheControlAndNobodyElse) {
  LookHarness h;
  h.StartWithHistory();
  h.Act(DeviceReported{"dev-0000", ReportState::kActivating, ""});
  const Look look = BuildLook(h.rollout, h.fleet, h.now);
  EXPECT_THAT(look.input.devices, SizeIs(1 + 76));
  EXPECT_EQ(h.Find(look, "dev-0000")->arm, Arm::kTest);
  EXPECT_EQ(h.Find(look, "dev-0001"), nullptr);  // offered only
  EXPECT_EQ(h.Find(look, "dev-0079")->arm, Arm::kControl);
  EXPECT_EQ(h.Find(look, "dev-0079")->stratum, "gate");
}

TEST(Look, CountsEachArmInItsWindowAndTheOldReleaseAsHistory) {
  LookHarness h;
  h.StartWithHistory();
  h.WaitMs(1'000);
  h.Tell("dev-0000", kOldRelease, 1'100, 2);
  h.Tell("dev-0079", kOldRelease, 1'050, 3);
  h.Act(DeviceReported{"dev-0000", ReportState::kActivating, ""});
  h.WaitMs(1'000);
  h.Tell("dev-0000", kNewRelease, 40, 4);
  const Look look = BuildLook(h.rollout, h.fleet, h.now);
  const JudgedDevice& test = *h.Find(look, "dev-0000");
  EXPECT_EQ(test.cum[0], (RatioCount{40, 4}));
  EXPECT_EQ((*test.pre)[0], (RatioCount{1'100, 2}));
  EXPECT_EQ(test.since_activation_s, 1);
  EXPECT_EQ(test.silence_s, 0);
  const JudgedDevice& control = *h.Find(look, "dev-0079");
  EXPECT_EQ(control.cum[0], (RatioCount{50, 1}));
  EXPECT_EQ((*control.pre)[0], (RatioCount{1'000, 2}));
  EXPECT_EQ(control.since_activation_s, 2);
}

TEST(Look, StartsAnEpochWithoutTouchingTheStagesWindow) {
  LookHarness h;
  h.StartWithHistory();
  h.Tell("dev-0079", kOldRelease, 1'050, 3);
  OpenEpochWindow(h.rollout, h.fleet, h.now);
  h.WaitMs(1'000);
  h.Tell("dev-0079", kOldRelease, 1'060, 3);
  const JudgedDevice control = *h.Find(BuildLook(h.rollout, h.fleet, h.now), "dev-0079");
  EXPECT_EQ(control.cum[0], (RatioCount{60, 1}));
  EXPECT_EQ(control.epoch[0], (RatioCount{10, 0}));
}

TEST(Look, KeepsADeviceThatRevertedItselfAsACrashAndDropsOneThatWasOrderedBack) {
  LookHarness h;
  h.StartWithHistory();
  for (const char* device : {"dev-0000", "dev-0001"})
    h.Act(DeviceReported{device, ReportState::kActivated, ""});
  h.Act(DeviceReported{"dev-0000", ReportState::kReverted, "E_HEALTH"});
  h.Act(DeviceReported{"dev-0001", ReportState::kReverted, "E_REVERT_ORDERED"});
  const Look look = BuildLook(h.rollout, h.fleet, h.now);
  EXPECT_EQ(h.Find(look, "dev-0000")->crashes, 1);
  EXPECT_EQ(h.Find(look, "dev-0001"), nullptr);
}

TEST(Look, ADeviceThatWasNeverHeardIsSilentSinceItIsCounted) {
  LookHarness h;
  h.Act(Started{.eligible = Fleet(80),
                .release_ids = {{{"cam", kNewRelease}, {"gate", kNewRelease}}}});
  h.Act(DeviceReported{"dev-0000", ReportState::kActivating, ""});
  h.WaitMs(90'000);
  EXPECT_EQ(h.Find(BuildLook(h.rollout, h.fleet, h.now), "dev-0000")->silence_s, 90);
}

TEST(Look, TakesTheConfigurationFromTheStage) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages[0].criteria.latency_p99_max_ms = 50;
  spec.stages[0].criteria.crash_device_rate_max = 0.3;
  spec.stages[0].min_devices = 30;
  LookHarness h(spec);
  h.StartWithHistory();
  const JudgeConfig config = BuildLook(h.rollout, h.fleet, h.now).input.config;
  EXPECT_EQ(config.limits[0], 0.001);
  EXPECT_EQ(config.limits[1], 0.01);
  EXPECT_EQ(config.limits[2], std::nullopt);
  EXPECT_EQ(config.deltas[1], 0.3);
  EXPECT_EQ(config.planned_looks, 10);
  EXPECT_EQ(config.epochs, 2);
  EXPECT_THAT(config.strata, ElementsAre("cam", "gate"));
  EXPECT_EQ(config.interval_s, 60);
  EXPECT_EQ(config.min_devices, 30);
  EXPECT_TRUE(config.extendable);
}

TEST(Look, TestsNoStrataWhenTheFileSaysOff) {
  RolloutSpec spec = TwoStageSpec();
  spec.rollback.per_hardware = PerHardware::kOff;
  LookHarness h(spec);
  h.StartWithHistory();
  EXPECT_TRUE(BuildLook(h.rollout, h.fleet, h.now).input.config.strata.empty());
}

TEST(Look, EndsTheSoakOnlyWhenEnoughReachableDevicesAreActiveForLongEnough) {
  LookHarness h;  // 4 canaries, 10 minutes, 80 %
  h.StartWithHistory();
  for (const char* device : {"dev-0000", "dev-0001", "dev-0002"}) {
    h.Act(DeviceReported{device, ReportState::kActivated, ""});
  }
  h.WaitMs(20 * limits::kMinute);
  EXPECT_FALSE(
      BuildLook(h.rollout, h.fleet, h.now).input.at_soak_end);  // the clock does not run yet
  h.Act(DeviceReported{"dev-0003", ReportState::kActivated, ""});
  h.WaitMs(10 * limits::kMinute - 1);
  EXPECT_FALSE(BuildLook(h.rollout, h.fleet, h.now).input.at_soak_end);
  h.WaitMs(1);
  EXPECT_TRUE(BuildLook(h.rollout, h.fleet, h.now).input.at_soak_end);
  h.Act(DeviceReported{"dev-0003", ReportState::kFailed, "E_NO_FALLBACK"});
  const Look look = BuildLook(h.rollout, h.fleet, h.now);
  EXPECT_EQ(look.reachable, 4);
  EXPECT_EQ(look.reachable_active, 3);
  EXPECT_FALSE(look.input.at_soak_end);  // 75 %
}

TEST(Look, DoesNotWaitForDevicesThatCannotBeReached) {
  LookHarness h;
  h.StartWithHistory();
  for (const char* device : {"dev-0000", "dev-0001", "dev-0002", "dev-0003"}) {
    h.Act(DeviceReported{device, ReportState::kActivated, ""});
  }
  h.Act(DeviceReported{"dev-0003", ReportState::kFailed, "E_NO_FALLBACK"});
  h.fleet.SetLastHeard("dev-0003", h.now + -2 * limits::kDay);
  h.WaitMs(10 * limits::kMinute);
  const Look look = BuildLook(h.rollout, h.fleet, h.now);
  EXPECT_EQ(look.reachable, 3);
  EXPECT_TRUE(look.input.at_soak_end);
}

TEST(Look, LetsTheSoakBeginWithoutDevicesThatCannotBeReached) {
  LookHarness h;
  h.StartWithHistory();
  for (const char* device : {"dev-0000", "dev-0001", "dev-0002"}) {
    h.Act(DeviceReported{device, ReportState::kActivated, ""});
  }
  EXPECT_FALSE(BuildLook(h.rollout, h.fleet, h.now).enough_active);  // of four, 80 % wanted
  h.fleet.SetLastHeard("dev-0003", h.now + -2 * limits::kDay);
  EXPECT_TRUE(BuildLook(h.rollout, h.fleet, h.now).enough_active);
}

TEST(Look, DoesNotTakeASleeperForLost) {
  LookHarness h;
  h.StartWithHistory();
  h.Act(DeviceReported{"dev-0000", ReportState::kActivated, ""});
  h.Tell("dev-0000", kNewRelease, 10, 0);
  h.WaitMs(30 * limits::kMinute);
  EXPECT_EQ(h.Find(BuildLook(h.rollout, h.fleet, h.now), "dev-0000")->silence_s, 1'800);
  const Sleepers sleepers = {{"dev-0000", 20 * limits::kMinute}};
  EXPECT_EQ(h.Find(BuildLook(h.rollout, h.fleet, h.now, 0, sleepers), "dev-0000")->silence_s, 600);
}

TEST(Look, LeavesADeviceOutThatAnotherRolloutHasJustUpdated) {
  LookHarness h;
  std::vector<FleetDevice> fleet = Fleet(80);
  fleet[0].unsettled_ms = fleet[79].unsettled_ms = 60'000;
  h.Act(Started{.eligible = fleet, .release_ids = {{{"cam", kNewRelease}, {"gate", kNewRelease}}}});
  h.Act(DeviceReported{"dev-0000", ReportState::kActivated, ""});
  Look look = BuildLook(h.rollout, h.fleet, h.now);
  EXPECT_EQ(h.Find(look, "dev-0000"), nullptr);
  EXPECT_EQ(h.Find(look, "dev-0079"), nullptr);
  h.WaitMs(60'000);
  look = BuildLook(h.rollout, h.fleet, h.now);
  EXPECT_NE(h.Find(look, "dev-0000"), nullptr);
  EXPECT_NE(h.Find(look, "dev-0079"), nullptr);
}

TEST(Look, HoldsOnlyThoseWhoCameLateOnceTheLastStageIsOver) {
  LookHarness h;
  h.StartWithHistory();
  h.Act(DeviceReported{"dev-0000", ReportState::kActivated, ""});
  h.Act(PromoteRequested{});
  h.WaitMs(1'000);
  h.Act(PromoteRequested{});
  ASSERT_EQ(h.rollout.status, RolloutStatus::kCompleted);
  h.WaitMs(1'000);
  h.Act(DeviceReported{"dev-0001", ReportState::kActivated, ""});
  const Look look = BuildLook(h.rollout, h.fleet, h.now);
  ASSERT_THAT(look.input.devices, SizeIs(1));
  EXPECT_EQ(look.input.devices[0].id, "dev-0001");
}

TEST(Look, MeasuresMemoryAgainstTheFormerRelease) {
  LookHarness h;
  h.StartWithHistory();
  for (const char* device : {"dev-0000", "dev-0001", "dev-0002", "dev-0003"}) {
    h.Act(DeviceReported{device, ReportState::kActivated, ""});
  }
  EXPECT_EQ(BuildLook(h.rollout, h.fleet, h.now).memory_increase_percent, std::nullopt);
  for (const char* device : {"dev-0000", "dev-0001", "dev-0002", "dev-0003"}) {
    h.Tell(device, kNewRelease, 1, 0, 1'300);
  }
  EXPECT_DOUBLE_EQ(*BuildLook(h.rollout, h.fleet, h.now).memory_increase_percent, 30);
}

TEST(Look, CarriesTheJudgesAnswerIntoTheEvent) {
  JudgeOutput output;
  output.decision = Decision::kRollBack;
  output.brake = true;
  output.failed_strata = {"cam"};
  output.sentence = "because";
  output.state.iref["key"] = 3;
  Look look;
  look.reachable = 5;
  look.memory_increase_percent = 7;
  const LookJudged judged = MakeLookJudged({.stage = 1, .look = 9}, look, output);
  EXPECT_EQ(judged.stage, 1);
  EXPECT_EQ(judged.look, 9);
  EXPECT_EQ(judged.decision, Decision::kRollBack);
  EXPECT_TRUE(judged.brake);
  EXPECT_THAT(judged.failed_strata, ElementsAre("cam"));
  EXPECT_EQ(judged.sentence, "because");
  EXPECT_EQ(judged.state, output.state);
  EXPECT_EQ(judged.reachable, 5);
  EXPECT_EQ(judged.memory_increase_percent, 7);
}

TEST(Look, GivesOneVerdictWhetherItsDevicesAreListedOrReadInPlace) {
  LookHarness h;
  h.StartWithHistory();
  for (const char* device : {"dev-0000", "dev-0001", "dev-0002", "dev-0003"})
    h.Act(DeviceReported{device, ReportState::kConfirmed, ""});
  h.WaitMs(60'000);
  for (int i = 0; i < 80; ++i)
    h.Tell(DeviceName(i), i < 4 ? kNewRelease : kOldRelease,
           1'000 + static_cast<std::uint32_t>(17 * i), 2 + static_cast<std::uint32_t>(i % 5));
  LookRoster roster;
  roster.Refresh(h.rollout, h.fleet);
  const auto [look, in_place] =
      LookAndJudge(h.rollout, RosterDevices(h.rollout, roster, h.fleet, h.now), h.now);
  const Look listed = BuildLook(h.rollout, h.fleet, h.now);
  const JudgeOutput from_list = JudgeLook(h.rollout, listed);
  EXPECT_EQ(in_place.sentence, from_list.sentence);
  EXPECT_EQ(in_place.state, from_list.state);  // to the last bit
  ASSERT_EQ(in_place.results.size(), from_list.results.size());
  EXPECT_EQ(listed.reachable, look.reachable);
}

TEST(Look, CountsControlDevicesFromTheExposureOfATestDeviceOfTheirHardware) {
  LookHarness h;
  h.StartWithHistory();
  h.WaitMs(60'000);
  for (int i = 4; i < 80; ++i) h.Tell(DeviceName(i), kOldRelease, 2'000, 2);
  h.WaitMs(60'000);
  h.Act(DeviceReported{"dev-0000", ReportState::kActivating, ""});  // a cam, the first
  const Look look = BuildLook(h.rollout, h.fleet, h.now);
  const JudgedDevice& cam = *h.Find(look, "dev-0078");
  EXPECT_EQ(cam.cum[0], (RatioCount{0, 0}));
  EXPECT_EQ((*cam.pre)[0], (RatioCount{2'000, 2}));
  EXPECT_EQ(cam.since_activation_s, 120);  // silence is still counted from the stage's start
  const JudgedDevice& gate = *h.Find(look, "dev-0079");
  EXPECT_EQ(gate.cum[0], (RatioCount{1'000, 0}));
}

}  // namespace
}  // namespace sluice
