#include "rollout_engine/engine/operations.h"

#include "tests/unit/rollout_engine/engine/fleet_fixture.h"

namespace sluice {
namespace {

Operation Make(const std::string& id, const std::string& op, const std::string& object) {
  Operation operation;
  operation.id = id;
  operation.op = op;
  operation.object = object;
  operation.by = "tester";
  operation.via = "test";
  return operation;
}

class Operations : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fleet_.StartEngine());
    const Digest v1 = fleet_.Release("detector-v1", 1, Fleet::Artifact(1));
    fleet_.Release("detector-v2", 2, Fleet::Artifact(2));
    fleet_.AddDevices(8, v1);
    ASSERT_TRUE(fleet_.Create(TwoStages("detector-v2"), "r").ok());
  }
  Outcome Execute(const Operation& operation) {
    Outcome outcome = fleet_.engine().Execute(operation);
    fleet_.Settle();
    return outcome;
  }
  Fleet fleet_;
};

TEST_F(Operations, HaveOneEffectUnderOneIdAlsoAfterARestart) {
  const Outcome first = Execute(Make("start-0001", "start", "r"));
  ASSERT_TRUE(first.ok()) << first.message;
  const std::uint64_t events = fleet_.engine().rollouts().Find("r")->events;
  EXPECT_EQ(Execute(Make("start-0001", "start", "r")), first);
  fleet_.CrashEngine();
  ASSERT_TRUE(fleet_.StartEngine());
  EXPECT_EQ(Execute(Make("start-0001", "start", "r")), first);
  EXPECT_GE(fleet_.engine().rollouts().Find("r")->events, events);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);
}

TEST_F(Operations, RefuseAnotherBodyUnderAUsedId) {
  ASSERT_TRUE(Execute(Make("start-0001", "start", "r")).ok());
  EXPECT_EQ(Execute(Make("start-0001", "abort", "r")).code, ErrorCode::kIdReused);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);
}

TEST_F(Operations, RepeatARefusalUnderTheSameId) {
  const Outcome refused = Execute(Make("pause-0001", "pause", "r"));
  EXPECT_EQ(refused.code, ErrorCode::kState);
  ASSERT_TRUE(Execute(Make("start-0001", "start", "r")).ok());
  EXPECT_EQ(Execute(Make("pause-0001", "pause", "r")), refused);
}

TEST_F(Operations, RefuseToChangeWhatSomebodyElseHasChanged) {
  Operation start = Make("start-0001", "start", "r");
  start.expect_rev = fleet_.engine().rollouts().Find("r")->rev;
  const Outcome started = Execute(start);
  ASSERT_TRUE(started.ok()) << started.message;
  Operation pause = Make("pause-0001", "pause", "r");
  pause.expect_rev = start.expect_rev;
  const Outcome late = Execute(pause);
  EXPECT_EQ(late.code, ErrorCode::kConflict);
  EXPECT_NE(late.message.find("rev " + std::to_string(started.rev)), std::string::npos)
      << late.message;
}

TEST_F(Operations, ForgetAnIdAfterAWeek) {
  ASSERT_TRUE(Execute(Make("start-0001", "start", "r")).ok());
  fleet_.clock().wall_error_ms += 8 * limits::kDay;
  EXPECT_EQ(Execute(Make("pause-0001", "pause", "r")).code, ErrorCode::kOk);
  EXPECT_EQ(Execute(Make("start-0001", "start", "r")).code, ErrorCode::kState);
}

TEST_F(Operations, RefuseWhatIsMalformed) {
  EXPECT_EQ(Execute(Make("short", "start", "r")).code, ErrorCode::kBadId);
  EXPECT_EQ(Execute(Make("dots.are.no", "start", "r")).code, ErrorCode::kBadId);
  EXPECT_EQ(Execute(Make("dance-0001", "dance", "r")).code, ErrorCode::kUsage);
  Operation wordy = Make("wordy-0001", "start", "r");
  wordy.reason = std::string(limits::kOperationReasonMax + 1, 'x');
  EXPECT_EQ(Execute(wordy).code, ErrorCode::kUsage);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kScheduled);
}

TEST_F(Operations, PromoteToANamedStage) {
  ASSERT_TRUE(Execute(Make("start-0001", "start", "r")).ok());
  Operation promote = Make("promo-0001", "promote", "r");
  promote.arguments["to"] = "nowhere";
  EXPECT_EQ(Execute(promote).code, ErrorCode::kNotFound);
  promote.id = "promo-0002";
  promote.arguments["to"] = "general";
  EXPECT_TRUE(Execute(promote).ok());
  EXPECT_EQ(CurrentStage(fleet_.rollout("r")), 1);
}

TEST_F(Operations, LiftAQuarantine) {
  Operation operation = Make("device-0001", "quarantine", "dev-000");
  operation.subject = Subject::kDevice;
  operation.reason = "smells of smoke";
  EXPECT_TRUE(Execute(operation).ok());
  EXPECT_NE(fleet_.engine().devices().Find("dev-000")->quarantine, "");
  operation.id = "device-0002";
  operation.op = "lift";
  EXPECT_TRUE(Execute(operation).ok());
  EXPECT_EQ(fleet_.engine().devices().Find("dev-000")->quarantine, "");
}

TEST_F(Operations, TakeALiftedDeviceInWithoutAnotherHello) {
  Operation operation = Make("device-0001", "quarantine", "dev-000");
  operation.subject = Subject::kDevice;
  EXPECT_TRUE(Execute(operation).ok());
  ASSERT_TRUE(fleet_.Operate("start", "r").ok());
  EXPECT_FALSE(fleet_.rollout("r").members.contains("dev-000"));
  operation.id = "device-0002";
  operation.op = "lift";
  EXPECT_TRUE(Execute(operation).ok());
  EXPECT_TRUE(fleet_.rollout("r").members.contains("dev-000"));
}

}  // namespace
}  // namespace sluice
