// Whole lives of rollouts, as devices and operators meet them.
#include <algorithm>

#include "tests/unit/rollout_engine/engine/fleet_fixture.h"

namespace sluice {
namespace {

using test_support::FakeDevice;

class EngineLife : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(fleet_.StartEngine()); }

  /// Everybody runs v1, v2 is published and its rollout "r" created and started.
  void StartRollout(int devices, const std::string& file) {
    v1_ = fleet_.Release("detector-v1", 1, Fleet::Artifact(1));
    v2_ = fleet_.Release("detector-v2", 2, Fleet::Artifact(2));
    fleet_.AddDevices(devices, v1_);
    for (int i = 0; i < 4; ++i) {  // some history, so that the judge can tell devices from releases
      fleet_.InferAll();
      fleet_.Pass(5'000);
    }
    const Outcome created = fleet_.Create(file, "r");
    ASSERT_TRUE(created.ok()) << created.message;
    const Outcome started = fleet_.Operate("start", "r");
    ASSERT_TRUE(started.ok()) << started.message;
  }

  /// Time passes while all devices work.
  void Work(int seconds, const std::string& bad_release = "") {
    for (int s = 0; s < seconds; s += 5) {
      fleet_.InferAll(bad_release);
      fleet_.Pass(5'000);
    }
  }

  Fleet fleet_;
  Digest v1_, v2_;
};

TEST_F(EngineLife, BringsAGoodReleaseToEverybodyInStages) {
  StartRollout(80, TwoStages("detector-v2"));
  fleet_.Pass(2'000);
  EXPECT_EQ(fleet_.CountOn("detector-v2"), 20);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);
  Work(300);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kCompleted) << fleet_.rollout("r").why;
  EXPECT_EQ(fleet_.CountOn("detector-v2"), 80);
}

TEST_F(EngineLife, RollsABadReleaseBackWithinTwoSecondsOfTheDecision) {
  StartRollout(80, TwoStages("detector-v2"));
  for (int s = 0; s < 60 && fleet_.StatusOf("r") == RolloutStatus::kRunning; ++s) {
    if (s % 5 == 0) fleet_.InferAll("detector-v2");
    fleet_.Pass(1'000);
  }
  ASSERT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRolledBack) << fleet_.rollout("r").why;
  EXPECT_TRUE(fleet_.rollout("r").why.starts_with("rolled back at ")) << fleet_.rollout("r").why;
  EXPECT_EQ(fleet_.CountOn("detector-v2"), 0);
  EXPECT_EQ(fleet_.CountOn("detector-v1"), 80);
}

TEST_F(EngineLife, SendsARevertToADeviceThatMissedTheOrder) {
  StartRollout(40, TwoStages("detector-v2"));
  fleet_.Pass(2'000);
  ASSERT_EQ(fleet_.CountOn("detector-v2"), 10);
  const auto on_v2 =
      std::find_if(fleet_.devices().begin(), fleet_.devices().end(),
                   [](const auto& device) { return device->release() == "detector-v2"; });
  fleet_.broker().CutLink((*on_v2)->id());
  fleet_.Pass(100);
  ASSERT_TRUE(fleet_.Operate("roll_back", "r").ok());
  fleet_.Pass(2'000);
  EXPECT_EQ(fleet_.CountOn("detector-v2"), 1);
  fleet_.Pass(20'000);
  fleet_.broker().RestoreLink((*on_v2)->id());
  fleet_.Pass(5'000);
  EXPECT_EQ((*on_v2)->release(), "detector-v1");
  EXPECT_EQ((*on_v2)->directives.back().action, DirectiveAction::kRevert);
}

TEST_F(EngineLife, ListsARollBackHoweverLongAgoTheRolloutWasCompleted) {
  StartRollout(80, TwoStages("detector-v2"));
  Work(300);
  ASSERT_EQ(fleet_.StatusOf("r"), RolloutStatus::kCompleted) << fleet_.rollout("r").why;
  for (int i = 0; i < 4; ++i) {  // by less than what the engine takes for a clock gone wrong
    fleet_.clock().now_ms += limits::kClosedOrderKept / 2;
    fleet_.Pass(1'000);
  }
  ASSERT_TRUE(fleet_.Operate("roll_back", "r").ok());
  fleet_.Pass(3'000);
  EXPECT_EQ(fleet_.CountOn("detector-v1"), 80);
}

TEST_F(EngineLife, SendsNoRevertToADeviceThatHasNothingToGoBackTo) {
  fleet_.Release("detector-v1", 1, Fleet::Artifact(1));
  fleet_.Release("detector-v2", 2, Fleet::Artifact(2));
  fleet_.AddDevices(8, std::nullopt);
  ASSERT_TRUE(fleet_.Create(TwoStages("detector-v1"), "first").ok());
  ASSERT_TRUE(fleet_.Operate("start", "first").ok());
  fleet_.Pass(3'000);
  ASSERT_EQ(fleet_.CountOn("detector-v1"), 2);
  ASSERT_TRUE(fleet_.Operate("roll_back", "first").ok());
  fleet_.Pass(60'000);
  for (auto& device : fleet_.devices()) device->takes_installs = false;
  ASSERT_TRUE(fleet_.Create(TwoStages("detector-v2"), "second").ok());
  ASSERT_TRUE(fleet_.Operate("start", "second").ok());
  fleet_.Pass(3'000);
  for (auto& device : fleet_.devices()) device->directives.clear();
  fleet_.CrashEngine();
  ASSERT_TRUE(fleet_.StartEngine());
  for (auto& device : fleet_.devices()) device->SayHello();
  fleet_.Pass(10'000);
  for (auto& device : fleet_.devices()) {
    for (const Directive& directive : device->directives)
      EXPECT_NE(directive.action, DirectiveAction::kRevert) << device->id();
  }
}

TEST_F(EngineLife, HoldsDevicesInTheControlArm) {
  StartRollout(40, TwoStages("detector-v2"));
  fleet_.Pass(2'000);
  int holds = 0;
  for (auto& device : fleet_.devices()) {
    if (device->release() != "detector-v1") continue;
    ASSERT_FALSE(device->directives.empty());
    EXPECT_EQ(device->directives.back().action, DirectiveAction::kHold);
    EXPECT_EQ(device->directives.back().telemetry_interval_s, 5U);
    ++holds;
  }
  EXPECT_EQ(holds, 30);
}

TEST_F(EngineLife, GivesNoMorePermitsThanTheRampAllows) {
  StartRollout(80, TwoStages("detector-v2",
                             "initial_devices: 5, factor: 2, every_sec: 10, max_per_minute: 100"));
  fleet_.Pass(1'000);
  EXPECT_EQ(fleet_.CountOn("detector-v2"), 5);
  fleet_.Pass(8'000);
  EXPECT_EQ(fleet_.CountOn("detector-v2"), 5);
  fleet_.Pass(3'000);
  EXPECT_EQ(fleet_.CountOn("detector-v2"), 15);
}

TEST_F(EngineLife, StopsOffersAndPermitsWhilePausedAndGoesOnWhenResumed) {
  StartRollout(80, TwoStages("detector-v2",
                             "initial_devices: 5, factor: 2, every_sec: 10, max_per_minute: 100"));
  fleet_.Pass(1'000);
  ASSERT_TRUE(fleet_.Operate("pause", "r").ok());
  ASSERT_EQ(fleet_.engine().director().order().entries.size(), 1U);
  EXPECT_EQ(fleet_.engine().director().order().entries[0].action, OrderAction::kHold);
  fleet_.Pass(60'000);
  EXPECT_EQ(fleet_.CountOn("detector-v2"), 5);
  ASSERT_TRUE(fleet_.Operate("resume", "r").ok());
  fleet_.Pass(40'000);
  EXPECT_EQ(fleet_.CountOn("detector-v2"), 20);
  EXPECT_TRUE(fleet_.engine().director().order().entries.empty());
}

TEST_F(EngineLife, AbortWithdrawsWhatWasOfferedAndLeavesWhatRuns) {
  StartRollout(80,
               TwoStages("detector-v2",
                         "initial_devices: 5, factor: 2, every_sec: 1000, max_per_minute: 100"));
  fleet_.Pass(1'000);
  ASSERT_TRUE(fleet_.Operate("abort", "r").ok());
  fleet_.Pass(60'000);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kAborted);
  EXPECT_EQ(fleet_.CountOn("detector-v2"), 5);
  const Outcome again = fleet_.Operate("resume", "r");
  EXPECT_EQ(again.code, ErrorCode::kState);
}

TEST_F(EngineLife, HoldsWhenTheReleaseFailsItsValidationEverywhere) {
  v1_ = fleet_.Release("detector-v1", 1, Fleet::Artifact(1));
  fleet_.Release("detector-v2", 2, Fleet::Artifact(2));
  fleet_.AddDevices(80, v1_);
  for (auto& device : fleet_.devices()) device->fails_with = "E_VALIDATION";
  ASSERT_TRUE(fleet_.Create(TwoStages("detector-v2"), "r").ok());
  ASSERT_TRUE(fleet_.Operate("start", "r").ok());
  fleet_.Pass(10'000);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kHolding) << fleet_.rollout("r").why;
  EXPECT_EQ(fleet_.CountOn("detector-v2"), 0);
}

TEST_F(EngineLife, BringsAFirstReleaseToEmptyDevices) {
  fleet_.Release("detector-v1", 1, Fleet::Artifact(1));
  fleet_.AddDevices(80, std::nullopt);
  ASSERT_TRUE(fleet_.Create(TwoStages("detector-v1"), "r").ok());
  ASSERT_TRUE(fleet_.Operate("start", "r").ok());
  Work(300);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kCompleted) << fleet_.rollout("r").why;
  EXPECT_EQ(fleet_.CountOn("detector-v1"), 80);
}

TEST_F(EngineLife, OffersTheBaselineToADeviceThatComesLater) {
  StartRollout(80, TwoStages("detector-v2"));
  Work(300);
  ASSERT_EQ(fleet_.StatusOf("r"), RolloutStatus::kCompleted) << fleet_.rollout("r").why;
  FakeDevice::Setup setup;
  setup.id = "late";
  FakeDevice& late = fleet_.AddDevice(setup);
  late.Start();
  fleet_.Pass(5'000);
  EXPECT_EQ(late.release(), "detector-v2");
  EXPECT_EQ(late.directives.back().rollout, "");
}

TEST_F(EngineLife, OffersTheNewBaselineToDevicesThatWereInNoArmOfIt) {
  StartRollout(80, TwoStages("detector-v2"));
  FakeDevice::Setup setup;
  setup.id = "empty";
  FakeDevice& empty = fleet_.AddDevice(setup);
  empty.Start();
  fleet_.Settle();
  Work(300);
  ASSERT_EQ(fleet_.StatusOf("r"), RolloutStatus::kCompleted) << fleet_.rollout("r").why;
  EXPECT_EQ(empty.release(), "detector-v2") << "without another hello";
}

TEST_F(EngineLife, OffersADeltaWhenItHasTheBase) {
  StartRollout(40, TwoStages("detector-v2"));
  fleet_.Pass(2'000);
  for (auto& device : fleet_.devices()) {
    if (device->release() != "detector-v2") continue;
    const auto install =
        std::find_if(device->directives.begin(), device->directives.end(),
                     [](const Directive& d) { return d.action == DirectiveAction::kInstall; });
    ASSERT_NE(install, device->directives.end());
    ASSERT_FALSE(install->offers.empty());
    EXPECT_EQ(install->offers[0].base, Sha256(Fleet::Artifact(1)));
    EXPECT_LT(install->offers[0].size_bytes, Fleet::Artifact(2).size() / 2);
  }
}

TEST_F(EngineLife, RefusesASecondRolloutOfDevicesThatAreTaken) {
  StartRollout(40, TwoStages("detector-v2"));
  fleet_.Release("detector-v3", 3, Fleet::Artifact(3));
  ASSERT_TRUE(fleet_.Create(TwoStages("detector-v3"), "r2").ok());
  EXPECT_EQ(fleet_.Operate("start", "r2").code, ErrorCode::kRolloutActive);
}

TEST_F(EngineLife, RefusesARolloutOfAnUnknownRelease) {
  EXPECT_EQ(fleet_.Create(TwoStages("detector-v9"), "r").code, ErrorCode::kNoSuchVersion);
  EXPECT_EQ(fleet_.Create("rollout: [", "r").code, ErrorCode::kYamlSyntax);
  EXPECT_EQ(fleet_.Operate("start", "nobody").code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace sluice
