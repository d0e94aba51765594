#include "broker_plugin/lease.h"

#include <gtest/gtest.h>

#include "tests/unit/broker_plugin/recording_broker.h"

namespace sluice::plugin {
namespace {

struct LeaseTest : testing::Test {
  LeaseTest() { lease.SetServer("hall-3"); }
  FakeClock clock;
  RecordingBroker broker;
  Lease lease{broker, clock, "b00t"};
  ServingStatus serving{true, 524'288, 65'280, 1'000, 2'000};
};

TEST_F(LeaseTest, IsARetainedWordOfAllThatTheEngineNeeds) {
  lease.OnTick(clock.Boot(), serving, 3, 17);
  ASSERT_EQ(broker.published.size(), 1U);
  EXPECT_EQ(broker.published[0].topic, "sluice/v1/server/hall-3/lease");
  EXPECT_TRUE(broker.published[0].retain);
  EXPECT_EQ(broker.published[0].qos, 1);
  EXPECT_EQ(broker.published[0].payload,
            R"({"server":"hall-3","boot":"b00t","seq":1,"serving":true,"max_window_bytes":524288,)"
            R"("chunk_bytes_max":65280,"jobs":3,"bytes_per_s":1000,"policy_seq":17,)"
            R"("ts":1767226600000})");
}

TEST_F(LeaseTest, IsRenewedEveryFiveSeconds) {
  for (int i = 0; i < 20; ++i) {
    lease.OnTick(clock.Boot(), serving, 0, 0);
    clock.Advance(1'000);
  }
  EXPECT_EQ(broker.published.size(), 4U);
  EXPECT_EQ(broker.Take("/lease")[3]["seq"], 4);
}

TEST_F(LeaseTest, IsTakenBackAtOnce) {
  lease.OnTick(clock.Boot(), serving, 0, 0);
  clock.Advance(1);
  lease.OnTick(clock.Boot(), {}, 0, 0);
  const auto leases = broker.Take("/lease");
  ASSERT_EQ(leases.size(), 2U);
  EXPECT_EQ(leases[1]["serving"], false);
}

}  // namespace
}  // namespace sluice::plugin
