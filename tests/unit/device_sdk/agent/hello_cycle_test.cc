#include "device_sdk/agent/hello_cycle.h"

#include <gtest/gtest.h>

namespace sluice::device {
namespace {

using Action = HelloCycle::Action;

class HelloCycleTest : public testing::Test {
 protected:
  Action Poll(std::int64_t now_ms) { return cycle_.Poll({now_ms}, random_); }
  HelloCycle cycle_;
  SeededRandom random_{1};
};

TEST_F(HelloCycleTest, BeginsAConnectionWithAHello) {
  EXPECT_EQ(Poll(0), Action::kNone);
  cycle_.Want({0});
  EXPECT_EQ(Poll(0), Action::kNone) << "there is no connection";
  cycle_.OnConnected({10});
  EXPECT_EQ(Poll(10), Action::kSayHello);
  cycle_.OnHelloSaid({10});
  EXPECT_EQ(Poll(11), Action::kNone);
}

TEST_F(HelloCycleTest, MakesANewConnectionAtEachThirdSilence) {
  cycle_.OnConnected({0});
  int hellos = 0;
  bool reconnects = false;
  for (std::int64_t now = 0; now < 20 * limits::kMinute && !reconnects; now += 100) {
    const Action action = Poll(now);
    reconnects = action == Action::kReconnect;
    if (action != Action::kSayHello) continue;
    ++hellos;
    cycle_.OnHelloSaid({now});
  }
  EXPECT_TRUE(reconnects);
  EXPECT_EQ(hellos, kUnansweredPerConnection);
}

TEST_F(HelloCycleTest, IsQuietOnceAnswered) {
  cycle_.OnConnected({0});
  cycle_.OnHelloSaid({0});
  cycle_.OnAnswer({100});
  EXPECT_FALSE(cycle_.NextDeadline());
  EXPECT_EQ(Poll(limits::kHour), Action::kNone);
}

TEST_F(HelloCycleTest, RepeatsWhatAnEngineDidNotHearThatWasAwayAndOnlyThat) {
  cycle_.OnConnected({0});
  cycle_.OnHelloSaid({0});
  cycle_.OnEngineBack({2'000});
  EXPECT_EQ(Poll(1'999), Action::kNone);
  EXPECT_EQ(cycle_.NextDeadline()->ms, 2'000);
  EXPECT_EQ(Poll(2'000), Action::kSayHello);
  cycle_.OnHelloSaid({2'000});
  cycle_.OnEngineBack({4'000});
  cycle_.OnAnswer({3'000});
  cycle_.OnEngineBack({5'000});
  EXPECT_EQ(Poll(limits::kHour), Action::kNone) << "it was answered";
}

TEST_F(HelloCycleTest, KeepsAGapBetweenHellosWhateverAsksForThem) {
  cycle_.OnConnected({0});
  cycle_.OnHelloSaid({0});
  cycle_.OnAnswer({1});
  cycle_.Want({2});
  EXPECT_EQ(Poll(kHelloGapMs - 1), Action::kNone);
  EXPECT_EQ(Poll(kHelloGapMs), Action::kSayHello);
}

TEST_F(HelloCycleTest, DoesNotHurryAHelloThatIsUnderWayForALastingNeed) {
  cycle_.OnConnected({0});
  cycle_.OnHelloSaid({0});
  cycle_.WantOnce({1'000});
  EXPECT_EQ(Poll(2'000), Action::kNone) << "one is unanswered";
  cycle_.OnAnswer({3'000});
  cycle_.Want({60'000});
  cycle_.WantOnce({4'000});
  EXPECT_EQ(Poll(5'000), Action::kNone) << "one is due later";
  EXPECT_EQ(Poll(60'000), Action::kSayHello);
  cycle_.OnHelloSaid({60'000});
  cycle_.OnAnswer({60'100});
  cycle_.WantOnce({61'000});
  EXPECT_EQ(Poll(61'000), Action::kSayHello);
}

TEST_F(HelloCycleTest, TrustsAnAnswerForADay) {
  EXPECT_FALSE(cycle_.HasFreshAnswer({0}));
  cycle_.OnConnected({0});
  cycle_.OnAnswer({0});
  EXPECT_TRUE(cycle_.HasFreshAnswer({limits::kFreshnessLife - 1}));
  EXPECT_FALSE(cycle_.HasFreshAnswer({limits::kFreshnessLife}));
}

}  // namespace
}  // namespace sluice::device
