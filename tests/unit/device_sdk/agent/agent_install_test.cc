#include <gmock/gmock.h>

#include "tests/unit/device_sdk/agent/agent_world.h"

namespace sluice::device {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Not;

constexpr std::size_t kInstalledSize = 200'000;  // four blocks

class AgentInstall : public testing::Test {
 protected:
  void StartOnV1() {
    world_.InstallFirst(v1_);
    world_.Start();
    world_.Run(1'000);
  }
  AgentWorld world_;
  PublishedRelease v1_ = world_.engine.Publish("v1", ModelBytes(kGoodModel, kInstalledSize, 1));
  PublishedRelease v2_ = world_.engine.Publish("v2", ModelBytes(kGoodModel, kInstalledSize, 2));
  PublishedRelease poor_ = world_.engine.Publish("v3", ModelBytes(kPoorModel, kInstalledSize, 3));
};

TEST_F(AgentInstall, ServesTheActiveSlotWithoutANetwork) {
  world_.InstallFirst(v1_);
  world_.broker.CutLink(kDevice);
  world_.Start();
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
  EXPECT_EQ(world_.Inspect().loaded_release, "v1");
}

TEST_F(AgentInstall, BringsANewReleaseToConfirmed) {
  StartOnV1();
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntilReport("confirmed"));
  EXPECT_THAT(world_.engine.ReportNames(),
              ElementsAre("downloading", "ready", "activating", "activated", "confirmed"));
  EXPECT_EQ(world_.runner.serving, v2_.manifest.artifact_sha256);
  const Report& confirmed = world_.engine.reports.back();
  EXPECT_EQ(confirmed.active_artifact, v2_.manifest.artifact_sha256);
  EXPECT_GT(confirmed.bytes_down, kInstalledSize);
  EXPECT_EQ(world_.Inspect().record.slots[1].state, SlotState::kGood);
}

TEST_F(AgentInstall, InstallsAFirstReleaseOnAnEmptyDevice) {
  world_.Start();
  world_.Run(1'000);
  EXPECT_TRUE(world_.runner.serving.IsZero());
  world_.engine.Send(world_.engine.InstallOf(v1_, ""));
  ASSERT_TRUE(world_.RunUntilReport("confirmed"));
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
}

TEST_F(AgentInstall, ConfirmsOnlyWithEvidence) {
  StartOnV1();
  world_.rate = 0;
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntil(UpdateState::kTrial));
  world_.Run(30'000);
  EXPECT_EQ(world_.agent->state(), UpdateState::kTrial);
  ASSERT_TRUE(world_.RunUntilReport("reverted E_NO_EVIDENCE"));
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
  EXPECT_TRUE(world_.Inspect().record.bad_artifacts.empty());
}

TEST_F(AgentInstall, NeverActivatesWhatFailsItsValidation) {
  StartOnV1();
  world_.engine.Send(world_.engine.InstallOf(poor_));
  ASSERT_TRUE(world_.RunUntilReport("failed E_VALIDATION"));
  const Report& report = world_.engine.reports.back();
  EXPECT_EQ(report.validation.n, 100u);
  EXPECT_EQ(report.validation.correct_base, 100u);
  EXPECT_EQ(report.validation.correct_new, 10u);
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
  EXPECT_THAT(world_.engine.ReportNames(), Not(Contains("activating")));
  world_.Run(6'000);
  EXPECT_NE(world_.engine.telemetry.back().flags & Telemetry::kValidationFailed, 0);
}

TEST_F(AgentInstall, WaitsForThePermitAndAsksAgain) {
  StartOnV1();
  world_.engine.grants_permits = false;
  world_.engine.Send(world_.engine.InstallOf(v2_));
  ASSERT_TRUE(world_.RunUntil(UpdateState::kReady));
  const std::size_t hellos = world_.engine.hellos.size();
  world_.Run(5'000);
  EXPECT_EQ(world_.agent->state(), UpdateState::kReady);
  EXPECT_GE(world_.engine.hellos.size(), hellos + 4) << "every second, as the answer said";
  EXPECT_EQ(world_.engine.hellos.back().permit_wanted, v2_.digest);
  world_.engine.grants_permits = true;
  EXPECT_TRUE(world_.RunUntil(UpdateState::kTrial, 3'000));
}

TEST_F(AgentInstall, NeedsNoPermitInModeFree) {
  StartOnV1();
  world_.engine.grants_permits = false;
  Directive directive = world_.engine.InstallOf(v2_);
  directive.mode = ActivationMode::kFree;
  world_.engine.Send(directive);
  EXPECT_TRUE(world_.RunUntil(UpdateState::kTrial));
}

TEST_F(AgentInstall, WaitsForItsActivationWindow) {
  StartOnV1();
  Directive directive = world_.engine.InstallOf(v2_);
  const std::time_t now_s = world_.engine.now_ms / 1'000;
  std::tm local{};
  localtime_r(&now_s, &local);
  const int minute = local.tm_hour * 60 + local.tm_min;
  directive.window = {static_cast<std::uint16_t>((minute + 10) % 1'440),
                      static_cast<std::uint16_t>((minute + 20) % 1'440)};
  world_.engine.Send(directive);
  ASSERT_TRUE(world_.RunUntil(UpdateState::kReady));
  world_.Run(5 * limits::kMinute);
  EXPECT_EQ(world_.agent->state(), UpdateState::kReady);
  EXPECT_TRUE(world_.RunUntil(UpdateState::kTrial, 10 * limits::kMinute));
}

TEST_F(AgentInstall, BuildsFromADeltaOnlyOnTheBaseItIsFor) {
  StartOnV1();
  Directive directive = world_.engine.InstallOf(v2_);
  directive.offers.insert(
      directive.offers.begin(),
      world_.engine.MakePayload(v2_, v1_.manifest.artifact_sha256, v1_.artifact.size()));
  world_.engine.Send(directive);
  ASSERT_TRUE(world_.RunUntilReport("confirmed"));
  for (const FetchRequest& fetch : world_.engine.fetches) {
    EXPECT_NE(fetch.object, directive.offers[1].object) << "the full payload was not needed";
  }
}

TEST_F(AgentInstall, FallsBackToTheFullPayloadWhenTheBaseRotted) {
  StartOnV1();
  {
    auto file = world_.files.Open(world_.directory.File("state/a/model.bin"), OpenMode::kReadWrite);
    ASSERT_TRUE(file);
    ASSERT_TRUE((*file)->WriteAt(77, Bytes{0xEE}));
  }
  Directive directive = world_.engine.InstallOf(v2_);
  directive.offers.insert(
      directive.offers.begin(),
      world_.engine.MakePayload(v2_, v1_.manifest.artifact_sha256, v1_.artifact.size()));
  world_.engine.Send(directive);
  ASSERT_TRUE(world_.RunUntilReport("confirmed"));
}

TEST_F(AgentInstall, ResumesBlockByBlockAfterAPowerCut) {
  StartOnV1();
  int chunks = 0;
  world_.engine.on_chunk = [&](Chunk& chunk) {
    return chunk.object_size < kInstalledSize || ++chunks <= 8;
  };
  const Directive directive = world_.engine.InstallOf(v2_);
  world_.engine.Send(directive);
  ASSERT_TRUE(world_.RunUntil(UpdateState::kDownloading));
  world_.Run(500);
  world_.engine.on_chunk = nullptr;
  world_.engine.fetches.clear();
  world_.Restart();
  ASSERT_TRUE(world_.RunUntilReport("confirmed"));
  std::uint64_t lowest = UINT64_MAX;
  for (const FetchRequest& fetch : world_.engine.fetches) {
    if (fetch.object == directive.offers[0].object)
      lowest = std::min(lowest, fetch.wanted.front().offset);
  }
  // Chunks count from the payload's start, so the one that ends the first block begins the second.
  const std::uint64_t second_block = directive.offers[0].head_size + limits::kManifestBlockSize;
  EXPECT_EQ(lowest, second_block - second_block % limits::kChunkBytesDefault);
  EXPECT_EQ(world_.Inspect().record.work.attempts, 1);
}

TEST_F(AgentInstall, StopsAtItsByteBudget) {
  StartOnV1();
  Directive directive = world_.engine.InstallOf(v2_);
  directive.byte_budget = 100'000;
  world_.engine.Send(directive);
  ASSERT_TRUE(world_.RunUntilReport("failed E_BUDGET"));
  EXPECT_LT(world_.Inspect().link.bytes_down, 130'000u);
  Directive larger = world_.engine.InstallOf(v2_);
  larger.byte_budget = 1'000'000;
  world_.engine.Send(larger);
  ASSERT_TRUE(world_.RunUntilReport("confirmed"));
}

TEST_F(AgentInstall, RefusesReleasesThatAreNotForIt) {
  struct Case {
    const char* code;
    std::function<void(ReleaseManifest&)> change;
  };
  const std::vector<Case> cases = {
      {"rejected E_INCOMPATIBLE_HW", [](ReleaseManifest& m) { m.hardware = {"edge-z"}; }},
      {"rejected E_ABI", [](ReleaseManifest& m) { m.runtime_abi = "other-1"; }},
      {"rejected E_AGENT_TOO_OLD", [](ReleaseManifest& m) { m.min_agent = "99.0.0"; }},
      {"rejected E_WRONG_MODEL", [](ReleaseManifest& m) { m.model = "classifier"; }},
      {"rejected E_WRONG_FLEET", [](ReleaseManifest& m) { m.fleet_id = "plant-8"; }},
      {"rejected E_EXPIRED", [](ReleaseManifest& m) { m.expires_ms = kStartMs - 1; }},
      {"rejected E_NOT_YET", [](ReleaseManifest& m) { m.created_ms = kStartMs + limits::kDay; }},
  };
  StartOnV1();
  std::uint64_t seed = 100;
  for (const Case& bad : cases) {
    const auto release =
        world_.engine.Publish("x", ModelBytes(kGoodModel, kInstalledSize, ++seed), bad.change);
    world_.engine.Send(world_.engine.InstallOf(release));
    EXPECT_TRUE(world_.RunUntilReport(bad.code, 10'000)) << bad.code;
    EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
    EXPECT_THAT(world_.engine.ReportNames(), Not(Contains("downloading")))
        << "no payload byte was fetched";
  }
}

TEST_F(AgentInstall, RefusesAReleaseBelowItsFloor) {
  world_.InstallFirst(v1_);
  const auto raising = world_.engine.Publish("v2", ModelBytes(kGoodModel, kInstalledSize, 20),
                                             [](ReleaseManifest& m) {
                                               m.security_epoch = 3;
                                               m.floor_epoch = 2;
                                             });
  world_.Start();
  world_.Run(1'000);
  world_.engine.Send(world_.engine.InstallOf(raising));
  ASSERT_TRUE(world_.RunUntilReport("confirmed"));
  EXPECT_EQ(world_.Inspect().record.floor_epoch, 2u);
  world_.engine.Send(world_.engine.InstallOf(v2_));
  EXPECT_TRUE(world_.RunUntilReport("rejected E_DOWNGRADE"));
}

TEST_F(AgentInstall, FailsWithNothingLostWhenTheServerHasNotTheObject) {
  StartOnV1();
  Directive directive = world_.engine.InstallOf(v2_);
  world_.engine.objects.erase(directive.offers[0].object);
  world_.engine.Send(directive);
  EXPECT_TRUE(world_.RunUntilReport("failed E_NOT_FOUND"));
  EXPECT_EQ(world_.runner.serving, v1_.manifest.artifact_sha256);
}

TEST_F(AgentInstall, CallsASilentServerSlow) {
  StartOnV1();
  world_.engine.serves_chunks = false;
  world_.engine.Send(world_.engine.InstallOf(v2_));
  EXPECT_TRUE(world_.RunUntilReport("failed E_SLOW", limits::kHour));
}

TEST_F(AgentInstall, CountsWhatItsModelDoes) {
  StartOnV1();
  world_.Run(20'000);
  ASSERT_GE(world_.engine.telemetry.size(), 3u);
  const Telemetry& last = world_.engine.telemetry.back();
  EXPECT_EQ(last.release_id, v1_.manifest.artifact_sha256.Prefix64());
  EXPECT_GT(last.inferences, 500u);
  EXPECT_EQ(last.labelled, last.inferences);
  EXPECT_EQ(last.correct_q8, 256 * last.labelled);
  EXPECT_EQ(last.errors, 0u);
  EXPECT_EQ(last.crashes, 0);
  for (std::size_t i = 1; i < world_.engine.telemetry.size(); ++i) {
    EXPECT_GT(world_.engine.telemetry[i].seq, world_.engine.telemetry[i - 1].seq);
  }
}

TEST_F(AgentInstall, ReportsTheCrashThatEndedTheLastBoot) {
  StartOnV1();
  world_.Restart();
  world_.Run(10'000);
  EXPECT_EQ(world_.engine.telemetry.back().crashes, 1);
  world_.agent->HandleStop();
  world_.Restart();
  world_.Run(10'000);
  EXPECT_EQ(world_.engine.telemetry.back().crashes, 0) << "an orderly stop is none";
}

TEST_F(AgentInstall, HoldsAsAControlDeviceUnderTheSameLatencyLimit) {
  StartOnV1();
  Directive hold;
  hold.fleet_id = kFleet;
  hold.device_id = kDevice;
  hold.rollout = "r-1";
  hold.action = DirectiveAction::kHold;
  hold.latency_limit_us = 1'000;
  hold.telemetry_interval_s = 5;
  hold.expires_ms = kStartMs + limits::kDay;
  world_.Run(3'000);
  const std::uint32_t before = world_.Inspect().record.activation;
  world_.engine.Send(hold);
  ASSERT_TRUE(world_.RunUntilReport("holding"));
  EXPECT_EQ(world_.engine.reports.back().activation, before + 1);
  world_.Run(12'000);
  const Telemetry& last = world_.engine.telemetry.back();
  EXPECT_EQ(last.activation, before + 1);
  EXPECT_EQ(last.over_latency, last.inferences) << "5 ms are slower than 1 ms";
}

}  // namespace
}  // namespace sluice::device
