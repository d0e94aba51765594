// What a crash at any write leaves behind, and what the engine makes of it.
#include <algorithm>
#include <set>

#include "rollout_engine/engine/keys.h"
#include "tests/unit/rollout_engine/engine/fleet_fixture.h"

namespace sluice {
namespace {

constexpr int kDevices = 12;

/// A rollout by hand, quick enough to be told a hundred times. `crash_at` = the write that fails, 0
/// = none.
struct Story {
  Fleet fleet;
  bool crashed = false;
  Status restarted;

  /// Time passes while every device works; a silent one would be taken for lost.
  void Live(int seconds) {
    for (int s = 0; s < seconds; s += 5) {
      fleet.InferAll();
      fleet.Pass(5'000);
    }
  }

  /// The engine dies at its failed write and comes back; devices repeat what they were not
  /// answered.
  void ReviveIfDead() {
    if (fleet.last_tick) return;
    crashed = true;
    fleet.CrashEngine();
    fleet.Pass(500);
    restarted = fleet.StartEngine();
    for (auto& device : fleet.devices()) device->SayHello();
    Live(70);
  }

  /// An operator repeats what was not confirmed.
  void Operate(const std::string& op, const std::string& file = "") {
    for (int attempt = 0; attempt < 2; ++attempt) {
      const Outcome outcome = file.empty() ? fleet.Operate(op, "r") : fleet.Create(file, "r");
      if (fleet.last_tick) return;
      ReviveIfDead();
      if (outcome.ok() && fleet.engine().rollouts().Find("r") == nullptr) continue;
    }
  }

  void Tell(std::size_t crash_at) {
    ASSERT_TRUE(fleet.StartEngine());
    const Digest v1 = fleet.Release("detector-v1", 1, Fleet::Artifact(1));
    fleet.Release("detector-v2", 2, Fleet::Artifact(2));
    fleet.AddDevices(kDevices, v1);
    if (crash_at > 0) fleet.store().FailWrite(crash_at);
    Operate("create", TwoStages("detector-v2"));
    Operate("start");
    fleet.Pass(3'000);
    ReviveIfDead();
    Operate("promote");
    fleet.Pass(3'000);
    ReviveIfDead();
    Live(15);
    ReviveIfDead();
  }
};

Rollout Replayed(const Store& store, const std::string& id) {
  RolloutLog log;
  const Status loaded = log.Load(store);
  EXPECT_TRUE(loaded) << loaded.error().Line();
  const RolloutEntry* entry = log.Find(id);
  return entry == nullptr ? Rollout() : entry->rollout;
}

TEST(EngineRestart, ReplaysEveryRolloutToTheStateItHad) {
  Story story;
  story.Tell(0);
  EXPECT_EQ(story.fleet.CountOn("detector-v2"), kDevices);
  EXPECT_EQ(Replayed(story.fleet.store(), "r"), story.fleet.rollout("r"));
}

TEST(EngineRestart, LosesNothingWhicheverWriteFails) {
  std::size_t writes = 0;
  {
    Story story;
    story.Tell(0);
    writes = story.fleet.store().writes();
  }
  int crashes = 0;
  for (std::size_t crash_at = 1; crash_at < writes; ++crash_at) {
    SCOPED_TRACE("crash at write " + std::to_string(crash_at));
    Story story;
    story.Tell(crash_at);
    if (!story.crashed) break;  // the story has fewer writes after its beginning
    ++crashes;
    ASSERT_TRUE(story.restarted) << story.restarted.error().Line();
    ASSERT_NE(story.fleet.engine().rollouts().Find("r"), nullptr);
    EXPECT_EQ(Replayed(story.fleet.store(), "r"), story.fleet.rollout("r"));
    // A start or promotion that died with its turn was not confirmed, so it may not have happened.
    if (story.fleet.StatusOf("r") == RolloutStatus::kScheduled) continue;
    const auto& rollout = story.fleet.rollout("r");
    for (auto& device : story.fleet.devices()) {
      std::set<SequenceNumber> numbers;
      for (std::size_t i = 0; i < device->directives.size(); ++i) {
        const SequenceNumber number = device->directives[i].number;
        for (std::size_t j = 0; j < i; ++j) {
          if (device->directives[j].number != number) continue;
          EXPECT_EQ(device->directive_bytes[i], device->directive_bytes[j])
              << "one number, two directives";
        }
        numbers.insert(number);
      }
      const Member& member = rollout.members.at(device->id());
      const bool taken = member.stage != kNoStage;
      EXPECT_EQ(device->release(), taken ? "detector-v2" : "detector-v1") << device->id();
      EXPECT_EQ(IsActive(member.state), taken) << device->id();
    }
  }
  EXPECT_GT(crashes, 10);
}

TEST(EngineRestart, TakesAHigherEpochAndKeepsWhatStands) {
  Story story;
  story.Tell(0);
  Fleet& fleet = story.fleet;
  ASSERT_TRUE(fleet.Operate("roll_back", "r").ok());
  fleet.Pass(2'000);
  const std::uint64_t epoch = fleet.engine().director().epoch();
  const Order order = fleet.engine().director().order();
  ASSERT_EQ(order.entries.size(), 1U);
  const Bytes order_bytes = fleet.engine().director().order_envelope();
  const auto standing = fleet.engine().devices().Find("dev-000")->directive;
  fleet.CrashEngine();
  fleet.clock().wall_error_ms -= 500;  // not even a second has passed by this clock
  ASSERT_TRUE(fleet.StartEngine());
  EXPECT_GT(fleet.engine().director().epoch(), epoch);
  EXPECT_EQ(fleet.engine().director().order_envelope(), order_bytes);
  EXPECT_EQ(fleet.engine().devices().Find("dev-000")->directive->envelope, standing->envelope);
}

TEST(EngineRestart, SendsAgainWhatNoDeviceHasNamed) {
  Fleet fleet;
  ASSERT_TRUE(fleet.StartEngine());
  const Digest v1 = fleet.Release("detector-v1", 1, Fleet::Artifact(1));
  fleet.Release("detector-v2", 2, Fleet::Artifact(2));
  fleet.AddDevices(4, v1);
  ASSERT_TRUE(fleet.Create(TwoStages("detector-v2"), "r").ok());
  fleet.broker().SetFaultPolicy([](const Hop& hop) {
    return Fate{.copies =
                    hop.direction == Hop::Direction::kDown && hop.client_id != "engine" ? 0 : 1};
  });
  ASSERT_TRUE(fleet.Operate("start", "r").ok());
  fleet.Pass(1'000);
  EXPECT_EQ(fleet.CountOn("detector-v2"), 0);
  fleet.broker().SetFaultPolicy(nullptr);
  fleet.CrashEngine();
  ASSERT_TRUE(fleet.StartEngine());
  fleet.device(0).SayHello();  // the others are only listened to
  fleet.Pass(130'000);
  EXPECT_GE(fleet.CountOn("detector-v2"), 1);
  for (auto& device : fleet.devices()) {
    if (device->directives.empty()) continue;
    EXPECT_TRUE(
        std::all_of(device->directive_bytes.begin(), device->directive_bytes.end(),
                    [&](const Bytes& bytes) { return bytes == device->directive_bytes[0]; }));
  }
}

TEST(EngineRestart, SaysAtOnceWhatWasDecidedAndNotHeard) {
  Fleet fleet;
  ASSERT_TRUE(fleet.StartEngine());
  const Digest v1 = fleet.Release("detector-v1", 1, Fleet::Artifact(1));
  fleet.Release("detector-v2", 2, Fleet::Artifact(2));
  fleet.AddDevices(4, v1);
  ASSERT_TRUE(fleet.Create(TwoStages("detector-v2"), "r").ok());
  fleet.broker().CutLink("engine");
  ASSERT_TRUE(fleet.Operate("start", "r").ok());
  fleet.Pass(90'000);  // its timers must not take these for said
  fleet.CrashEngine();
  fleet.broker().RestoreLink("engine");
  ASSERT_TRUE(fleet.StartEngine());
  fleet.Pass(2'000);
  EXPECT_EQ(fleet.CountOn("detector-v2"), 2);
  // The same without a restart.
  fleet.broker().CutLink("engine");
  ASSERT_TRUE(fleet.Operate("promote", "r").ok());
  fleet.Pass(90'000);
  fleet.broker().RestoreLink("engine");
  fleet.Pass(2'000);
  EXPECT_EQ(fleet.CountOn("detector-v2"), 4);
}

TEST(EngineRestart, SendsAgainAlsoToDevicesWhosePresenceTheBrokerDropped) {
  Fleet fleet;
  ASSERT_TRUE(fleet.StartEngine());
  const Digest v1 = fleet.Release("detector-v1", 1, Fleet::Artifact(1));
  fleet.Release("detector-v2", 2, Fleet::Artifact(2));
  fleet.AddDevices(4, v1);
  ASSERT_TRUE(fleet.Create(TwoStages("detector-v2"), "r").ok());
  fleet.broker().SetFaultPolicy([](const Hop& hop) {
    return Fate{.copies = hop.direction == Hop::Direction::kDown ? 0 : 1};
  });
  ASSERT_TRUE(fleet.Operate("start", "r").ok());
  fleet.Pass(1'000);
  fleet.CrashEngine();
  ASSERT_TRUE(fleet.StartEngine());
  fleet.Pass(1'000);
  fleet.broker().SetFaultPolicy(nullptr);
  fleet.Pass(130'000);
  for (auto& device : fleet.devices()) EXPECT_FALSE(device->directives.empty()) << device->id();
}

TEST(EngineRestart, StandsStillWhenTheStoreFails) {
  Fleet fleet;
  ASSERT_TRUE(fleet.StartEngine());
  const Digest v1 = fleet.Release("detector-v1", 1, Fleet::Artifact(1));
  fleet.Release("detector-v2", 2, Fleet::Artifact(2));
  fleet.AddDevices(8, v1);
  ASSERT_TRUE(fleet.Create(TwoStages("detector-v2"), "r").ok());
  fleet.store().FailWrite(1);
  fleet.Operate("start", "r");
  ASSERT_FALSE(fleet.last_tick);
  EXPECT_EQ(fleet.last_tick.error().code, ErrorCode::kStoreIo);
  fleet.Pass(10'000);
  for (auto& device : fleet.devices()) EXPECT_TRUE(device->directives.empty());
  EXPECT_FALSE(fleet.engine().Facts().store_ok);
  EXPECT_EQ(fleet.engine().Execute({.id = "operation-x", .object = "r", .op = "start"}).code,
            ErrorCode::kStoreReadonly);
  EXPECT_NE(fleet.Retained("sluice/v1/engine/engine/state").find(R"("store":"readonly")"),
            std::string::npos)
      << fleet.Retained("sluice/v1/engine/engine/state");
}

TEST(EngineRestart, LetsTimeStandStillWhileItIsDown) {
  Fleet fleet;
  ASSERT_TRUE(fleet.StartEngine());
  fleet.AddDevices(2, std::nullopt);
  fleet.Pass(60'000);
  const BootMs before = fleet.engine().Now();
  fleet.CrashEngine();
  fleet.clock().now_ms += limits::kDay;
  ASSERT_TRUE(fleet.StartEngine());
  EXPECT_LE(fleet.engine().Now() - before, 0);
  EXPECT_GT(fleet.engine().Now() - before, -61'000);
}

TEST(EngineRestart, TakesNobodyForLostBecauseItWasAwayItself) {
  Fleet fleet;
  ASSERT_TRUE(fleet.StartEngine());
  const Digest v1 = fleet.Release("detector-v1", 1, Fleet::Artifact(1));
  fleet.Release("detector-v2", 2, Fleet::Artifact(2));
  fleet.AddDevices(80, v1);
  ASSERT_TRUE(fleet.Create(TwoStages("detector-v2"), "r").ok());
  ASSERT_TRUE(fleet.Operate("start", "r").ok());
  fleet.Pass(2'000);
  for (int restart = 0; restart < 4; ++restart) {
    fleet.CrashEngine();
    fleet.clock().now_ms += 60'000;
    ASSERT_TRUE(fleet.StartEngine());
    for (int s = 0; s < 10; s += 5) {
      fleet.Pass(5'000);
      fleet.InferAll();
    }
    EXPECT_EQ(fleet.StatusOf("r"), RolloutStatus::kRunning) << fleet.rollout("r").why;
  }
}

TEST(EngineRestart, RefusesACorruptEventLog) {
  Story story;
  story.Tell(0);
  story.fleet.CrashEngine();
  WriteBatch batch;
  batch.Put(store_key::Join(store_key::kEvent, {"r", store_key::Number(1)}),
            std::string_view("{\"event\":\"Nonsense\"}"));
  ASSERT_TRUE(story.fleet.store().Write(batch, true));
  const Status started = story.fleet.StartEngine();
  ASSERT_FALSE(started);
  EXPECT_EQ(started.error().code, ErrorCode::kStoreCorrupt);
  EXPECT_NE(started.error().text.find("event/r/"), std::string::npos) << started.error().text;
}

}  // namespace
}  // namespace sluice
