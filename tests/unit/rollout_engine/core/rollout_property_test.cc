// Random lives of a rollout: whatever happens, the invariants hold and a replay gives the same.
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <set>
#include <tuple>

#include "common/base/random.h"
#include "rollout_engine/core/look_roster.h"
#include "tests/unit/rollout_engine/core/rollout_harness.h"

namespace sluice {
namespace {

constexpr int kSeeds = 120;
constexpr int kEventsPerSeed = 300;

RolloutSpec RandomSpec(Random& random) {
  RolloutSpec spec = TwoStageSpec();
  spec.stages.insert(spec.stages.begin() + 1, spec.stages[0]);
  spec.stages[1].name = "early";
  spec.stages[1].target = 25'000;
  spec.holdback = random.Below(3) == 0 ? 10'000 : 0;
  spec.rate.initial_devices = 1 + static_cast<std::int32_t>(random.Below(6));
  spec.rate.max_per_minute = 1 + static_cast<std::int32_t>(random.Below(20));
  spec.stages[random.Below(3)].approval = static_cast<Approval>(random.Below(3));
  spec.rollback.per_hardware = static_cast<PerHardware>(random.Below(3));
  spec.rollback.scope = static_cast<RollBackScope>(random.Below(2));
  spec.rollback.auto_rollback = random.Below(4) != 0;
  spec.rollback.on_inconclusive = static_cast<OnInconclusive>(random.Below(2));
  if (random.Below(3) == 0)
    spec.variants = {{"detector-a", 2}, {"detector-b", 1}, {"detector-c", 1}};
  return spec;
}

LookJudged RandomLook(const RolloutHarness& h, Random& random) {
  const std::uint64_t roll = random.Below(100);
  LookJudged look = h.Judged(roll < 70   ? Decision::kContinue
                             : roll < 85 ? Decision::kPromote
                             : roll < 97 ? Decision::kHold
                                         : Decision::kRollBack);
  if (look.decision == Decision::kHold)
    look.hold_cause = static_cast<HoldCause>(1 + random.Below(3));
  if (look.decision == Decision::kRollBack && random.Below(2) == 0) {
    look.fleet_fails = false;
    look.failed_strata = {"gate"};
  }
  look.brake = random.Below(8) == 0;
  look.variant = static_cast<std::int32_t>(random.Below(h.rollout.variants.size()));
  if (random.Below(2) == 0) look.upper_bound = random.Unit();
  return look;
}

EventBody RandomEvent(const RolloutHarness& h, Random& random) {
  const std::string device = DeviceName(static_cast<int>(random.Below(60)));
  switch (random.Below(20)) {
    case 0:
      return DeviceJoined{{"late-" + std::to_string(random.Below(20)), "cam", random.Unit(), true}};
    case 1:
      return random.Below(5) == 0 ? EventBody(DeviceLeft{device}) : EventBody(PermitWanted{device});
    case 2:
      return random.Below(6) == 0 ? EventBody(PauseRequested{}) : EventBody(ResumeRequested{});
    case 3:
      return random.Below(6) == 0 ? EventBody(PromoteRequested{}) : EventBody(ApproveRequested{});
    case 4:
      return random.Below(40) == 0 ? EventBody(AbortRequested{}) : EventBody(PermitWanted{device});
    case 5:
      return random.Below(40) == 0 ? EventBody(RollBackRequested{})
                                   : EventBody(PermitWanted{device});
    case 6:
    case 7:
      return TimerFired{static_cast<TimerKind>(random.Below(kTimerKindCount))};
    case 8:
      return h.rollout.runs.empty() ? EventBody(PermitWanted{device})
                                    : EventBody(RandomLook(h, random));
    case 9:
    case 10:
    case 11:
    case 12:
      return PermitWanted{device};
    default:
      return DeviceReported{device, static_cast<ReportState>(1 + random.Below(11)),
                            random.Below(2) == 0 ? "E_VALIDATION" : "E_REVERT_ORDERED"};
  }
}

void ExpectInvariants(const Rollout& rollout) {
  std::vector<StateCounts> counts(rollout.spec.stages.size());
  for (const auto& [device, member] : rollout.members) {
    if (member.stage == kNoStage) {
      ASSERT_EQ(member.state, DeviceState::kIdle) << device;
      continue;
    }
    ++counts[static_cast<std::size_t>(member.stage)][static_cast<std::size_t>(member.state)];
    ASSERT_LE(member.stage, CurrentStage(rollout));
    ASSERT_FALSE(member.control) << device << " is in both arms";
    // Nobody outside the cut-off that was published with the stage is ever taken.
    bool taken = false;
    for (const StageRun& run : rollout.runs) {
      const auto cut_off = run.cut_offs.find(member.hardware);
      taken =
          taken || (cut_off != run.cut_offs.end() && cut_off->second.Takes({device, member.unit}));
    }
    ASSERT_TRUE(taken) << device;
  }
  ASSERT_EQ(rollout.counts, counts);
  const auto left = std::ranges::count(rollout.variants, false, &VariantRun::dropped);
  ASSERT_GE(left, 1) << "the last variant is rolled back with the rollout, never dropped";
  if (rollout.winner.has_value()) {
    ASSERT_EQ(left, 1);
    for (const auto& [device, member] : rollout.members) ASSERT_EQ(member.variant, *rollout.winner);
  }
  if (rollout.status == RolloutStatus::kCompleted) {
    ASSERT_TRUE(FinalVariant(rollout).has_value());
  }
  const bool stopped =
      rollout.status == RolloutStatus::kHolding || rollout.status == RolloutStatus::kPaused;
  const auto holds = [](const OrderEntry& entry) { return entry.action == OrderAction::kHold; };
  ASSERT_EQ(stopped, std::ranges::any_of(rollout.order, holds));
}

/// A roster, whatever the order in which it met hardware and devices.
auto ContentOf(const LookRoster& roster, const FleetTelemetry& fleet) {
  std::map<std::string,
           std::tuple<std::string, std::int64_t, std::int64_t, std::int16_t, std::array<bool, 7>>>
      content;
  for (const RosterEntry& e : roster.entries()) {
    content[std::string(roster.IdOf(e, fleet))] = {
        roster.hardware()[e.stratum],
        e.since.ms,
        e.settles_at.ms,
        e.variant,
        {e.is_control, e.is_tested, e.self_reverted, e.may_install, e.is_of_cohort, e.is_own,
         e.is_active}};
  }
  return content;
}

/// What the event may have changed of one device.
std::string NamedBy(const EventBody& event) {
  if (const auto* joined = std::get_if<DeviceJoined>(&event)) return joined->device.id;
  if (const auto* left = std::get_if<DeviceLeft>(&event)) return left->device;
  if (const auto* reported = std::get_if<DeviceReported>(&event)) return reported->device;
  if (const auto* wanted = std::get_if<PermitWanted>(&event)) return wanted->device;
  return {};
}

TEST(RolloutProperty, AKeptRosterHoldsWhatANewOneWould) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    RolloutHarness h(RandomSpec(random));
    FleetTelemetry fleet;  // in half of the lives everybody was heard
    for (int i = 0; i < (seed % 2 == 0 ? 60 : 30); ++i) fleet.SetLastHeard(DeviceName(i), h.now);
    for (int i = 0; i < 20; ++i) fleet.SetLastHeard("late-" + std::to_string(i), h.now);
    h.Start(Fleet(60, random.Below(5) != 0));
    LookRoster kept;
    for (int i = 0; i < kEventsPerSeed; ++i) {
      h.WaitMs(static_cast<std::int64_t>(random.Below(20'000)));
      const EventBody event = RandomEvent(h, random);
      if (const std::string device = NamedBy(event); !device.empty()) kept.NoteChanged(device);
      (void)h.Try(event);
      if (h.rollout.runs.empty() || random.Below(5) != 0) continue;
      kept.Refresh(h.rollout, fleet);
      LookRoster fresh;
      fresh.Refresh(h.rollout, fleet);
      ASSERT_EQ(ContentOf(kept, fleet), ContentOf(fresh, fleet)) << "event " << i;
      ASSERT_EQ(kept.Of(Arm::kControl).size(), fresh.Of(Arm::kControl).size());
    }
  }
}

bool MayFollow(RolloutStatus from, RolloutStatus to) {
  if (from == to) return true;
  switch (from) {
    case RolloutStatus::kRolledBack:
    case RolloutStatus::kScheduled:
      return from == RolloutStatus::kScheduled && to != RolloutStatus::kCompleted;
    case RolloutStatus::kRollingBack:
      return to == RolloutStatus::kRolledBack;
    case RolloutStatus::kAborted:
    case RolloutStatus::kCompleted:
      return to == RolloutStatus::kRollingBack || to == RolloutStatus::kRolledBack;
    default:
      return true;
  }
}

TEST(RolloutProperty, KeepsItsInvariantsAndReplaysExactlyOverRandomLives) {
  std::set<RolloutStatus> ends;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    const RolloutSpec spec = RandomSpec(random);
    RolloutHarness h(spec);
    h.Start(Fleet(60, random.Below(5) != 0));
    for (int i = 0; i < kEventsPerSeed; ++i) {
      h.WaitMs(static_cast<std::int64_t>(random.Below(20'000)));
      const RolloutStatus former_status = h.rollout.status;
      const std::int32_t former_stage = CurrentStage(h.rollout);
      const auto effects = h.Try(RandomEvent(h, random));
      if (!effects.has_value()) continue;  // that nothing changed then is RolloutTable's to check
      ASSERT_NO_FATAL_FAILURE(ExpectInvariants(h.rollout));
      ASSERT_TRUE(MayFollow(former_status, h.rollout.status));
      ASSERT_GE(CurrentStage(h.rollout), former_stage);
      for (const std::string& device : RolloutHarness::Devices<GrantPermit>(*effects)) {
        ASSERT_TRUE(h.rollout.status == RolloutStatus::kRunning ||
                    h.rollout.status == RolloutStatus::kCompleted);
        ASSERT_TRUE(MayInstall(h.rollout, h.rollout.members.at(device)));
      }
    }
    ends.insert(h.rollout.status);

    Rollout replayed = CreateRollout("r-1", spec);
    std::vector<Effect> effects;
    for (const Event& event : h.events) {
      if (const auto step = Step(replayed, event))
        effects.insert(effects.end(), step->begin(), step->end());
    }
    ASSERT_EQ(replayed, h.rollout);
    ASSERT_EQ(effects, h.all);
  }
  EXPECT_GE(ends.size(), 4u) << "the random lives all end alike and prove little";
}

}  // namespace
}  // namespace sluice
