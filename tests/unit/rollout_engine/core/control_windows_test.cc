#include "rollout_engine/core/control_windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace sluice {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ControlWindows, AllBeginWithTheFirstTestDevice) {
  EXPECT_THAT(ControlsToRestart(4, 1, 9), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(ControlsToRestart(0, 1, 9), IsEmpty());
}

TEST(ControlWindows, AreTheSameForTheSameSeedAndNeverNameADeviceTwice) {
  for (std::int64_t exposed = 2; exposed < 200; ++exposed) {
    const auto places = ControlsToRestart(500, exposed, 77);
    EXPECT_EQ(places, ControlsToRestart(500, exposed, 77));
    EXPECT_TRUE(std::ranges::is_sorted(places));
    EXPECT_EQ(std::ranges::adjacent_find(places), places.end());
    for (const std::size_t place : places) EXPECT_LT(place, 500u);
  }
}

TEST(ControlWindows, EndSpreadEvenlyOverAllExposures) {
  constexpr std::size_t kControls = 20'000;
  constexpr std::int64_t kExposed = 100;
  std::vector<std::int64_t> began_with(kControls, 0);
  for (std::int64_t exposed = 1; exposed <= kExposed; ++exposed) {
    for (const std::size_t place :
         ControlsToRestart(kControls, exposed, static_cast<std::uint64_t>(exposed) * 1'000'003))
      began_with[place] = exposed;
  }
  for (std::int64_t decile = 0; decile < 10; ++decile) {
    const auto in_decile = std::ranges::count_if(
        began_with, [decile](std::int64_t exposed) { return (exposed - 1) / 10 == decile; });
    EXPECT_NEAR(static_cast<double>(in_decile), kControls / 10.0, 250) << decile;  // six sigmas
  }
}

}  // namespace
}  // namespace sluice
