#include "broker_plugin/events.h"

#include <gtest/gtest.h>

#include "broker_plugin/limits.h"
#include "tests/unit/broker_plugin/recording_broker.h"

namespace sluice::plugin {
namespace {

struct EventsTest : testing::Test {
  EventsTest() { events.SetServer("hall-3"); }
  FakeClock clock;
  RecordingBroker broker;
  Events events{broker, clock, "b00t"};
};

TEST_F(EventsTest, SaysWhatHappenedToWhomAndWhy) {
  EXPECT_TRUE(events.Emit(EventType::kMalformed, "cam-1", "E_FB_RANGE"));
  ASSERT_EQ(broker.published.size(), 1U);
  EXPECT_EQ(broker.published[0].topic, "sluice/v1/server/hall-3/event");
  EXPECT_FALSE(broker.published[0].retain);
  EXPECT_EQ(broker.published[0].payload,
            R"({"server":"hall-3","boot":"b00t","seq":1,"type":"malformed","device":"cam-1",)"
            R"("why":"E_FB_RANGE","suppressed":0,"ts":1767226600000})");
}

TEST_F(EventsTest, ComesOncePerDeviceAndTypeInTenSeconds) {
  EXPECT_TRUE(events.Emit(EventType::kDenied, "cam-1", "topic"));
  clock.Advance(9'999);
  EXPECT_FALSE(events.Emit(EventType::kDenied, "cam-1", "topic"));
  EXPECT_TRUE(events.Emit(EventType::kRate, "cam-1", "messages"));
  EXPECT_TRUE(events.Emit(EventType::kDenied, "cam-2", "topic"));
  clock.Advance(1);
  EXPECT_TRUE(events.Emit(EventType::kDenied, "cam-1", "qos"));
  const auto published = broker.Take("/event");
  ASSERT_EQ(published.size(), 4U);
  EXPECT_EQ(published[3]["suppressed"], 1);
  EXPECT_EQ(published[3]["seq"], 4);
  EXPECT_EQ(events.suppressed(), 1U);
}

TEST_F(EventsTest, StaysBelowARateForAllDevicesTogether) {
  std::size_t emitted = 0;
  for (int i = 0; i < 5'000; ++i) {
    emitted += events.Emit(EventType::kDisconnect, "cam-" + std::to_string(i), "") ? 1 : 0;
  }
  EXPECT_EQ(emitted, limits::kEventsBurst);
}

TEST_F(EventsTest, RemembersABoundedNumberOfDevices) {
  std::size_t device = 0;
  std::size_t emitted = 0;
  const auto emit_for = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      emitted += events.Emit(EventType::kDenied, "x" + std::to_string(device++), "") ? 1 : 0;
      clock.Advance(5);  // the rate of all together lets each one pass
    }
  };
  emit_for(limits::kEventKeysMax + 100);
  // When there is no more room, those of more than ten seconds ago make it.
  EXPECT_EQ(emitted, limits::kEventKeysMax + 100);
}

TEST_F(EventsTest, ShowsAnyBytesOfANameAsText) {
  EXPECT_TRUE(events.Emit(EventType::kDenied, std::string("a\xff\"\n\0b", 6), ""));
  const auto published = broker.Take("/event");
  EXPECT_EQ(published[0]["device"], std::string("a\xEF\xBF\xBD\"\n\0b", 8));
  EXPECT_TRUE(events.Emit(EventType::kDenied, std::string(60'000, 'x'), ""));
  EXPECT_LT(broker.published[0].payload.size(), 300U);
}

TEST_F(EventsTest, SaysNothingBeforeItKnowsItsServer) {
  Events fresh(broker, clock, "b00t");
  EXPECT_FALSE(fresh.Emit(EventType::kFault, "", "early"));
  EXPECT_TRUE(broker.published.empty());
}

}  // namespace
}  // namespace sluice::plugin
