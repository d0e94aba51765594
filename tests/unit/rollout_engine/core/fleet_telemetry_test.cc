#include "rollout_engine/core/fleet_telemetry.h"

#include <gtest/gtest.h>

#include <map>

#include "common/base/random.h"
#include "rollout_engine/core/look_numbers.h"

namespace sluice {
namespace {

Counters AnyCounters(Random& random) {
  const auto any = [&] { return random.Next() >> random.Below(64); };
  return {any(), any(), any(), any(), any(), any()};
}

DeviceTotals AnyTotals(Random& random) {
  DeviceTotals totals;
  const auto time = [&] {
    return BootMs{static_cast<std::int64_t>(random.Next() >> random.Below(63))};
  };
  const auto release = [&] { return random.Below(3) == 0 ? random.Next() : random.Below(4); };
  for (std::uint64_t i = random.Below(kSegmentsMax + 1); i > 0; --i) {
    totals.segments.push_back({release(), static_cast<std::uint32_t>(random.Next()),
                               static_cast<std::uint16_t>(random.Next()),
                               static_cast<std::uint32_t>(random.Next()), AnyCounters(random)});
  }
  for (std::uint64_t i = random.Below(kReleasesMax + 1); i > 0; --i)
    totals.folded[release()] = AnyCounters(random);
  for (std::uint64_t i = random.Below(kMarksMax + 1); i > 0; --i)
    totals.marks.push_back({time(), release(), AnyCounters(random)});
  if (random.Below(2) == 0) {
    totals.window = {.release_id = release(),
                     .started = time(),
                     .epoch_started = time(),
                     .at_start = AnyCounters(random),
                     .at_epoch_start = AnyCounters(random)};
  }
  if (random.Below(2) == 0) totals.pre = AnyCounters(random).Ratios();
  if (random.Below(8) == 0) totals.pre = {{{0.1, 1e300}, {-1, 2}, {3, 4}}};
  totals.rss_kb = static_cast<std::uint32_t>(random.Next());
  totals.rss_kb_before = static_cast<std::uint32_t>(random.Next());
  if (random.Below(4) != 0) totals.last_heard = time();
  totals.range_errors = random.Next();
  return totals;
}

TEST(FleetTelemetry, UnpacksWhateverItPacked) {
  for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
    SeededRandom random(seed);
    DeviceTotals totals = AnyTotals(random);
    const Bytes record = PackTotals(totals);
    EXPECT_EQ(UnpackTotals(record), totals) << "seed " << seed;
    totals.marks.clear();
    EXPECT_EQ(UnpackTotals(record, TotalsPart::kWithoutMarks), totals) << "seed " << seed;
  }
}

TEST(FleetTelemetry, TellsALookFromTheHeadOfARecordWhatTheWholeRecordSays) {
  int narrow = 0;
  for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    DeviceTotals totals = AnyTotals(random);
    if (random.Below(2) == 0) {  // as devices are: the window is part of the total
      totals.segments.assign(1, {1, 1, 1, 1, {}});
      totals.folded.clear();
      Counters& total = totals.segments[0].total;
      total = {random.Below(1U << 31), random.Below(70'000), random.Below(300),
               random.Below(20),       random.Below(5'000),  random.Below(3)};
      totals.window = {.release_id = 1,
                       .started = {},
                       .epoch_started = {},
                       .at_start = {},
                       .at_epoch_start = total};
      totals.pre.reset();
    }
    const Bytes bytes = PackTotals(totals);
    const RecordHead head(bytes);
    EXPECT_EQ(head.last_heard(), totals.last_heard);
    EXPECT_EQ(head.has_history(), totals.pre.has_value());
    EXPECT_EQ(head.runs_window(), totals.window && NewestRelease(totals) &&
                                      *NewestRelease(totals) == totals.window->release_id);
    if (head.is_wide()) continue;
    ++narrow;
    const LookNumbers numbers = head.Numbers();
    EXPECT_EQ(numbers.Cumulative(), WindowTotal(totals));
    EXPECT_EQ(numbers.Epoch(), EpochTotal(totals));
    EXPECT_EQ(numbers.CumulativeRatios(), WindowTotal(totals).Ratios());
    EXPECT_EQ(numbers.crashes(), WindowTotal(totals).crashes);
    EXPECT_EQ(numbers.History(), totals.pre.value_or(RatioCounts{}));
    EXPECT_EQ(numbers.rss_kb(), totals.rss_kb);
    EXPECT_EQ(numbers.rss_kb_before(), totals.rss_kb_before);
  }
  EXPECT_GT(narrow, 900);
  EXPECT_LT(narrow, 1'900);
}

TEST(FleetTelemetry, RefusesBytesThatAreNoRecord) {
  SeededRandom random(5);
  const Bytes record = PackTotals(AnyTotals(random));
  for (std::size_t size = 0; size < record.size(); ++size)
    EXPECT_FALSE(UnpackTotals(ByteView(record).first(size))) << size;
  Bytes longer = record;
  longer.push_back(0);
  EXPECT_FALSE(UnpackTotals(longer));
  EXPECT_FALSE(UnpackTotals(AsBytes(R"({"segments":[]})")));
  for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {  // no crash, whatever comes of it
    SeededRandom noise(seed);
    Bytes broken = record;
    broken[noise.Below(broken.size())] = static_cast<std::uint8_t>(noise.Next());
    (void)UnpackTotals(broken);
  }
}

TEST(FleetTelemetry, HoldsEveryDeviceAsAMapWould) {
  SeededRandom random(9);
  FleetTelemetry fleet;
  std::map<std::string, DeviceTotals> map;
  for (int i = 0; i < 5'000; ++i) {
    const std::string id = "dev-" + std::to_string(random.Below(1'500));
    const DeviceTotals totals = AnyTotals(random);
    fleet.Put(id, totals);
    map[id] = totals;
  }
  EXPECT_EQ(fleet.size(), map.size());
  for (const auto& [id, totals] : map) EXPECT_EQ(fleet.Get(id), totals) << id;
  std::size_t visited = 0;
  fleet.ForEach([&](std::string_view id, ByteView record) {
    ++visited;
    EXPECT_EQ(UnpackTotals(record), map.at(std::string(id)));
  });
  EXPECT_EQ(visited, map.size());
  EXPECT_FALSE(fleet.Contains("dev-9999"));
  EXPECT_EQ(fleet.Get(""), std::nullopt);
}

TEST(FleetTelemetry, ChangesOnlyWhenADeviceWasHeard) {
  SeededRandom random(3);
  FleetTelemetry fleet;
  DeviceTotals totals = AnyTotals(random);
  fleet.Put("a", totals);
  fleet.SetLastHeard("a", BootMs{-5});
  totals.last_heard = BootMs{-5};
  EXPECT_EQ(fleet.Get("a"), totals);
  EXPECT_EQ(fleet.LastHeard("a"), BootMs{-5});
  fleet.SetLastHeard("new", BootMs{77});
  EXPECT_EQ(fleet.LastHeard("new"), BootMs{77});
  EXPECT_EQ(fleet.LastHeard("absent"), DeviceTotals().last_heard);
}

}  // namespace
}  // namespace sluice
