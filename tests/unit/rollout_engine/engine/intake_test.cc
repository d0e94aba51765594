// Single words of single devices: what is answered, what is counted once, what is refused.
#include "rollout_engine/engine/intake.h"

#include <algorithm>

#include "common/contract/topics.h"
#include "tests/unit/rollout_engine/engine/fleet_fixture.h"

namespace sluice {
namespace {

using test_support::FakeDevice;

class DeviceWords : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fleet_.StartEngine());
    v1_ = fleet_.Release("detector-v1", 1, Fleet::Artifact(1));
    v2_ = fleet_.Release("detector-v2", 2, Fleet::Artifact(2));
  }
  void StartRollout() {
    ASSERT_TRUE(fleet_.Create(TwoStages("detector-v2"), "r").ok());
    ASSERT_TRUE(fleet_.Operate("start", "r").ok());
    fleet_.Pass(2'000);
  }
  const Device& Known(int index) {
    return *fleet_.engine().devices().Find(fleet_.device(index).id());
  }

  Fleet fleet_;
  Digest v1_, v2_;
};

TEST_F(DeviceWords, AnswersEveryHelloWithItsNonce) {
  fleet_.AddDevices(1, v1_);
  ASSERT_EQ(fleet_.device(0).answers.size(), 1U);
  const Answer& answer = fleet_.device(0).answers[0];
  EXPECT_EQ(answer.nonce, fleet_.device(0).hello.nonce);
  EXPECT_EQ(answer.engine_epoch, fleet_.engine().director().epoch());
  EXPECT_EQ(answer.now_ms, fleet_.clock().Wall().ms);
  EXPECT_EQ(answer.telemetry_interval_s, 300U);
  EXPECT_TRUE(answer.permit.IsZero());
}

TEST_F(DeviceWords, AnswersInOneOrderWhateverIsRetained) {
  fleet_.AddDevices(4, v1_);
  StartRollout();
  ASSERT_TRUE(fleet_.Operate("pause", "r").ok());
  FakeDevice::Setup setup;
  setup.id = "newcomer";
  setup.installed = v1_;
  FakeDevice& device = fleet_.AddDevice(setup);
  device.hello.root_version = 0;
  device.takes_installs = false;
  device.Start();
  fleet_.Pass(2'000);
  ASSERT_TRUE(fleet_.Operate("resume", "r").ok());
  ASSERT_TRUE(fleet_.Operate("promote", "r").ok());
  fleet_.Pass(20'000);
  device.hello.order = {};
  device.hello.directive = {};
  device.SayHello();
  fleet_.Pass(20'000);
  ASSERT_GE(device.order_of_types.size(), 4U);
  EXPECT_EQ(device.order_of_types[0], PayloadTypeName(PayloadType::kRoot));
  EXPECT_EQ(device.order_of_types[1], PayloadTypeName(PayloadType::kAnswer));
  EXPECT_EQ(device.order_of_types[2], PayloadTypeName(PayloadType::kOrder));
  EXPECT_EQ(device.order_of_types[3], PayloadTypeName(PayloadType::kDirective));
}

TEST_F(DeviceWords, AnswersAFloodOfHellosAtItsOwnRate) {
  fleet_.AddDevices(1, v1_);
  for (int i = 0; i < 50; ++i) {
    fleet_.device(0).SayHello();
    fleet_.Pass(20);
  }
  EXPECT_LE(fleet_.device(0).answers.size(), 3U);
  fleet_.Pass(20'000);
  EXPECT_EQ(fleet_.device(0).answers.back().nonce, fleet_.device(0).hello.nonce);
  EXPECT_LE(fleet_.device(0).answers.size(), 5U);
}

TEST_F(DeviceWords, CoversReportsOnlyAfterTheyAreStored) {
  fleet_.AddDevices(8, v1_);
  StartRollout();
  for (auto& device : fleet_.devices()) {
    if (device->reports.empty()) continue;
    EXPECT_EQ(device->answers.back().report_seq, device->reports.back().seq) << device->id();
  }
}

TEST_F(DeviceWords, CountsARepeatedReportOnce) {
  fleet_.AddDevices(8, v1_);
  StartRollout();
  const auto on_v2 =
      std::find_if(fleet_.devices().begin(), fleet_.devices().end(),
                   [](const auto& device) { return device->release() == "detector-v2"; });
  ASSERT_NE(on_v2, fleet_.devices().end());
  const Rollout before = fleet_.rollout("r");
  const EngineCounters taken = fleet_.engine().counters();
  for (int i = 0; i < 5; ++i) (*on_v2)->RepeatReport();
  fleet_.Pass(1'000);
  EXPECT_EQ(fleet_.rollout("r"), before);
  EXPECT_EQ(fleet_.engine().counters().reports, taken.reports);
  EXPECT_EQ(fleet_.engine().counters().duplicates, taken.duplicates + 5);
}

TEST_F(DeviceWords, FinishesADirectiveOnlyByAReportOnItsOwnRelease) {
  fleet_.AddDevices(1, v1_);
  fleet_.device(0).takes_installs = false;
  StartRollout();
  ASSERT_TRUE(Known(0).directive);
  Report report;  // on a slot that an Order cannot take away, while the install is in force
  report.instance = fleet_.device(0).hello.instance;
  report.seq = 1;
  report.directive = Known(0).directive->value.number;
  report.manifest = v1_;
  report.state = ReportState::kFailed;
  report.code = "E_NO_FALLBACK";
  fleet_.device(0).Publish(UpKind::kReport, Encode(report));
  fleet_.Pass(1'000);
  EXPECT_FALSE(Known(0).directive->finished);
  report.seq = 2;
  report.manifest = v2_;
  fleet_.device(0).Publish(UpKind::kReport, Encode(report));
  fleet_.Pass(1'000);
  EXPECT_TRUE(Known(0).directive->finished);
}

TEST_F(DeviceWords, KeepsItsCourseWhenTheBrokerDoublesAndDelaysEverything) {
  fleet_.AddDevices(8, v1_);
  std::uint64_t counter = 0;
  fleet_.broker().SetFaultPolicy([&counter](const Hop&) {
    ++counter;
    return Fate{.copies = counter % 3 == 0 ? 2 : 1,
                .delay_ms = static_cast<std::int64_t>(counter * 37 % 400)};
  });
  StartRollout();
  fleet_.Pass(20'000);
  EXPECT_EQ(fleet_.CountOn("detector-v2"), 2);
  const StateCounts counts = CountStates(fleet_.rollout("r"), 0);
  EXPECT_EQ(counts[static_cast<std::size_t>(DeviceState::kConfirmed)], 2);
}

TEST_F(DeviceWords, AddsUpTelemetryOnceHoweverItArrives) {
  fleet_.AddDevices(1, v1_);
  FakeDevice& device = fleet_.device(0);
  Telemetry telemetry;
  telemetry.release_id = device.active().Prefix64();
  telemetry.activation = 1;
  telemetry.boot = 1;
  for (const std::uint32_t seq : {1U, 2U, 2U, 5U, 3U, 5U, 4U}) {
    telemetry.seq = seq;
    telemetry.inferences = 100 * seq;
    telemetry.errors = seq;
    device.SendTelemetry(telemetry);
  }
  fleet_.Settle();
  const auto totals = fleet_.engine().telemetry().fleet().Get(device.id()).value();
  EXPECT_EQ(TotalOf(totals, telemetry.release_id).inferences, 500U);
  EXPECT_EQ(TotalOf(totals, telemetry.release_id).errors, 5U);
}

TEST_F(DeviceWords, DropsTelemetryThatCannotBeTrue) {
  fleet_.AddDevices(1, v1_);
  FakeDevice& device = fleet_.device(0);
  device.Infer(100, 1);
  fleet_.Settle();
  Telemetry telemetry;
  telemetry.release_id = device.active().Prefix64();
  telemetry.activation = 1;
  telemetry.boot = 1;
  telemetry.seq = 9;
  telemetry.inferences = 50;  // it had 100
  device.SendTelemetry(telemetry);
  fleet_.Settle();
  EXPECT_EQ(fleet_.engine().counters().telemetry_rejected, 1U);
  const auto totals = fleet_.engine().telemetry().fleet().Get(device.id()).value();
  EXPECT_EQ(TotalOf(totals, telemetry.release_id).inferences, 100U);
}

TEST_F(DeviceWords, NamesADeviceWhoseCountersCannotBeSoOnce) {
  fleet_.AddDevices(1, v1_);
  FakeDevice& device = fleet_.device(0);
  for (int i = 0; i < 60; ++i) {
    device.Infer(100, 1);
    Telemetry impossible;
    impossible.release_id = device.active().Prefix64();
    impossible.activation = 1;
    impossible.boot = 1;
    impossible.seq = 1'000 + static_cast<std::uint32_t>(i);
    impossible.inferences = 1;  // it had more
    if (i % 5 == 0) device.SendTelemetry(impossible);
    fleet_.Settle();
  }
  const auto history = DeviceDirectory::History(fleet_.store(), device.id(), 100);
  ASSERT_TRUE(history);
  EXPECT_EQ(std::count_if(history->begin(), history->end(),
                          [](const HistoryLine& line) { return line.code == "E_TM_RANGE"; }),
            1);
}

TEST_F(DeviceWords, QuarantinesADeviceThatSendsRubbish) {
  fleet_.AddDevices(2, v1_);
  const Bytes rubbish(100, 0xEE);
  for (int i = 0; i < limits::kBadMessagesPerMinute - 1; ++i)
    fleet_.device(0).Publish(UpKind::kReport, rubbish);
  fleet_.Settle();
  EXPECT_EQ(Known(0).quarantine, "");
  fleet_.device(0).Publish(UpKind::kReport, rubbish);
  fleet_.Settle();
  EXPECT_TRUE(Known(0).quarantine.starts_with("E_")) << Known(0).quarantine;
  EXPECT_EQ(Known(1).quarantine, "");
  StartRollout();
  EXPECT_FALSE(fleet_.rollout("r").members.contains("dev-000"));
  EXPECT_TRUE(fleet_.rollout("r").members.contains("dev-001"));
}

TEST_F(DeviceWords, GivesAQuarantinedDeviceAnAnswerAndNothingElse) {
  fleet_.AddDevices(4, v1_);
  for (auto& device : fleet_.devices()) device->takes_installs = false;
  StartRollout();
  ASSERT_TRUE(fleet_.Operate("promote", "r").ok());
  fleet_.Pass(2'000);
  Operation quarantine;
  quarantine.id = "quarantine-1";
  quarantine.subject = Subject::kDevice;
  quarantine.object = "dev-000";
  quarantine.op = "quarantine";
  ASSERT_TRUE(fleet_.engine().Execute(quarantine).ok());
  fleet_.Pass(20'000);
  fleet_.device(0).SayHello();
  fleet_.Pass(20'000);
  EXPECT_EQ(fleet_.device(0).order_of_types,
            std::vector<std::string>{std::string(PayloadTypeName(PayloadType::kAnswer))});
}

TEST_F(DeviceWords, QuarantinesTwoMachinesUnderOneIdentity) {
  fleet_.AddDevices(2, v1_);
  FakeDevice& device = fleet_.device(0);
  const Instance first = device.hello.instance;
  Instance second = first;
  second[0] ^= 1;
  device.hello.instance = second;
  device.SayHello();
  fleet_.Settle();
  EXPECT_EQ(Known(0).quarantine, "");  // an emptied device: an event, nothing more
  device.hello.instance = first;
  device.SayHello();
  fleet_.Settle();
  EXPECT_TRUE(Known(0).quarantine.starts_with("E_IDENTITY_CLASH")) << Known(0).quarantine;
}

TEST_F(DeviceWords, QuarantinesARestoredDisk) {
  fleet_.AddDevices(1, v1_);
  FakeDevice& device = fleet_.device(0);
  device.hello.record_gen = 100;
  device.SayHello();
  fleet_.Settle();
  device.hello.record_gen = 99;  // +1 in SayHello: one copy may rot
  device.SayHello();
  fleet_.Settle();
  EXPECT_EQ(Known(0).quarantine, "");
  device.hello.record_gen = 50;
  device.SayHello();
  fleet_.Settle();
  EXPECT_TRUE(Known(0).quarantine.starts_with("E_IDENTITY_CLASH")) << Known(0).quarantine;
}

TEST_F(DeviceWords, TakesAnEmptiedDeviceFromZero) {
  fleet_.AddDevices(4, v1_);
  StartRollout();
  FakeDevice& device = fleet_.device(0);
  ASSERT_GT(Known(0).report_seq, 0U);
  device.hello.instance[0] ^= 1;
  device.SayHello();
  fleet_.Settle();
  EXPECT_EQ(Known(0).report_seq, 0U);
}

TEST_F(DeviceWords, LeavesADeviceAloneThatKnowsMoreThanTheStore) {
  fleet_.AddDevices(4, v1_);
  StartRollout();
  FakeDevice& liar = fleet_.device(0);
  liar.forges_number = true;
  const std::size_t answers = liar.answers.size();
  liar.SayHello();
  fleet_.Pass(20'000);
  EXPECT_EQ(liar.answers.size(), answers);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kRunning);  // one liar cannot stop a fleet
  for (int i = 1; i < 3; ++i) {
    fleet_.device(i).forges_number = true;
    fleet_.device(i).SayHello();
  }
  fleet_.Pass(1'000);
  EXPECT_EQ(fleet_.StatusOf("r"), RolloutStatus::kPaused);
  EXPECT_NE(fleet_.rollout("r").why.find("E_STORE_BEHIND"), std::string::npos)
      << fleet_.rollout("r").why;
}

TEST_F(DeviceWords, ListensToNobodyWhoHasNotSaidHello) {
  FakeDevice::Setup setup;
  setup.id = "stranger";
  FakeDevice& device = fleet_.AddDevice(setup);
  fleet_.engine().HandleMessage(
      {.topic = BuildTopic(UpTopic{PartitionOf("stranger"), "stranger", UpKind::kPresence}),
       .payload = {'o', 'n', 'l', 'i', 'n', 'e'}});
  fleet_.Settle();
  EXPECT_EQ(fleet_.engine().devices().Find("stranger"), nullptr);
  EXPECT_TRUE(device.answers.empty());
}

TEST_F(DeviceWords, RefusesATopicOfAnotherPartition) {
  fleet_.AddDevices(1, v1_);
  const int wrong = (PartitionOf("dev-000") + 1) % limits::kPartitions;
  const auto parsed =
      ParseDeviceMessage({.topic = BuildTopic(UpTopic{wrong, "dev-000", UpKind::kPresence}),
                          .payload = {'o', 'f', 'f', 'l', 'i', 'n', 'e'}});
  ASSERT_FALSE(parsed);
  EXPECT_EQ(parsed.error().device, "");  // whoever sent it, it was not dev-000
  EXPECT_EQ(parsed.error().error.code, ErrorCode::kBadIdentity);
}

TEST_F(DeviceWords, SignsNothingWithAClockThatWentBack) {
  fleet_.AddDevices(1, v1_);
  fleet_.Pass(120'000);
  fleet_.clock().wall_error_ms = -2 * limits::kHour;
  const std::size_t answers = fleet_.device(0).answers.size();
  fleet_.device(0).SayHello();
  fleet_.Pass(15'000);
  EXPECT_EQ(fleet_.device(0).answers.size(), answers);
  Operation accept;
  accept.id = "accept-clock-1";
  accept.subject = Subject::kEngine;
  accept.op = "accept_clock";
  EXPECT_TRUE(fleet_.engine().Execute(accept).ok());
  fleet_.device(0).SayHello();
  fleet_.Pass(15'000);
  EXPECT_GT(fleet_.device(0).answers.size(), answers);
}

TEST_F(DeviceWords, SignsTheOrderThatWaitedForItsClock) {
  fleet_.AddDevices(4, v1_);
  fleet_.Release("detector-v2", 2, Fleet::Artifact(2));
  ASSERT_TRUE(fleet_.Create(TwoStages("detector-v2"), "r").ok());
  ASSERT_TRUE(fleet_.Operate("start", "r").ok());
  fleet_.Pass(120'000);
  fleet_.clock().wall_error_ms = -2 * limits::kHour;
  ASSERT_TRUE(fleet_.Operate("pause", "r").ok());
  fleet_.Pass(1'000);
  const std::size_t orders = fleet_.device(0).orders.size();
  Operation accept;
  accept.id = "accept-clock-1";
  accept.subject = Subject::kEngine;
  accept.op = "accept_clock";
  EXPECT_TRUE(fleet_.engine().Execute(accept).ok());
  fleet_.Pass(1'000);
  ASSERT_GT(fleet_.device(0).orders.size(), orders);
  EXPECT_EQ(fleet_.device(0).orders.back().entries.at(0).action, OrderAction::kHold);
}

TEST_F(DeviceWords, StopsWhenAnotherEngineHasTakenOver) {
  fleet_.AddDevices(2, v1_);
  fleet_.TakeOver();
  const std::size_t answers = fleet_.device(0).answers.size();
  fleet_.device(0).SayHello();
  fleet_.Pass(5'000);
  EXPECT_EQ(fleet_.device(0).answers.size(), answers);
  EXPECT_FALSE(fleet_.engine().Facts().leader);
  EXPECT_EQ(fleet_.Create(TwoStages("detector-v2"), "r").code, ErrorCode::kStaleEngine);
  EXPECT_EQ(fleet_.engine().PlanRollout(TwoStages("detector-v2")).error().code,
            ErrorCode::kStaleEngine);
  EXPECT_EQ(fleet_.engine().PublishRelease({}).error().code, ErrorCode::kStaleEngine);
}

TEST_F(DeviceWords, LetAnEngineSayOnceThatItLeadsNoMore) {
  const std::string topic = "sluice/v1/engine/engine/state";
  fleet_.AddDevices(2, v1_);
  fleet_.Pass(10'000);
  ASSERT_NE(fleet_.Retained(topic).find("\"leader\":true"), std::string::npos);
  fleet_.TakeOver();
  fleet_.Settle();
  EXPECT_NE(fleet_.Retained(topic).find("\"leader\":false"), std::string::npos);

  fleet_.broker().Restart(false);
  fleet_.device(0).SayHello();
  fleet_.Pass(60'000);
  EXPECT_EQ(fleet_.Retained(topic), "") << "the topic may be the other engine's by now";
  EXPECT_EQ(fleet_.Retained(BuildTopic(AllKind::kFreshness)), "");
}

}  // namespace
}  // namespace sluice
