// The full product of statuses and events, against what Step really does.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>

#include "tests/unit/rollout_engine/core/rollout_harness.h"

namespace sluice {
namespace {

/// A rollout that has come to `status` by events, with devices in every state that this allows.
RolloutHarness InStatus(RolloutStatus status) {
  RolloutHarness h;
  if (status == RolloutStatus::kScheduled) return h;
  h.Start(Fleet(80));
  h.ActivateAll();
  h.Fire(TimerKind::kLook);
  switch (status) {
    case RolloutStatus::kHolding:
      h.Do(h.Judged(Decision::kHold, HoldCause::kConcentration));
      break;
    case RolloutStatus::kPaused:
      h.Do(PauseRequested{});
      break;
    case RolloutStatus::kAwaitingApproval:
      while (h.rollout.status == RolloutStatus::kRunning)
        h.Look(Decision::kHold, HoldCause::kNotShown);
      break;
    case RolloutStatus::kRollingBack:
      h.Do(RollBackRequested{});
      break;
    case RolloutStatus::kRolledBack:
      h.Do(RollBackRequested{});
      h.Fire(TimerKind::kRollBackDeadline);
      break;
    case RolloutStatus::kAborted:
      h.Do(AbortRequested{});
      break;
    case RolloutStatus::kCompleted:
      h.Do(PromoteRequested{});
      h.Do(PromoteRequested{});
      break;
    default:
      break;
  }
  EXPECT_EQ(h.rollout.status, status);
  return h;
}

/// One event of each kind that does something wherever it is accepted.
std::vector<EventBody> OneOfEach(const RolloutHarness& h) {
  const auto fleet = Fleet(2);
  LookJudged look;
  if (!h.rollout.runs.empty()) look = h.Judged(Decision::kRollBack);
  return {Started{.eligible = fleet, .release_ids = {{{"cam", 1}, {"gate", 1}}}},
          DeviceJoined{{"dev-new", "cam", 0.0, true}},
          DeviceLeft{"dev-0000"},
          DeviceReported{"dev-0000", ReportState::kReverted, "E_HEALTH"},
          PermitWanted{"dev-0078"},
          look,
          TimerFired{TimerKind::kLook},
          PauseRequested{},
          ResumeRequested{},
          PromoteRequested{},
          ApproveRequested{},
          AbortRequested{},
          RollBackRequested{}};
}

TEST(RolloutTable, StepRefusesIgnoresAndAcceptsAsTheTableSaysForEveryPair) {
  int pairs = 0;
  for (std::size_t s = 0; s < kRolloutStatusCount; ++s) {
    const auto status = static_cast<RolloutStatus>(s);
    for (std::size_t event = 0; event < kEventCount; ++event) {
      RolloutHarness h = InStatus(status);
      const EventBody body = OneOfEach(h)[event];
      ASSERT_EQ(body.index(), event);
      const Rollout before = h.rollout;
      const auto effects = h.Try(body);
      const std::string pair =
          std::string(EventName(event)) + " while " + std::string(RolloutStatusName(status));
      switch (LegalityOf(status, event)) {
        case Legality::kRefused:
          ASSERT_FALSE(effects.has_value()) << pair;
          EXPECT_TRUE(effects.error().code == ErrorCode::kState ||
                      effects.error().code == ErrorCode::kDenyListed);
          EXPECT_EQ(h.rollout, before) << pair;
          break;
        case Legality::kIgnored:
          ASSERT_TRUE(effects.has_value()) << pair;
          EXPECT_TRUE(effects->empty()) << pair;
          EXPECT_EQ(h.rollout, before) << pair;
          break;
        case Legality::kAccepted:
          EXPECT_TRUE(effects.has_value()) << pair << ": " << effects.error().Line();
          break;
      }
      ++pairs;
    }
  }
  EXPECT_EQ(pairs, 9 * 13);
}

TEST(RolloutTable, TheDocumentHoldsTheMachinesTable) {
  std::ifstream file(std::string(SLUICE_DOCS_DIR) + "/rollout_states.md");
  const std::string document{std::istreambuf_iterator<char>(file), {}};
  EXPECT_NE(document.find("\n\n" + PrintRolloutTable()), std::string::npos)
      << "docs/rollout_states.md must hold this table:\n"
      << PrintRolloutTable();
}

}  // namespace
}  // namespace sluice
