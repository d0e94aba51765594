#include <gmock/gmock.h>

#include <fstream>
#include <sstream>

#include "tests/unit/device_sdk/core/update_driver.h"

namespace sluice::device {
namespace {

using enum UpdateState;

/// A machine in the given state, by the way that leads there.
UpdateDriver DeviceIn(UpdateState state) {
  UpdateDriver device(3);
  switch (state) {
    case kIdle:
      break;
    case kChecking:
      EXPECT_TRUE(device.Feed(DirectiveReceived{{1}}));
      EXPECT_TRUE(device.Feed(Accepted(InstallOf(kV2, 1))));
      break;
    case kDownloading:
      device.DriveToDownloading();
      break;
    case kVerifying:
      device.DriveToDownloading();
      EXPECT_TRUE(device.Feed(PayloadWritten{}));
      break;
    case kValidating:
      device.DriveToDownloading();
      EXPECT_TRUE(device.Feed(PayloadWritten{}));
      EXPECT_TRUE(device.Feed(SlotVerified{}));
      break;
    case kReady:
      device.DriveToReady();
      break;
    case kActivating:
      device.DriveToReady();
      EXPECT_TRUE(device.Feed(ActivationAllowed{}));
      EXPECT_TRUE(device.Feed(ActivatingAcknowledged{}));
      break;
    case kTrial:
      device.DriveToTrial();
      break;
    case kReverting:
      device.DriveToTrial();
      EXPECT_TRUE(device.Feed(HealthBad{{ErrorCode::kHealth, "bad"}}));
      break;
    case kFault:
      device.update.record.slots[0].state =
          SlotState::kReady;  // never confirmed: nothing to go back to
      device.DriveToTrial();
      EXPECT_TRUE(device.Feed(HealthBad{{ErrorCode::kHealth, "bad"}}));
      break;
  }
  EXPECT_EQ(device.update.state(), state);
  device.Clear();
  return device;
}

Directive Word(DirectiveAction action, std::uint8_t release, std::uint64_t seq) {
  Directive directive = InstallOf(release, seq);
  directive.action = action;
  return directive;
}

const Error kSomeError{ErrorCode::kLoad, "some error"};
const Error kPlaceError{ErrorCode::kHookUnavailable, "not now"};

/// At least one event of every kind, several where the outcome depends on what it says.
std::vector<Event> Samples() {
  std::vector<Event> events = {
      Restarted{InstallOf(kV2, 1), ManifestFor(kV2), {}},
      DirectiveReceived{{1}},
      Accepted(Word(DirectiveAction::kInstall, kV2, 1)),
      Accepted(Word(DirectiveAction::kInstall, kV2, 2)),
      Accepted(Word(DirectiveAction::kInstall, kV3, 2)),
      Accepted(Word(DirectiveAction::kHold, kV1, 2)),
      Accepted(Word(DirectiveAction::kRevert, kV1, 2)),
      Accepted(Word(DirectiveAction::kRevert, kV2, 2)),
      DirectiveChecked{{1}, {}, std::nullopt, Error{ErrorCode::kSigBad, "x"}},
      DirectiveChecked{{1}, {}, InstallOf(kV3, 2), Error{ErrorCode::kExpired, "x"}},
      ManifestChecked{ManifestFor(kV2)},
      ManifestChecked{ManifestFor(kV1)},
      ManifestChecked{Fail(ErrorCode::kSigBad, "x")},
      PayloadWritten{},
      PayloadFailed{kSomeError},
      DownloadStopped{kSomeError},
      SlotVerified{},
      SlotVerified{Fail(ErrorCode::kArtifactHash, "x")},
      Validated{},
      Validated{{}, kSomeError},
      ActivationAllowed{},
      ActivatingAcknowledged{},
      ModelServing{ArtifactOf(kV1), {}},
      ModelServing{ArtifactOf(kV2), {}},
      ModelFailed{kSomeError},
      ModelFailed{kPlaceError},
      Validated{{}, kPlaceError},
      TrialCheckpoint{1000, true},
      TrialOver{true},
      TrialOver{false},
      HealthBad{kSomeError},
      RevertOrdered{"by hand"},
      EngineSeen{9, limits::kHour * 500, {9, 1}},
      RootReplaced{{1}, 2, false, 5, std::nullopt},
      RootReplaced{{1}, 2, true, 5, 0u},
      TimerFired{Timer::kActivatingAck},
      TimerFired{Timer::kStoreRetry},
      TimerFired{Timer::kServeRetry},
      Persisted{true},
      Persisted{false},
  };
  for (const OrderAction action :
       {OrderAction::kHold, OrderAction::kAbort, OrderAction::kRollBack}) {
    events.push_back(OrderReceived{OrderOf(1, "r2", action), DigestOf(9), {}});
  }
  return events;
}

TEST(UpdateTable, AgreesWithTheMachineOnTheWholeProduct) {
  for (int s = 0; s < kUpdateStateCount; ++s) {
    const auto state = static_cast<UpdateState>(s);
    for (const Event& event : Samples()) {
      if (KindOf(event) == EventKind::kPersisted) continue;  // has its own test
      for (const bool disk_works : {true, false}) {
        UpdateDriver device = DeviceIn(state);
        device.disk_works = disk_works;
        const Status fed = device.Feed(event);
        const std::string pair =
            std::string(UpdateStateName(state)) + " x " + std::string(EventKindName(KindOf(event)));
        const Transition* row = FindTransition(state, KindOf(event));
        if (row == nullptr) {
          ASSERT_FALSE(fed) << pair;
          EXPECT_EQ(fed.error().code, ErrorCode::kState) << pair;
          EXPECT_EQ(device.update.state(), state) << pair;
          EXPECT_TRUE(device.out.empty() && device.writes.empty()) << pair;
          continue;
        }
        const bool stays_on_disk_fault = !disk_works && !device.writes.empty();
        const StateSet next = stays_on_disk_fault || !fed
                                  ? static_cast<StateSet>(In(state) | In(kReverting))
                                  : row->next;
        EXPECT_NE(next & In(device.update.state()), 0)
            << pair << " went to " << UpdateStateName(device.update.state());
      }
    }
  }
}

TEST(UpdateTable, EveryKindOfEventHasASampleAndARow) {
  std::array<bool, kEventKindCount> sampled{};
  for (const Event& event : Samples()) sampled[event.index()] = true;
  for (int kind = 0; kind < kEventKindCount; ++kind) {
    EXPECT_TRUE(sampled[static_cast<std::size_t>(kind)])
        << EventKindName(static_cast<EventKind>(kind));
    bool has_row = false;
    for (const Transition& row : table::kTransitions)
      has_row |= row.event == static_cast<EventKind>(kind);
    EXPECT_TRUE(has_row) << EventKindName(static_cast<EventKind>(kind));
  }
}

TEST(UpdateTable, TakesPersistedOnlyAfterPersist) {
  for (int s = 0; s < kUpdateStateCount; ++s) {
    UpdateDriver device = DeviceIn(static_cast<UpdateState>(s));
    const auto effects = Step(device.update, Persisted{true});
    ASSERT_FALSE(effects);
    EXPECT_EQ(effects.error().code, ErrorCode::kState);
  }
}

TEST(UpdateTable, HasOneRowForEachPair) {
  for (int s = 0; s < kUpdateStateCount; ++s) {
    for (int kind = 0; kind < kEventKindCount; ++kind) {
      int rows = 0;
      for (const Transition& row : table::kTransitions) {
        rows += row.event == static_cast<EventKind>(kind) &&
                (row.from & In(static_cast<UpdateState>(s))) != 0;
      }
      EXPECT_LE(rows, 1) << s << " x " << EventKindName(static_cast<EventKind>(kind));
    }
  }
}

TEST(UpdateTable, IsPrintedInTheDocs) {
  std::ifstream file(std::string(SLUICE_DOCS_DIR) + "/device_states.md");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_THAT(text.str(), testing::HasSubstr(TransitionsAsMarkdown()))
      << "docs/device_states.md must hold this table:\n"
      << TransitionsAsMarkdown();
}

}  // namespace
}  // namespace sluice::device
