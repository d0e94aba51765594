#include "common/mqtt/publish_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/contract/limits.h"

namespace sluice {
namespace {

using ::testing::ElementsAre;

TEST(PublishWindow, RefusesBytesBeyondItsLimitUntilSomeAreReleased) {
  PublishWindow window;
  const auto first = window.Admit(Qos::k0, kOutstandingBytesMax - 10);
  ASSERT_TRUE(first.has_value());
  ASSERT_TRUE(window.Admit(Qos::k0, 10).has_value());
  const auto refused = window.Admit(Qos::k0, 1);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kBackpressure);
  EXPECT_EQ(window.Release(*first), Qos::k0);
  EXPECT_TRUE(window.Admit(Qos::k0, 1).has_value());
}

TEST(PublishWindow, RefusesMessagesBeyondItsLimit) {
  PublishWindow window;
  for (std::size_t i = 0; i < kOutstandingMessagesMax; ++i) {
    ASSERT_TRUE(window.Admit(Qos::k1, 1).has_value());
  }
  EXPECT_EQ(window.Admit(Qos::k1, 1).error().code, ErrorCode::kBackpressure);
}

TEST(PublishWindow, KeepsRoomForQos1BesideAFullQos0Account) {
  PublishWindow window;
  ASSERT_TRUE(window.Admit(Qos::k0, kOutstandingBytesMax).has_value());
  EXPECT_TRUE(window.Admit(Qos::k1, kOutstandingBytesMax).has_value());
}

TEST(PublishWindow, KnowsAMessageOnlyOnce) {
  PublishWindow window;
  const auto id = window.Admit(Qos::k1, 1);
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(window.Release(*id), Qos::k1);
  EXPECT_EQ(window.Release(*id), std::nullopt);
}

TEST(PublishWindow, LetsEarlierQos0MessagesGoWhoseEndWasNeverTold) {
  PublishWindow window;
  ASSERT_TRUE(window.Admit(Qos::k0, kOutstandingBytesMax - 10).has_value());  // never told of
  ASSERT_TRUE(window.Admit(Qos::k1, kOutstandingBytesMax).has_value());
  const auto told = window.Admit(Qos::k0, 10);
  EXPECT_EQ(window.Release(*told), Qos::k0);
  EXPECT_TRUE(window.Admit(Qos::k0, kOutstandingBytesMax).has_value());
  EXPECT_FALSE(window.Admit(Qos::k1, 1).has_value()) << "a PUBACK speaks for its message alone";
}

TEST(PublishWindow, NamesTheQos1MessagesThatALostConnectionTookAlong) {
  PublishWindow window;
  const auto first = window.Admit(Qos::k1, 1);
  ASSERT_TRUE(window.Admit(Qos::k0, kOutstandingBytesMax).has_value());
  const auto second = window.Admit(Qos::k1, 1);
  EXPECT_THAT(window.Abandon(), ElementsAre(*first, *second));
  EXPECT_EQ(window.Release(*first), std::nullopt);
  EXPECT_TRUE(window.Admit(Qos::k0, kOutstandingBytesMax).has_value());
}

TEST(CheckPublish, TakesExactly64KiB) {
  EXPECT_TRUE(CheckPublish("a", Bytes(limits::kMqttPayloadMax)).has_value());
  const Status refused = CheckPublish("a", Bytes(limits::kMqttPayloadMax + 1));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kTooBig);
}

TEST(CheckPublish, RefusesATopicWithWildcards) {
  EXPECT_EQ(CheckPublish("a/+", {}).error().code, ErrorCode::kTopic);
}

TEST(CheckSession, RefusesAMalformedFilterAndABadWill) {
  EXPECT_TRUE(CheckSession({}, {{"a/#", Qos::k1}}).has_value());
  EXPECT_EQ(CheckSession({}, {{"a/#/b", Qos::k1}}).error().code, ErrorCode::kTopic);
  EXPECT_EQ(CheckSession({.topic = "#", .payload = {}}, {}).error().code, ErrorCode::kTopic);
}

}  // namespace
}  // namespace sluice
