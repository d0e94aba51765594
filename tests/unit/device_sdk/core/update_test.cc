#include "device_sdk/core/update.h"

#include <gmock/gmock.h>

#include "tests/unit/device_sdk/core/update_driver.h"

namespace sluice::device {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using enum UpdateState;

TEST(UpdateStep, CarriesARelaseFromTheDirectiveToConfirmed) {
  UpdateDriver device;
  device.DriveToTrial();
  ASSERT_TRUE(device.Feed(TrialOver{true}));
  EXPECT_THAT(device.Reports(),
              ElementsAre("downloading", "ready", "activating", "activated", "confirmed"));
  const StateRecord& record = device.update.record;
  EXPECT_EQ(record.work.state, kIdle);
  EXPECT_EQ(record.active, SlotId{1});
  EXPECT_EQ(record.fallback, SlotId{0});
  EXPECT_EQ(record.phase, Phase::kStable);
  EXPECT_EQ(record.slots[1].state, SlotState::kGood);
  EXPECT_EQ(record.floor_epoch, 1u);
  EXPECT_EQ(record.activation, 1u);
  EXPECT_EQ(device.Of<StampConfirmed>().size(), 1u);
}

TEST(UpdateStep, GivesNothingOutBeforeTheRecordIsOnDisk) {
  UpdateDriver device;
  ASSERT_TRUE(Step(device.update, DirectiveReceived{{1}}));
  const auto effects = Step(device.update, Accepted(InstallOf(kV2, 1)));
  ASSERT_TRUE(effects);
  ASSERT_EQ(effects->size(), 1u);
  EXPECT_TRUE(std::holds_alternative<Persist>(effects->front()));
  EXPECT_EQ(device.update.record.directive, SequenceNumber{});
  const auto early = Step(device.update, ManifestChecked{ManifestFor(kV2)});
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, ErrorCode::kState);
  const auto after = Step(device.update, Persisted{true});
  ASSERT_TRUE(after);
  EXPECT_TRUE(std::holds_alternative<FetchManifest>(after->front()));
  EXPECT_EQ(device.update.record.directive, (SequenceNumber{7, 1}));
}

TEST(UpdateStep, StoresTheDirectiveWithItsNumber) {
  UpdateDriver device;
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(InstallOf(kV2, 1))));
  ASSERT_EQ(device.writes.size(), 1u);
  ASSERT_EQ(device.writes[0].documents.size(), 1u);
  EXPECT_EQ(device.writes[0].documents[0].name, "directive");
  EXPECT_EQ(device.writes[0].record.directive_digest, DigestOf(201));
}

TEST(UpdateStep, WritesTheSlotOnlyAfterTheRecordSaysWriting) {
  UpdateDriver device;
  device.DriveToDownloading();
  EXPECT_EQ(device.writes.back().record.slots[1].state, SlotState::kWriting);
  EXPECT_EQ(device.Of<FetchPayload>().size(), 1u);
  EXPECT_EQ(device.update.record.work.attempts, 1);
}

TEST(UpdateStep, AnswersTheSameDirectiveAgainWithHowItEnded) {
  UpdateDriver device;
  device.DriveToTrial();
  ASSERT_TRUE(device.Feed(TrialOver{true}));
  device.Clear();
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(InstallOf(kV2, 1))));
  EXPECT_THAT(device.Reports(), ElementsAre("confirmed"));
  EXPECT_THAT(device.writes, IsEmpty());
  EXPECT_EQ(device.update.state(), kIdle);
}

TEST(UpdateStep, LeavesWorkAloneWhenItsDirectiveComesAgain) {
  UpdateDriver device;
  device.DriveToDownloading();
  device.Clear();
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(InstallOf(kV2, 1))));
  EXPECT_EQ(device.update.state(), kDownloading);
  EXPECT_THAT(device.Reports(), IsEmpty());
}

TEST(UpdateStep, RejectsADigestThatFailedHereBefore) {
  UpdateDriver device;
  device.update.record.bad_artifacts = {ArtifactOf(kV2)};
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(InstallOf(kV2, 1))));
  ASSERT_TRUE(device.Feed(ManifestChecked{ManifestFor(kV2)}));
  EXPECT_THAT(device.Reports(), ElementsAre("rejected E_KNOWN_BAD"));
  Directive retry = InstallOf(kV2, 2);
  retry.retry = true;
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(retry)));
  ASSERT_TRUE(device.Feed(ManifestChecked{ManifestFor(kV2)}));
  EXPECT_EQ(device.update.state(), kDownloading);
}

TEST(UpdateStep, KeepsNoByteOfARefusedDirective) {
  UpdateDriver device;
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(
      device.Feed(DirectiveChecked{{1}, {}, std::nullopt, Error{ErrorCode::kSigBad, "no"}}));
  EXPECT_EQ(device.update.state(), kIdle);
  EXPECT_THAT(device.Reports(), IsEmpty());
  EXPECT_THAT(device.writes, IsEmpty());
}

TEST(UpdateStep, SaysHelloToASignerItDoesNotKnow) {
  UpdateDriver device;
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(
      device.Feed(DirectiveChecked{{1}, {}, std::nullopt, Error{ErrorCode::kSigUnknownKey, "no"}}));
  EXPECT_EQ(device.Of<SayHello>().size(), 1u);
}

TEST(UpdateStep, AsksForAnotherOfferWhenNoneStartsFromWhatServes) {
  UpdateDriver device;
  Directive directive = InstallOf(kV2, 1);
  directive.offers = {{.object = DigestOf(50),
                       .head_digest = DigestOf(51),
                       .size_bytes = 100,
                       .head_size = 10,
                       .base = ArtifactOf(kV3)}};
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(directive)));
  ASSERT_TRUE(device.Feed(ManifestChecked{ManifestFor(kV2)}));
  EXPECT_THAT(device.Reports(), ElementsAre("deferred E_NO_BASE"));
}

TEST(UpdateStep, TriesTheNextPayloadOnlyWithinTheBudget) {
  for (const bool within : {true, false}) {
    UpdateDriver device;
    Directive directive = InstallOf(kV2, 1);
    directive.byte_budget = within ? 2'000 : 500;
    ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
    ASSERT_TRUE(device.Feed(Accepted(directive)));
    ASSERT_TRUE(device.Feed(ManifestChecked{ManifestFor(kV2)}));
    device.Clear();
    ASSERT_TRUE(device.Feed(PayloadFailed{{ErrorCode::kDeltaBase, "base changed"}}));
    EXPECT_EQ(device.update.state(), within ? kDownloading : kIdle);
    EXPECT_EQ(device.Of<FetchPayload>().size(), within ? 1u : 0u);
    EXPECT_EQ(device.Reports().size(), within ? 0u : 1u);
  }
}

TEST(UpdateStep, NeverBlamesTheReleaseForALinkOrABudget) {
  for (const ErrorCode code : {ErrorCode::kSlow, ErrorCode::kBudget, ErrorCode::kNoSpace}) {
    UpdateDriver device;
    device.DriveToDownloading();
    ASSERT_TRUE(device.Feed(DownloadStopped{{code, "x"}}));
    EXPECT_THAT(device.update.record.bad_artifacts, IsEmpty());
    EXPECT_EQ(device.update.record.slots[1].state, SlotState::kWriting)
        << "written blocks are kept";
    EXPECT_EQ(device.Of<SendReport>().back().state, ReportState::kFailed);
  }
}

TEST(UpdateStep, RemembersWhatFailedItsValidation) {
  UpdateDriver device;
  device.DriveToDownloading();
  ASSERT_TRUE(device.Feed(PayloadWritten{}));
  ASSERT_TRUE(device.Feed(SlotVerified{}));
  ValidationNumbers numbers;
  numbers.n = 360;
  numbers.correct_new = 36;
  ASSERT_TRUE(device.Feed(Validated{numbers, Error{ErrorCode::kValidation, "accuracy 0.1"}}));
  EXPECT_EQ(device.update.state(), kIdle);
  const SendReport report = device.Of<SendReport>().back();
  EXPECT_EQ(report.state, ReportState::kFailed);
  EXPECT_EQ(report.code, "E_VALIDATION");
  EXPECT_EQ(report.validation, numbers);
  EXPECT_THAT(device.update.record.bad_artifacts, ElementsAre(ArtifactOf(kV2)));
  EXPECT_EQ(device.update.record.active, SlotId{0});
}

TEST(UpdateStep, DoesNotBlameTheReleaseForAHookThatCannotTell) {
  UpdateDriver device;
  device.DriveToDownloading();
  ASSERT_TRUE(device.Feed(PayloadWritten{}));
  ASSERT_TRUE(device.Feed(SlotVerified{}));
  ASSERT_TRUE(device.Feed(Validated{{}, Error{ErrorCode::kHookUnavailable, "busy"}}));
  EXPECT_THAT(device.update.record.bad_artifacts, IsEmpty());
  EXPECT_EQ(device.update.record.slots[1].state, SlotState::kReady);
}

TEST(UpdateStep, SwitchesOnlyAfterTheBrokerHasTheAnnouncement) {
  UpdateDriver device;
  device.DriveToReady();
  ASSERT_TRUE(device.Feed(ActivatingAcknowledged{}));
  EXPECT_EQ(device.update.state(), kReady) << "no permit was used";
  ASSERT_TRUE(device.Feed(ActivationAllowed{}));
  EXPECT_EQ(device.update.state(), kReady);
  EXPECT_EQ(device.Of<ArmTimer>().back().delay_ms, limits::kActivatingAckMax);
  ASSERT_TRUE(device.Feed(TimerFired{Timer::kActivatingAck}));
  ASSERT_TRUE(device.Feed(ActivatingAcknowledged{}));
  EXPECT_EQ(device.update.state(), kReady) << "the acknowledgement came too late";
  ASSERT_TRUE(device.Feed(ActivationAllowed{}));
  ASSERT_TRUE(device.Feed(ActivatingAcknowledged{}));
  EXPECT_EQ(device.update.state(), kActivating);
  EXPECT_EQ(device.update.record.phase, Phase::kTrial);
  EXPECT_EQ(device.update.record.starts_left, kStartsPerTrial);
}

TEST(UpdateStep, DoesNotActivateUnderHold) {
  UpdateDriver by_order;
  by_order.DriveToReady();
  const Order hold = OrderOf(1, "r2", OrderAction::kHold);
  ASSERT_TRUE(by_order.Feed(OrderReceived{hold, DigestOf(9), {}}));
  EXPECT_TRUE(IsHeld(by_order.update));
  by_order.Clear();
  ASSERT_TRUE(by_order.Feed(ActivationAllowed{}));
  EXPECT_THAT(by_order.out, IsEmpty());

  UpdateDriver between;
  between.DriveToReady();
  ASSERT_TRUE(between.Feed(ActivationAllowed{}));
  ASSERT_TRUE(between.Feed(OrderReceived{hold, DigestOf(9), {}}));
  ASSERT_TRUE(between.Feed(ActivatingAcknowledged{}));
  EXPECT_EQ(between.update.state(), kReady);

  UpdateDriver by_directive;
  by_directive.DriveToReady();
  Directive wait = InstallOf(kV2, 2);
  wait.action = DirectiveAction::kHold;
  ASSERT_TRUE(by_directive.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(by_directive.Feed(Accepted(wait)));
  EXPECT_EQ(by_directive.update.state(), kReady);
  EXPECT_TRUE(IsHeld(by_directive.update));
  ASSERT_TRUE(by_directive.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(by_directive.Feed(Accepted(InstallOf(kV2, 3))));
  EXPECT_FALSE(IsHeld(by_directive.update)) << "the same manifest again lifts it";
}

TEST(UpdateStep, CountsAControlDevicesNewLatencyLimitUnderANewActivation) {
  UpdateDriver device;
  Directive hold;
  hold.number = {7, 1};
  hold.action = DirectiveAction::kHold;
  hold.latency_limit_us = 30'000;
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(hold)));
  EXPECT_EQ(device.update.record.activation, 1u);
  EXPECT_EQ(ServingLatencyLimitUs(device.update.plan, device.update.record), 30'000u);
  EXPECT_THAT(device.Reports(), ElementsAre("holding"));
  hold.number = {7, 2};
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(hold)));
  EXPECT_EQ(device.update.record.activation, 1u) << "the same limit starts no new one";
}

TEST(UpdateStep, CountsUnderANewActivationWheneverTheLatencyLimitChanges) {
  UpdateDriver device;
  device.DriveToTrial();
  ASSERT_TRUE(device.Feed(TrialOver{true}));
  const std::uint32_t before = device.update.record.activation;
  Directive tighter = InstallOf(kV2, 2);  // the release that serves, at a later stage
  tighter.latency_limit_us = 30'000;
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(tighter)));
  EXPECT_EQ(device.update.record.activation, before + 1);
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(InstallOf(kV3, 3))));
  EXPECT_EQ(device.update.record.activation, before + 2) << "the manifest's own limit counts again";
}

TEST(UpdateStep, LetsADirectiveOnlyTightenTheLatencyLimit) {
  UpdateDriver device;
  ASSERT_TRUE(device.Feed(ModelServing{ArtifactOf(kV1), {.latency_p99_max_ms = 50}}));
  Directive hold;
  hold.number = {7, 1};
  hold.action = DirectiveAction::kHold;
  hold.latency_limit_us = 90'000;
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(hold)));
  EXPECT_EQ(ServingLatencyLimitUs(device.update.plan, device.update.record), 50'000u);
}

TEST(UpdateStep, RevertsByItselfAndRemembersWhy) {
  UpdateDriver device;
  device.DriveToTrial();
  device.Clear();
  ASSERT_TRUE(device.Feed(HealthBad{{ErrorCode::kHealth, "error rate 0.5 over 0.01"}}));
  EXPECT_EQ(device.update.state(), kReverting);
  const StateRecord& record = device.update.record;
  EXPECT_EQ(record.active, SlotId{0});
  EXPECT_EQ(record.slots[1].state, SlotState::kBad);
  EXPECT_EQ(record.slots[1].reason, "E_HEALTH");
  EXPECT_THAT(record.bad_artifacts, ElementsAre(ArtifactOf(kV2)));
  ASSERT_EQ(device.Of<ActivateModel>().size(), 1u);
  EXPECT_EQ(device.Of<ActivateModel>()[0].slot, SlotId{0});
  EXPECT_THAT(device.Reports(), IsEmpty()) << "reverted is reported when the old bytes serve";
  ASSERT_TRUE(device.Feed(ModelServing{ArtifactOf(kV1), {}}));
  EXPECT_THAT(device.Reports(), ElementsAre("reverted E_HEALTH"));
  EXPECT_EQ(device.Of<SendReport>().back().rollout, "r2");
  EXPECT_EQ(device.Of<SendReport>().back().manifest, ManifestOf(kV2));
  EXPECT_EQ(device.update.state(), kIdle);
}

TEST(UpdateStep, ObeysARollBackInTrialAndAfterConfirm) {
  for (const bool confirmed : {false, true}) {
    UpdateDriver device;
    device.DriveToTrial();
    if (confirmed) {
      ASSERT_TRUE(device.Feed(TrialOver{true}));
    }
    device.Clear();
    ASSERT_TRUE(
        device.Feed(OrderReceived{OrderOf(1, "r2", OrderAction::kRollBack), DigestOf(9), {5}}));
    EXPECT_EQ(device.writes.size(), 1u) << "the Order's number and its effect are one record";
    EXPECT_EQ(device.update.record.order, (SequenceNumber{7, 1}));
    ASSERT_EQ(device.Of<ActivateModel>().size(), 1u);
    ASSERT_TRUE(device.Feed(ModelServing{ArtifactOf(kV1), {}}));
    EXPECT_THAT(device.Reports(), ElementsAre("reverted E_REVERT_ORDERED"));
    EXPECT_EQ(device.update.record.slots[1].state, SlotState::kReady)
        << "an order makes nothing BAD";
    EXPECT_THAT(device.update.record.bad_artifacts, IsEmpty());
  }
}

TEST(UpdateStep, LeavesAlonePartsOfTheFleetThatAnOrderIsNotFor) {
  struct Case {
    std::string rollout;
    std::uint16_t lowest_stage;
    std::vector<std::string> hardware;
  };
  for (const Case& other : {Case{"r9", 0, {}}, Case{"r2", 1, {}}, Case{"r2", 0, {"gateway"}}}) {
    UpdateDriver device;
    device.DriveToTrial();
    Order order;
    order.number = {7, 1};
    order.entries = {{other.rollout, OrderAction::kRollBack, other.lowest_stage, other.hardware}};
    ASSERT_TRUE(device.Feed(OrderReceived{order, DigestOf(9), {}}));
    EXPECT_EQ(device.update.state(), kTrial);
  }
}

TEST(UpdateStep, WithdrawsWorkInHandAndKeepsItsBlocks) {
  for (const OrderAction action : {OrderAction::kAbort, OrderAction::kRollBack}) {
    UpdateDriver device;
    device.DriveToDownloading();
    device.Clear();
    ASSERT_TRUE(device.Feed(OrderReceived{OrderOf(1, "r2", action), DigestOf(9), {}}));
    EXPECT_EQ(device.update.state(), kIdle);
    EXPECT_EQ(device.Of<StopWork>().size(), 1u);
    EXPECT_THAT(device.Reports(), ElementsAre("withdrawn E_WITHDRAWN"));
    EXPECT_EQ(device.update.record.slots[1].state, SlotState::kWriting);
  }
}

TEST(UpdateStep, LeavesATrialAsItIsWhenTheRolloutIsAborted) {
  UpdateDriver device;
  device.DriveToTrial();
  ASSERT_TRUE(device.Feed(OrderReceived{OrderOf(1, "r2", OrderAction::kAbort), DigestOf(9), {}}));
  EXPECT_EQ(device.update.state(), kTrial);
}

TEST(UpdateStep, StaysAndSaysSoWhenThereIsNothingToGoBackTo) {
  UpdateDriver device;
  device.DriveToTrial();
  ASSERT_TRUE(device.Feed(TrialOver{true}));
  device.DriveToDownloading(kV3, 2);  // overwrites the fallback
  device.Clear();
  ASSERT_TRUE(
      device.Feed(OrderReceived{OrderOf(1, "r2", OrderAction::kRollBack), DigestOf(9), {}}));
  EXPECT_THAT(device.Reports(), ElementsAre("failed E_NO_FALLBACK"));
  EXPECT_EQ(device.update.record.active, SlotId{1});
  const Status local = device.Feed(RevertOrdered{"by hand"});
  ASSERT_FALSE(local);
  EXPECT_EQ(local.error().code, ErrorCode::kNoFallback);
}

TEST(UpdateStep, SaysAgainThatItCouldNotGoBack) {
  UpdateDriver device;  // v1 serves, and there is nothing else
  Directive revert = InstallOf(kV1, 1);
  revert.action = DirectiveAction::kRevert;
  for (int i = 0; i < 2; ++i) {
    device.Clear();
    ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
    ASSERT_TRUE(device.Feed(Accepted(revert)));
    EXPECT_THAT(device.Reports(), ElementsAre("failed E_NO_FALLBACK"));
  }
}

TEST(UpdateStep, TakesAManifestThatWasSignedAgainAsDone) {
  UpdateDriver device;
  ReleaseManifest again = ManifestFor(kV1);
  Directive directive = InstallOf(kV2, 1);
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(directive)));
  ASSERT_TRUE(device.Feed(ManifestChecked{again}));
  EXPECT_THAT(device.Reports(), ElementsAre("confirmed"));
  device.Clear();
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(directive)));
  EXPECT_THAT(device.Reports(), ElementsAre("confirmed")) << "also when it is offered again";
}

TEST(UpdateStep, KeepsTheFallbackThroughADownloadWithThreeSlots) {
  UpdateDriver device(3);
  device.DriveToTrial();
  ASSERT_TRUE(device.Feed(TrialOver{true}));
  device.DriveToDownloading(kV3, 2);
  EXPECT_EQ(device.update.record.slots[2].state, SlotState::kWriting);
  EXPECT_EQ(device.update.record.fallback, SlotId{0});
  device.Clear();
  ASSERT_TRUE(
      device.Feed(OrderReceived{OrderOf(1, "r2", OrderAction::kRollBack), DigestOf(9), {}}));
  EXPECT_EQ(device.update.state(), kReverting);
  EXPECT_EQ(device.update.record.active, SlotId{0});
}

TEST(UpdateStep, ServesNothingWhenAFirstInstallFailsItsTrial) {
  UpdateDriver device;
  device.update.record.active.reset();
  device.update.record.slots[0] = {};
  device.DriveToTrial();
  ASSERT_TRUE(device.Feed(HealthBad{{ErrorCode::kHealth, "bad"}}));
  EXPECT_EQ(device.update.state(), kFault);
  EXPECT_EQ(device.Of<ActivateModel>().back().slot, std::nullopt);
  EXPECT_EQ(device.Of<SendReport>().back().state, ReportState::kFailed);
  device.DriveToDownloading(kV3, 2);
}

TEST(UpdateStep, KeepsOnlyTheNewestInstallThatComesDuringATrial) {
  UpdateDriver device;
  device.DriveToTrial();
  device.Clear();
  for (const std::uint64_t seq : {2U, 3U}) {
    ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
    DirectiveChecked checked = Accepted(InstallOf(kV3, seq));
    checked.envelope = Bytes{static_cast<std::uint8_t>(seq)};
    ASSERT_TRUE(device.Feed(checked));
  }
  EXPECT_THAT(device.Reports(), ElementsAre("deferred E_BUSY_TRIAL", "deferred E_BUSY_TRIAL"));
  EXPECT_THAT(device.writes, IsEmpty()) << "a directive that waits is not yet seen";
  ASSERT_TRUE(device.Feed(TrialOver{true}));
  ASSERT_EQ(device.Of<Redeliver>().size(), 1u);
  EXPECT_EQ(device.Of<Redeliver>()[0].envelope, Bytes{3});
}

TEST(UpdateStep, ReplacesWorkByANewerRelease) {
  UpdateDriver device;
  device.DriveToDownloading();
  device.Clear();
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(InstallOf(kV3, 2))));
  EXPECT_THAT(device.Reports(), ElementsAre("withdrawn E_WITHDRAWN"));
  EXPECT_EQ(device.Of<SendReport>()[0].directive, (SequenceNumber{7, 1})) << "of the old one";
  EXPECT_EQ(device.Of<FetchManifest>().size(), 1u);
  EXPECT_EQ(device.update.state(), kChecking);
}

TEST(UpdateStep, FetchesNothingThatIsWholeInASlot) {
  UpdateDriver device;
  device.DriveToTrial();
  ASSERT_TRUE(
      device.Feed(OrderReceived{OrderOf(1, "r2", OrderAction::kRollBack), DigestOf(9), {}}));
  ASSERT_TRUE(device.Feed(ModelServing{ArtifactOf(kV1), {}}));
  device.Clear();
  Directive again = InstallOf(kV2, 2);
  again.rollout = "r2-again";
  ASSERT_TRUE(device.Feed(DirectiveReceived{{1}}));
  ASSERT_TRUE(device.Feed(Accepted(again)));
  ASSERT_TRUE(device.Feed(ManifestChecked{ManifestFor(kV2)}));
  EXPECT_EQ(device.update.state(), kVerifying);
  EXPECT_THAT(device.Of<FetchPayload>(), IsEmpty());
}

}  // namespace
}  // namespace sluice::device
