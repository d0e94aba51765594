#include "rollout_engine/core/cohort.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/base/random.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

/// Devices named in the order of their units.
class Devices {
 public:
  explicit Devices(int count) {
    for (int i = 0; i < count; ++i) names_.push_back("d" + std::to_string(1'000'000 + i));
    for (int i = 0; i < count; ++i)
      ranked_.push_back({names_[static_cast<std::size_t>(i)], (i + 0.5) / count});
  }
  [[nodiscard]] const std::vector<RankedDevice>& ranked() const { return ranked_; }
  [[nodiscard]] std::size_t TakenBy(const CutOff& cut_off) const {
    std::size_t taken = 0;
    for (const RankedDevice& device : ranked_) taken += cut_off.Takes(device) ? 1 : 0;
    return taken;
  }

 private:
  std::vector<std::string> names_;
  std::vector<RankedDevice> ranked_;
};

struct SizeRow {
  MilliPercent target;
  std::size_t count;
  std::size_t size;
};

TEST(Cohort, SizeIsTheCeilingInExactArithmetic) {
  const std::vector<SizeRow> rows = {{5'000, 80, 4},    {5'000, 81, 5},
                                     {5'000, 1, 1},     {5'000, 0, 0},
                                     {100, 1'000, 1},   {100, 1'001, 2},
                                     {33'333, 3, 1},    {33'334, 3, 2},
                                     {1, 100'000, 1},   {1, 100'001, 2},
                                     {100'000, 7, 7},   {29'000, 100, 29},
                                     {57'000, 100, 57}, {25'000, 4'000'000'000, 1'000'000'000}};
  for (const SizeRow& row : rows)
    EXPECT_EQ(CohortSize(row.target, row.count), row.size) << row.target << " of " << row.count;
}

TEST(Cohort, CutOffTakesExactlyTheSmallestUnits) {
  const Devices devices(80);
  EXPECT_EQ(devices.TakenBy(ChooseCutOff(devices.ranked(), 5'000, 0)), 4u);
  EXPECT_EQ(devices.TakenBy(ChooseCutOff(devices.ranked(), 1, 0)), 1u);
  EXPECT_EQ(devices.TakenBy(ChooseCutOff({}, 5'000, 0)), 0u);
}

TEST(Cohort, TiesOfTheUnitGoByDeviceId) {
  const CutOff cut_off = ChooseCutOff({{"b", 0.5}, {"a", 0.5}, {"c", 0.5}}, 50'000, 0);
  EXPECT_EQ(cut_off, (CutOff{0.5, "b"}));
  EXPECT_TRUE(cut_off.Takes({"a", 0.5}));
  EXPECT_FALSE(cut_off.Takes({"c", 0.5}));
}

TEST(Cohort, EverybodyMeansLaterJoinersToo) {
  const CutOff cut_off = ChooseCutOff({{"a", 0.5}}, kAllMilliPercent, 0);
  EXPECT_TRUE(cut_off.Takes({"zzz", 0.999999}));
  EXPECT_FALSE(ChooseCutOff({{"a", 0.5}}, 99'999, 0).Takes({"zzz", 0.999999}));
}

TEST(Cohort, HoldbackKeepsTheLargestUnitsOutOfEveryStage) {
  const Devices devices(80);
  EXPECT_EQ(devices.TakenBy(ChooseCutOff(devices.ranked(), kAllMilliPercent, 10'000)), 72u);
  EXPECT_EQ(devices.TakenBy(ChooseCutOff(devices.ranked(), kAllMilliPercent, 1'000)),
            80u);  // floor(0.8) = 0
  EXPECT_EQ(devices.TakenBy(ChooseCutOff(devices.ranked(), 95'000, 10'000)), 72u);
}

TEST(Cohort, StagesAreNestedForAnyFleet) {
  SeededRandom random(7);
  for (int round = 0; round < 200; ++round) {
    const Devices devices(1 + static_cast<int>(random.Below(300)));
    const auto small = static_cast<MilliPercent>(1 + random.Below(50'000));
    const auto large =
        static_cast<MilliPercent>(static_cast<std::uint64_t>(small) + random.Below(50'000));
    const CutOff inner = ChooseCutOff(devices.ranked(), small, 0);
    const CutOff outer = ChooseCutOff(devices.ranked(), large, 0);
    EXPECT_TRUE(outer.Takes({inner.id, inner.unit}) || outer == inner);
    EXPECT_EQ(devices.TakenBy(inner), CohortSize(small, devices.ranked().size()));
  }
}

TEST(Cohort, ControlIsEverybodyBeyondTheCutOffWhileTheyFit) {
  EXPECT_THAT(ChooseControl({{"cam", {{"b", 0.9}, {"a", 0.8}}}, {"gate", {{"c", 0.7}}}}),
              ElementsAre("a", "b", "c"));
  EXPECT_THAT(ChooseControl({}), IsEmpty());
}

TEST(Cohort, ControlIsSharedOutInProportionAndTakesTheNextSmallestUnits) {
  const Devices cams(300);
  const Devices gates(100);
  const auto chosen = ChooseControl(
      {{"cam", cams.ranked()}, {"gate", {{"g1", 0.1}, {"g2", 0.2}, {"g3", 0.3}}}}, 101);
  EXPECT_THAT(chosen, SizeIs(100 + 1));
  EXPECT_EQ(chosen.front(), "d1000000");
  EXPECT_EQ(chosen[99], "d1000099");
  EXPECT_EQ(chosen.back(), "g1");
}

}  // namespace
}  // namespace sluice
