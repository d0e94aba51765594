#include "common/mqtt/memory_broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "common/mqtt/memory_transport.h"
#include "tests/support/recording_events.h"

namespace sluice {
namespace {

using test_support::RecordingEvents;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<std::string> Payloads(const RecordingEvents& events) {
  std::vector<std::string> texts;
  for (const MqttMessage& message : events.Snapshot().messages) {
    texts.emplace_back(AsText(message.payload));
  }
  return texts;
}

struct Client {
  Client(MemoryBroker& broker, const std::string& client_id,
         std::vector<Subscription> subscriptions = {}, Will will = {})
      : transport(broker, client_id) {
    const Status started = transport.Start(std::move(will), std::move(subscriptions), events);
    EXPECT_TRUE(started.has_value());
    broker.Deliver();
  }
  std::uint64_t Publish(std::string_view topic, std::string_view text, Qos qos = Qos::k1,
                        bool retain = false) {
    const auto id = transport.Publish(topic, AsBytes(text), qos, retain);
    EXPECT_TRUE(id.has_value()) << id.error().Line();
    return id.value_or(0);
  }
  RecordingEvents events;
  MemoryTransport transport;
};

Will OfflineWill() {
  const ByteView text = AsBytes("offline");
  return {.topic = "presence", .payload = Bytes(text.begin(), text.end())};
}

TEST(MemoryBroker, DeliversOnlyWhenAsked) {
  MemoryBroker broker;
  Client sender(broker, "sender");
  Client receiver(broker, "receiver", {{"a/+", Qos::k1}});
  const std::uint64_t id = sender.Publish("a/b", "one");
  EXPECT_THAT(Payloads(receiver.events), IsEmpty());
  EXPECT_TRUE(sender.events.Snapshot().published.empty());
  broker.Deliver();
  EXPECT_THAT(Payloads(receiver.events), ElementsAre("one"));
  EXPECT_TRUE(sender.events.Snapshot().published.at(id));
}

TEST(MemoryBroker, SendsOneCopyWithTheLowerOfPublishedAndHighestGrantedQos) {
  MemoryBroker broker;
  Client sender(broker, "sender");
  Client receiver(broker, "receiver", {{"a/#", Qos::k0}, {"a/b", Qos::k1}});
  Client modest(broker, "modest", {{"a/b", Qos::k0}});
  sender.Publish("a/b", "one", Qos::k1);
  sender.Publish("a/b", "two", Qos::k0);
  broker.Deliver();
  const auto messages = receiver.events.Snapshot().messages;
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[0].qos, Qos::k1);
  EXPECT_EQ(messages[1].qos, Qos::k0);
  EXPECT_EQ(modest.events.Snapshot().messages.at(0).qos, Qos::k0);
}

TEST(MemoryBroker, ReportsConnectedBeforeTheRetainedMessages) {
  MemoryBroker broker;
  Client sender(broker, "sender");
  sender.Publish("state", "kept", Qos::k1, true);
  broker.Deliver();
  Client late(broker, "late", {{"state", Qos::k1}});
  const auto record = late.events.Snapshot();
  EXPECT_THAT(record.order, ElementsAre("connected", "message"));
  EXPECT_TRUE(record.messages.at(0).retained);
}

TEST(MemoryBroker, MarksARetainedMessageOnlyForThoseWhoComeLater) {
  MemoryBroker broker;
  Client sender(broker, "sender");
  Client present(broker, "present", {{"state", Qos::k1}});
  sender.Publish("state", "kept", Qos::k1, true);
  broker.Deliver();
  EXPECT_FALSE(present.events.Snapshot().messages.at(0).retained);
  EXPECT_TRUE(broker.Retained("state")->retained);
}

TEST(MemoryBroker, ForgetsARetainedMessageForAnEmptyOne) {
  MemoryBroker broker;
  Client sender(broker, "sender");
  sender.Publish("state", "kept", Qos::k1, true);
  sender.Publish("state", "", Qos::k1, true);
  broker.Deliver();
  EXPECT_EQ(broker.Retained("state"), std::nullopt);
}

TEST(MemoryBroker, PublishesTheWillWhenALinkIsCutAndNotAfterStop) {
  MemoryBroker broker;
  Client watcher(broker, "watcher", {{"presence", Qos::k1}});
  Client polite(broker, "polite", {}, OfflineWill());
  polite.transport.Stop();
  broker.Deliver();
  EXPECT_THAT(Payloads(watcher.events), IsEmpty());
  Client cut(broker, "cut", {}, OfflineWill());
  broker.CutLink("cut");
  broker.Deliver();
  EXPECT_THAT(Payloads(watcher.events), ElementsAre("offline"));
  EXPECT_EQ(AsText(broker.Retained("presence")->payload), "offline");
}

TEST(MemoryBroker, KeepsACutClientOutUntilTheLinkIsRestored) {
  MemoryBroker broker;
  Client client(broker, "client", {{"a", Qos::k1}});
  broker.CutLink("client");
  broker.DeliverUntil(1'000'000);
  EXPECT_FALSE(broker.IsConnected("client"));
  EXPECT_EQ(client.transport.Publish("a", {}, Qos::k0, false).error().code,
            ErrorCode::kNotConnected);
  broker.RestoreLink("client");
  broker.Deliver();
  EXPECT_EQ(client.events.Snapshot().connected, 2);
  client.Publish("a", "subscribed again");
  broker.Deliver();
  EXPECT_THAT(Payloads(client.events), ElementsAre("subscribed again"));
}

TEST(MemoryBroker, FailsWhatHadNoPubackWhenTheConnectionEnds) {
  MemoryBroker broker;
  Client client(broker, "client");
  const std::uint64_t id = client.Publish("a", "lost");
  broker.Kick("client");
  broker.Deliver();
  const auto record = client.events.Snapshot();
  EXPECT_FALSE(record.published.at(id));
  EXPECT_THAT(record.order, ElementsAre("connected", "published", "disconnected"));
}

TEST(MemoryBroker, BringsAKickedClientBackAfterTheReconnectDelay) {
  MemoryBroker broker({.reconnect_delay_ms = 250});
  Client client(broker, "client");
  broker.Kick("client");
  broker.DeliverUntil(249);
  EXPECT_FALSE(broker.IsConnected("client"));
  broker.DeliverUntil(250);
  EXPECT_TRUE(broker.IsConnected("client"));
}

TEST(MemoryBroker, LetsTheNewerConnectionTakeOverAClientId) {
  MemoryBroker broker;
  Client older(broker, "same", {}, OfflineWill());
  Client newer(broker, "same", {{"presence", Qos::k1}});
  EXPECT_EQ(older.events.Snapshot().disconnected.size(), 1U);
  EXPECT_EQ(newer.events.Snapshot().connected, 1);
  EXPECT_NE(broker.Retained("presence"), std::nullopt);
  // The older one comes back and takes over in its turn.
  broker.DeliverUntil(1'000);
  EXPECT_EQ(newer.events.Snapshot().disconnected.size(), 1U);
}

TEST(MemoryBroker, RestartForgetsConnectionsAndRetainedMessagesButSendsNoWills) {
  MemoryBroker broker;
  Client watcher(broker, "watcher", {{"#", Qos::k1}});
  Client client(broker, "client", {}, OfflineWill());
  client.Publish("state", "kept", Qos::k1, true);
  broker.Deliver();
  broker.Restart(/*keep_retained=*/true);
  EXPECT_NE(broker.Retained("state"), std::nullopt);
  broker.Restart(/*keep_retained=*/false);
  EXPECT_EQ(broker.Retained("state"), std::nullopt);
  broker.DeliverUntil(1'000);
  EXPECT_EQ(client.events.Snapshot().connected, 2);
  EXPECT_THAT(Payloads(watcher.events), ElementsAre("kept"));
}

TEST(MemoryBroker, DropsSilentlyWhatAQueueCannotHold) {
  MemoryBroker broker({.queue_messages_max = 2});
  Client sender(broker, "sender");
  Client receiver(broker, "receiver", {{"a", Qos::k1}});
  broker.SetFaultPolicy([](const Hop& hop) {
    return Fate{.delay_ms = hop.direction == Hop::Direction::kDown ? 10 : 0};
  });
  for (const char* text : {"one", "two", "three"}) sender.Publish("a", text);
  broker.DeliverUntil(10);
  EXPECT_THAT(Payloads(receiver.events), ElementsAre("one", "two"));
  EXPECT_EQ(broker.DroppedMessages(), 1U);
  sender.Publish("a", "four");
  broker.DeliverUntil(20);
  EXPECT_THAT(Payloads(receiver.events), ElementsAre("one", "two", "four"));
}

TEST(MemoryBroker, LosesAndDoublesMessagesAsTheFaultPolicySays) {
  MemoryBroker broker;
  Client sender(broker, "sender");
  Client receiver(broker, "receiver", {{"a", Qos::k1}});
  broker.SetFaultPolicy([](const Hop& hop) {
    if (hop.direction == Hop::Direction::kUp) return Fate{};
    return Fate{.copies = AsText(hop.message.payload) == "lost" ? 0 : 2};
  });
  sender.Publish("a", "lost");
  sender.Publish("a", "doubled");
  broker.Deliver();
  EXPECT_THAT(Payloads(receiver.events), ElementsAre("doubled", "doubled"));
}

TEST(MemoryBroker, TellsNoPubackForAMessageThatWasLostOnTheWayUp) {
  MemoryBroker broker;
  Client sender(broker, "sender");
  broker.SetFaultPolicy([](const Hop&) { return Fate{.copies = 0}; });
  const std::uint64_t id = sender.Publish("a", "lost");
  broker.Deliver();
  EXPECT_FALSE(sender.events.Snapshot().published.contains(id));
  broker.Kick("sender");
  broker.Deliver();
  EXPECT_FALSE(sender.events.Snapshot().published.at(id));
}

TEST(MemoryBroker, TellsOnePubackForADoubledPublish) {
  MemoryBroker broker;
  Client sender(broker, "sender");
  broker.SetFaultPolicy([](const Hop&) { return Fate{.copies = 2}; });
  sender.Publish("a", "doubled");
  broker.Deliver();
  EXPECT_THAT(sender.events.Snapshot().order, ElementsAre("connected", "published"));
}

TEST(MemoryBroker, KeepsTheOrderOfATopicUnderDelaysButNotAcrossTopics) {
  MemoryBroker broker;
  Client sender(broker, "sender");
  Client receiver(broker, "receiver", {{"#", Qos::k1}});
  broker.SetFaultPolicy([](const Hop& hop) {
    return Fate{.delay_ms = AsText(hop.message.payload) == "a1" ? 50 : 0};
  });
  sender.Publish("a", "a1");
  sender.Publish("a", "a2");
  sender.Publish("b", "b1");
  broker.DeliverUntil(200);
  EXPECT_THAT(Payloads(receiver.events), ElementsAre("b1", "a1", "a2"));
}

TEST(MemoryBroker, SaysWhenTheNextEventIsDue) {
  MemoryBroker broker;
  Client sender(broker, "sender");
  EXPECT_EQ(broker.NextDueMs(), std::nullopt);
  broker.SetFaultPolicy([](const Hop&) { return Fate{.delay_ms = 70}; });
  sender.Publish("a", "late");
  EXPECT_EQ(broker.NextDueMs(), 70);
}

TEST(MemoryBroker, PushesBackWhenTooMuchIsOutstanding) {
  MemoryBroker broker;
  Client sender(broker, "sender");
  const Bytes chunk(16 * 1024);
  int accepted = 0;
  while (sender.transport.Publish("a", chunk, Qos::k0, false).has_value()) ++accepted;
  EXPECT_EQ(accepted, 15);  // 256 KiB less topics and framing
  EXPECT_EQ(sender.transport.Publish("a", chunk, Qos::k0, false).error().code,
            ErrorCode::kBackpressure);
  broker.Deliver();
  EXPECT_TRUE(sender.transport.Publish("a", chunk, Qos::k0, false).has_value());
}

TEST(MemoryBroker, CountsTheBytesOfBothDirections) {
  MemoryBroker broker;
  Client client(broker, "client", {{"topic", Qos::k1}});
  client.Publish("topic", "payload");
  broker.Deliver();
  EXPECT_EQ(client.transport.Used().bytes_up, 5U + 7U + 8U);
  EXPECT_EQ(client.transport.Used().bytes_down, 5U + 7U + 8U);
  client.transport.Stop();
  EXPECT_EQ(client.transport.Used().bytes_up, 20U);
}

TEST(MemoryBroker, CallsNoEventAfterStopEvenFromInsideAnEvent) {
  MemoryBroker broker;
  Client client(broker, "client", {{"a", Qos::k1}});
  client.events.WhenConnected([&] { client.transport.Stop(); });
  client.Publish("a", "under way");
  broker.Kick("client");
  broker.DeliverUntil(10'000);
  EXPECT_EQ(client.events.Snapshot().order.back(), "connected");
  EXPECT_FALSE(broker.IsConnected("client"));
}

TEST(MemoryBroker, LetsAnEventPublish) {
  MemoryBroker broker;
  Client client(broker, "client", {{"a", Qos::k1}});
  client.events.WhenConnected([&] { client.Publish("a", "hello again"); });
  client.transport.Reconnect();
  broker.DeliverUntil(1'000);
  EXPECT_THAT(Payloads(client.events), ElementsAre("hello again"));
}

TEST(MemoryBroker, TakesPublishesOfManyThreadsWhileItDelivers) {
  MemoryBroker broker;
  Client receiver(broker, "receiver", {{"#", Qos::k1}});
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kMessages = 200;
  std::atomic<std::size_t> running = kThreads;
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&broker, &running, t] {
      RecordingEvents events;
      MemoryTransport transport(broker, "sender-" + std::to_string(t));
      EXPECT_TRUE(transport.Start({}, {}, events).has_value());
      EXPECT_TRUE(events.WaitForConnections(1));
      for (std::size_t i = 0; i < kMessages; ++i) {
        EXPECT_TRUE(transport.Publish("t", AsBytes("x"), Qos::k1, false).has_value());
      }
      EXPECT_TRUE(events.WaitFor([](const RecordingEvents::Record& record) {
        return record.published.size() == kMessages;
      }));
      --running;
    });
  }
  while (running > 0) {
    broker.Deliver();
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(receiver.events.Snapshot().messages.size(), kThreads * kMessages);
}

TEST(MemoryTransport, RefusesASecondStartAndABadFilter) {
  MemoryBroker broker;
  RecordingEvents events;
  MemoryTransport transport(broker, "client");
  EXPECT_EQ(transport.Publish("a", {}, Qos::k0, false).error().code, ErrorCode::kNotConnected);
  EXPECT_EQ(transport.Start({}, {{"a/#/b", Qos::k1}}, events).error().code, ErrorCode::kTopic);
  ASSERT_TRUE(transport.Start({}, {}, events).has_value());
  EXPECT_EQ(transport.Start({}, {}, events).error().code, ErrorCode::kState);
}

TEST(MemoryTransport, ChangesItsSubscriptionsWithoutANewConnection) {
  MemoryBroker broker;
  Client sender(broker, "sender");
  Client receiver(broker, "receiver", {{"old/+"}, {"kept"}});
  sender.Publish("new", "retained", Qos::k1, true);
  ASSERT_TRUE(receiver.transport.SetSubscriptions({{"kept"}, {"new"}}));
  broker.Deliver();
  sender.Publish("old/1", "gone");
  sender.Publish("kept", "kept");
  sender.Publish("new", "new");
  broker.Deliver();
  EXPECT_THAT(Payloads(receiver.events), ElementsAre("retained", "kept", "new"));
  EXPECT_EQ(receiver.events.Snapshot().connected, 1);
}

TEST(MemoryTransport, KeepsChangedSubscriptionsForTheNextConnection) {
  MemoryBroker broker;
  Client sender(broker, "sender");
  Client receiver(broker, "receiver", {{"old"}});
  broker.CutLink("receiver");
  broker.Deliver();
  ASSERT_TRUE(receiver.transport.SetSubscriptions({{"new"}}));
  broker.RestoreLink("receiver");
  broker.Deliver();
  sender.Publish("old", "gone");
  sender.Publish("new", "new");
  broker.Deliver();
  EXPECT_THAT(Payloads(receiver.events), ElementsAre("new"));
}

TEST(MemoryTransport, GoesOnWithoutAnOptionalFilterThatTheBrokerRefuses) {
  MemoryBroker broker;
  broker.RefuseFilter("secret");
  Client receiver(broker, "receiver", {{"a"}, {.filter = "secret", .required = false}});
  EXPECT_THAT(receiver.events.Snapshot().order, ElementsAre("connected", "refused"));
  EXPECT_THAT(receiver.events.Snapshot().refused, ElementsAre("secret"));
  EXPECT_TRUE(broker.IsConnected("receiver"));
}

TEST(MemoryTransport, HasNoConnectionWithoutARequiredFilter) {
  MemoryBroker broker;
  broker.RefuseFilter("secret");
  Client receiver(broker, "receiver", {{"secret"}});
  EXPECT_FALSE(broker.IsConnected("receiver"));
  EXPECT_THAT(receiver.events.Snapshot().order, ElementsAre("disconnected"));
  Client other(broker, "other", {{"a"}});
  ASSERT_TRUE(other.transport.SetSubscriptions({{"secret"}}));
  broker.Deliver();
  EXPECT_FALSE(broker.IsConnected("other"));
}

TEST(MemoryTransport, ChangesNoSubscriptionBeforeItsStartNorToABadFilter) {
  MemoryBroker broker;
  RecordingEvents events;
  MemoryTransport transport(broker, "client");
  EXPECT_EQ(transport.SetSubscriptions({{"a"}}).error().code, ErrorCode::kState);
  ASSERT_TRUE(transport.Start({}, {}, events).has_value());
  EXPECT_EQ(transport.SetSubscriptions({{"a/#/b"}}).error().code, ErrorCode::kTopic);
}

}  // namespace
}  // namespace sluice
