// PahoTransport against a real Mosquitto.
#include "common/mqtt/paho_transport.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "common/contract/limits.h"
#include "tests/support/mosquitto_broker.h"
#include "tests/support/recording_events.h"

// Paho C 1.3.12 now and then forgets a QoS 1 message that is half written when its connection ends.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libpaho-mqtt3as.so\n"; }

namespace sluice {
namespace {

using test_support::FreePort;
using test_support::MosquittoBroker;
using test_support::RecordingEvents;

constexpr ReconnectDelays kQuickDelays{.first_ms = 5, .max_ms = 50};

PahoOptions Options(const std::string& url, const std::string& client_id) {
  PahoOptions options;
  options.broker_url = url;
  options.client_id = client_id;
  options.reconnect = kQuickDelays;
  return options;
}

/// A transport and the record of its events. It connects in the background: clients that are made
/// together connect together, while one that comes after waits up to two seconds for Paho's thread
/// to look at its socket.
struct Client {
  Client(const std::string& url, const std::string& client_id,
         std::vector<Subscription> subscriptions = {}, Will will = {})
      : Client(Options(url, client_id), std::move(subscriptions), std::move(will)) {}
  explicit Client(PahoOptions options, std::vector<Subscription> subscriptions = {}, Will will = {})
      : transport(std::move(options), std::make_unique<SeededRandom>(1)) {
    const Status started = transport.Start(std::move(will), std::move(subscriptions), events);
    EXPECT_TRUE(started.has_value()) << started.error().Line();
  }
  bool Connected() { return events.WaitForConnections(1); }
  Result<std::uint64_t> Publish(std::string_view topic, std::string_view text, Qos qos = Qos::k1,
                                bool retain = false) {
    return transport.Publish(topic, AsBytes(text), qos, retain);
  }
  /// Tries until the transport takes it; each refusal must be back-pressure.
  bool PublishPaced(std::string_view topic, ByteView payload, Qos qos) {
    const auto deadline = std::chrono::steady_clock::now() + test_support::kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
      const auto sent = transport.Publish(topic, payload, qos, false);
      if (sent.has_value()) return true;
      EXPECT_EQ(sent.error().code, ErrorCode::kBackpressure) << sent.error().Line();
      if (sent.error().code != ErrorCode::kBackpressure) return false;
      std::this_thread::yield();
    }
    return false;
  }
  RecordingEvents events;  // outlives the transport
  PahoTransport transport;
};

Will OfflineWill() {
  const ByteView text = AsBytes("offline");
  return {.topic = "presence", .payload = Bytes(text.begin(), text.end())};
}

class PahoTransportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto started = MosquittoBroker::Start();
    ASSERT_TRUE(started.has_value()) << started.error().Line();
    broker_ = std::move(*started);
  }
  std::unique_ptr<MosquittoBroker> broker_;
};

TEST_F(PahoTransportTest, DeliversBothQosAndReportsThePuback) {
  Client receiver(broker_->Url(), "receiver", {{"a/+", Qos::k1}});
  Client sender(broker_->Url(), "sender");
  ASSERT_TRUE(receiver.Connected() && sender.Connected());
  ASSERT_TRUE(sender.Publish("a/b", "zero", Qos::k0).has_value());
  const auto id = sender.Publish("a/b", "one", Qos::k1);
  ASSERT_TRUE(id.has_value());
  ASSERT_TRUE(receiver.events.WaitForMessages(2));
  const auto messages = receiver.events.Snapshot().messages;
  EXPECT_EQ(messages[0].topic, "a/b");
  EXPECT_EQ(AsText(messages[0].payload), "zero");
  EXPECT_EQ(messages[0].qos, Qos::k0);
  EXPECT_EQ(messages[1].qos, Qos::k1);
  EXPECT_TRUE(sender.events.WaitFor(
      [&](const RecordingEvents::Record& record) { return record.published.contains(*id); }));
  EXPECT_TRUE(sender.events.Snapshot().published.at(*id));
}

TEST_F(PahoTransportTest, DeliversAnEmptyPayload) {
  Client client(broker_->Url(), "client", {{"a", Qos::k1}});
  ASSERT_TRUE(client.Connected());
  ASSERT_TRUE(client.Publish("a", "").has_value());
  ASSERT_TRUE(client.events.WaitForMessages(1));
  EXPECT_TRUE(client.events.Snapshot().messages[0].payload.empty());
}

TEST_F(PahoTransportTest, ReportsConnectedOnceEverySubscriptionStandsAndBeforeRetainedMessages) {
  Client sender(broker_->Url(), "sender");
  ASSERT_TRUE(sender.Connected());
  const auto id = sender.Publish("state", "kept", Qos::k1, true);
  ASSERT_TRUE(sender.events.WaitFor(
      [&](const RecordingEvents::Record& record) { return record.published.contains(*id); }));
  Client late(broker_->Url(), "late", {{"state", Qos::k1}, {"other", Qos::k0}});
  ASSERT_TRUE(late.events.WaitForMessages(1));
  EXPECT_THAT(late.events.Snapshot().order, ::testing::ElementsAre("connected", "message"));
  EXPECT_TRUE(late.events.Snapshot().messages[0].retained);
  ASSERT_TRUE(sender.Publish("other", "at once", Qos::k1).has_value());
  EXPECT_TRUE(late.events.WaitForMessages(2));
}

TEST_F(PahoTransportTest, LeavesItsWillWhenTheBrokerEndsTheConnectionButNotAtStop) {
  PahoOptions slow_to_return = Options(broker_->Url(), "same");
  slow_to_return.reconnect = {.first_ms = 300'000, .max_ms = 300'000};
  Client watcher(broker_->Url(), "watcher", {{"presence", Qos::k1}, {"end", Qos::k1}});
  Client polite(broker_->Url(), "polite", {}, OfflineWill());
  Client ended(slow_to_return, {}, OfflineWill());
  ASSERT_TRUE(watcher.Connected() && polite.Connected() && ended.Connected());
  polite.transport.Stop();
  Client newer(broker_->Url(), "same");  // takes over the client id
  EXPECT_TRUE(ended.events.WaitForDisconnections(1));
  ASSERT_TRUE(watcher.Publish("end", "end").has_value());
  ASSERT_TRUE(watcher.events.WaitForMessages(2));
  const auto messages = watcher.events.Snapshot().messages;
  EXPECT_EQ(AsText(messages[0].payload), "offline");
  EXPECT_EQ(messages[1].topic, "end");
}

TEST_F(PahoTransportTest, SendsWhatItTookBeforeStop) {
  Client watcher(broker_->Url(), "watcher", {{"presence", Qos::k1}});
  Client client(broker_->Url(), "client");
  ASSERT_TRUE(watcher.Connected() && client.Connected());
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(
        client.Publish("presence", "last words", i % 2 == 0 ? Qos::k0 : Qos::k1).has_value());
  }
  client.transport.Stop();
  EXPECT_TRUE(watcher.events.WaitForMessages(100));
}

TEST_F(PahoTransportTest, SubscribesAgainAfterABrokerRestart) {
  Client client(broker_->Url(), "client", {{"a", Qos::k1}});
  ASSERT_TRUE(client.Connected());
  ASSERT_TRUE(broker_->Restart().has_value());
  ASSERT_TRUE(client.events.WaitForConnections(2));
  EXPECT_GE(client.events.Snapshot().disconnected.size(), 1U);
  ASSERT_TRUE(client.Publish("a", "after").has_value());
  EXPECT_TRUE(client.events.WaitForMessages(1));
}

TEST_F(PahoTransportTest, FailsWhatHasNoPubackWhenTheBrokerDies) {
  Client client(broker_->Url(), "client");
  ASSERT_TRUE(client.Connected());
  ASSERT_EQ(kill(broker_->pid(), SIGSTOP), 0);
  const auto id = client.Publish("a", "never acknowledged");
  ASSERT_TRUE(id.has_value());
  ASSERT_EQ(kill(broker_->pid(), SIGKILL), 0);
  ASSERT_TRUE(client.events.WaitForDisconnections(1));
  EXPECT_FALSE(client.events.Snapshot().published.at(*id));
  const auto refused = client.Publish("a", "later");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kNotConnected);
}

TEST_F(PahoTransportTest, MakesANewConnectionWhenAskedTo) {
  Client watcher(broker_->Url(), "watcher", {{"presence", Qos::k1}});
  Client client(broker_->Url(), "client", {{"a", Qos::k1}}, OfflineWill());
  ASSERT_TRUE(watcher.Connected() && client.Connected());
  client.transport.Reconnect();
  ASSERT_TRUE(client.events.WaitForConnections(2));
  ASSERT_TRUE(client.Publish("a", "after").has_value());
  EXPECT_TRUE(client.events.WaitForMessages(1));
  EXPECT_TRUE(watcher.events.Snapshot().messages.empty()) << "it said goodbye, so no will";
}

TEST_F(PahoTransportTest, ChangesItsSubscriptionsOnTheSameConnection) {
  Client client(broker_->Url(), "client", {{"old/+"}, {"kept"}});
  Client sender(broker_->Url(), "sender");
  ASSERT_TRUE(client.Connected() && sender.Connected());
  ASSERT_TRUE(sender.Publish("new", "retained", Qos::k1, true));
  ASSERT_TRUE(client.transport.SetSubscriptions({{"kept"}, {"new"}}));
  // What is retained shows that the broker has taken the change.
  ASSERT_TRUE(client.events.WaitForMessages(1));
  ASSERT_TRUE(sender.Publish("old/1", "gone"));
  ASSERT_TRUE(sender.Publish("kept", "kept"));
  ASSERT_TRUE(client.events.WaitForMessages(2));
  const auto record = client.events.Snapshot();
  EXPECT_EQ(AsText(record.messages[0].payload), "retained");
  EXPECT_EQ(AsText(record.messages[1].payload), "kept");
  EXPECT_EQ(record.connected, 1);
  EXPECT_TRUE(record.disconnected.empty());
}

TEST_F(PahoTransportTest, KeepsChangedSubscriptionsAfterABrokerRestart) {
  Client client(broker_->Url(), "client", {{"old"}});
  ASSERT_TRUE(client.Connected());
  broker_->Stop();
  ASSERT_TRUE(client.events.WaitForDisconnections(1));
  ASSERT_TRUE(client.transport.SetSubscriptions({{"new"}}));
  ASSERT_TRUE(broker_->Restart().has_value());
  ASSERT_TRUE(client.events.WaitForConnections(2));
  ASSERT_TRUE(client.Publish("old", "gone").has_value());
  ASSERT_TRUE(client.Publish("new", "new").has_value());
  ASSERT_TRUE(client.events.WaitForMessages(1));
  EXPECT_EQ(client.events.Snapshot().messages[0].topic, "new");
}

TEST_F(PahoTransportTest, LetsAnEventPublish) {
  Client client(broker_->Url(), "client", {{"a", Qos::k1}});
  ASSERT_TRUE(client.Connected());
  client.events.WhenConnected([&] { EXPECT_TRUE(client.Publish("a", "hello again").has_value()); });
  client.transport.Reconnect();
  EXPECT_TRUE(client.events.WaitForMessages(1));
}

TEST_F(PahoTransportTest, PushesBackWithoutLosingWhatItTook) {
  Client receiver(broker_->Url(), "receiver", {{"chunk", Qos::k0}});
  Client sender(broker_->Url(), "sender");
  ASSERT_TRUE(receiver.Connected() && sender.Connected());
  const Bytes chunk(limits::kChunkBytesDefault);
  ASSERT_EQ(kill(broker_->pid(), SIGSTOP), 0);
  std::size_t accepted = 0;
  while (true) {
    const auto sent = sender.transport.Publish("chunk", chunk, Qos::k0, false);
    if (sent.has_value()) {
      ++accepted;
      ASSERT_LT(accepted, 100'000U) << "nothing ever pushed back";
      continue;
    }
    EXPECT_EQ(sent.error().code, ErrorCode::kBackpressure);
    break;
  }
  ASSERT_EQ(kill(broker_->pid(), SIGCONT), 0);
  EXPECT_TRUE(receiver.events.WaitForMessages(accepted));
}

TEST_F(PahoTransportTest, Carries500MessagesOf16KiBInOrder) {
  for (const Qos qos : {Qos::k0, Qos::k1}) {
    Client receiver(broker_->Url(), "receiver", {{"chunk", qos}});
    Client sender(broker_->Url(), "sender");
    ASSERT_TRUE(receiver.Connected() && sender.Connected());
    Bytes chunk(16 * 1024);
    for (std::uint32_t i = 0; i < 500; ++i) {
      StoreLe(chunk.data(), i);
      ASSERT_TRUE(sender.PublishPaced("chunk", chunk, qos));
    }
    ASSERT_TRUE(receiver.events.WaitForMessages(500));
    const auto messages = receiver.events.Snapshot().messages;
    for (std::uint32_t i = 0; i < 500; ++i) {
      ASSERT_EQ(LoadLe<std::uint32_t>(messages[i].payload.data()), i);
    }
    const std::uint64_t bytes = 500U * (5 + 16 * 1024 + 8);
    EXPECT_EQ(sender.transport.Used().bytes_up, bytes);
    EXPECT_EQ(receiver.transport.Used().bytes_down, bytes);
  }
}

TEST_F(PahoTransportTest, CarriesTheLargestPayloadAndRefusesALargerOne) {
  Client client(broker_->Url(), "client", {{"a", Qos::k1}});
  ASSERT_TRUE(client.Connected());
  ASSERT_TRUE(client.transport.Publish("a", Bytes(limits::kMqttPayloadMax, 7), Qos::k1, false));
  ASSERT_TRUE(client.events.WaitForMessages(1));
  EXPECT_EQ(client.events.Snapshot().messages[0].payload.size(), limits::kMqttPayloadMax);
  const auto refused =
      client.transport.Publish("a", Bytes(limits::kMqttPayloadMax + 1), Qos::k1, false);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::kTooBig);
}

TEST_F(PahoTransportTest, CallsNoEventAfterStop) {
  Client sender(broker_->Url(), "sender");
  Client receiver(broker_->Url(), "receiver", {{"a", Qos::k0}});
  Client other(broker_->Url(), "other", {{"a", Qos::k0}});
  ASSERT_TRUE(sender.Connected() && receiver.Connected() && other.Connected());
  std::atomic<bool> done = false;
  std::thread flood([&] {
    while (!done) {
      static_cast<void>(sender.Publish("a", "flood", Qos::k0));
      std::this_thread::yield();
    }
  });
  EXPECT_TRUE(receiver.events.WaitForMessages(100));
  receiver.transport.Stop();
  const std::size_t seen = receiver.events.Snapshot().order.size();
  // The flood goes on: another receiver gets what the stopped one must not.
  EXPECT_TRUE(other.events.WaitForMessages(other.events.Snapshot().messages.size() + 100));
  EXPECT_EQ(receiver.events.Snapshot().order.size(), seen);
  done = true;
  flood.join();
}

TEST_F(PahoTransportTest, ServesManyClientsInOneProcess) {
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 40; ++i) {
    clients.push_back(std::make_unique<Client>(
        Options(broker_->Url(), "client-" + std::to_string(i)),
        std::vector<Subscription>{{"down/" + std::to_string(i), Qos::k1}}));
  }
  for (auto& client : clients) ASSERT_TRUE(client->events.WaitForConnections(1));
  for (int i = 0; i < 40; ++i) {
    const std::string topic = "down/" + std::to_string((i + 1) % 40);
    ASSERT_TRUE(clients[static_cast<std::size_t>(i)]->Publish(topic, topic).has_value());
  }
  for (int i = 0; i < 40; ++i) {
    auto& events = clients[static_cast<std::size_t>(i)]->events;
    ASSERT_TRUE(events.WaitForMessages(1));
    EXPECT_EQ(events.Snapshot().messages[0].topic, "down/" + std::to_string(i));
  }
}

TEST_F(PahoTransportTest, StopsWhileOthersPublishAndReconnect) {
  for (int round = 0; round < 2; ++round) {
    Client client(broker_->Url(), "client", {{"a", Qos::k1}});
    std::atomic<bool> done = false;
    std::thread publisher([&] {
      while (!done) {
        static_cast<void>(client.Publish("a", "text", Qos::k1));
        std::this_thread::yield();
      }
    });
    EXPECT_TRUE(client.events.WaitForMessages(10));
    client.transport.Reconnect();
    if (round % 2 == 0) {
      EXPECT_TRUE(client.events.WaitForConnections(2));
    }
    client.transport.Stop();
    done = true;
    publisher.join();
  }
}

TEST(PahoTransportPassword, ReportsWhyTheBrokerRefused) {
  auto broker = MosquittoBroker::Start("allow_anonymous false\n");
  ASSERT_TRUE(broker.has_value()) << broker.error().Line();
  PahoOptions options = Options((*broker)->Url(), "client");
  options.username = "somebody";
  options.password = "wrong";
  Client client(options);
  ASSERT_TRUE(client.events.WaitForDisconnections(2));
  const Error why = client.events.Snapshot().disconnected[0];
  EXPECT_EQ(why.code, ErrorCode::kBrokerRefused);
  EXPECT_THAT(why.text, ::testing::HasSubstr("not authorized (5)"));
}

/// A broker that grants anonymous clients "ok/#" and no other filter.
Result<std::unique_ptr<MosquittoBroker>> StartChoosyBroker(
    const test_support::TemporaryDirectory& directory) {
  const std::string rights = directory.Write("rights.json", R"({
    "defaultACLAccess": {"publishClientSend": true, "publishClientReceive": true,
                         "subscribe": false, "unsubscribe": true},
    "anonymousGroup": "all",
    "groups": [{"groupname": "all", "roles": [{"rolename": "ok"}]}],
    "roles": [{"rolename": "ok",
               "acls": [{"acltype": "subscribePattern", "topic": "ok/#", "allow": true}]}]})");
  return MosquittoBroker::Start(
      "plugin /usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so\nplugin_opt_config_file " +
      rights + "\n");
}

TEST(PahoTransportRights, GoesOnWithoutAnOptionalFilterThatTheBrokerRefuses) {
  const test_support::TemporaryDirectory directory;
  auto broker = StartChoosyBroker(directory);
  ASSERT_TRUE(broker.has_value()) << broker.error().Line();
  Client client((*broker)->Url(), "client",
                {{"ok/a"}, {.filter = "secret", .qos = Qos::k1, .required = false}});
  const auto refusals = [&](std::size_t count) {
    return client.events.WaitFor(
        [count](const RecordingEvents::Record& record) { return record.refused.size() >= count; });
  };
  ASSERT_TRUE(refusals(1));
  ASSERT_TRUE(client.transport.SetSubscriptions(
      {{"ok/a"}, {.filter = "other", .qos = Qos::k1, .required = false}}));
  ASSERT_TRUE(refusals(2));
  ASSERT_TRUE(client.Publish("ok/a", "still there").has_value());
  ASSERT_TRUE(client.events.WaitForMessages(1));
  const auto record = client.events.Snapshot();
  EXPECT_THAT(record.refused, ::testing::ElementsAre("secret", "other"));
  EXPECT_EQ(record.order[0], "connected");
  EXPECT_TRUE(record.disconnected.empty());
}

TEST(PahoTransportRights, LeavesABrokerThatRefusesARequiredFilter) {
  const test_support::TemporaryDirectory directory;
  auto broker = StartChoosyBroker(directory);
  ASSERT_TRUE(broker.has_value()) << broker.error().Line();
  Client at_once((*broker)->Url(), "at_once", {{"secret"}});
  Client later((*broker)->Url(), "later", {{"ok/a"}});
  ASSERT_TRUE(at_once.events.WaitForDisconnections(1));
  EXPECT_EQ(at_once.events.Snapshot().disconnected[0].code, ErrorCode::kBrokerRefused);
  EXPECT_EQ(at_once.events.Snapshot().connected, 0);
  ASSERT_TRUE(later.Connected());
  ASSERT_TRUE(later.transport.SetSubscriptions({{"secret"}}));
  ASSERT_TRUE(later.events.WaitForDisconnections(1));
  EXPECT_EQ(later.events.Snapshot().disconnected[0].code, ErrorCode::kBrokerRefused);
}

TEST(PahoTransportNoBroker, ReportsEachFailedAttemptAndConnectsOnceABrokerIsThere) {
  auto broker = MosquittoBroker::Start();
  ASSERT_TRUE(broker.has_value()) << broker.error().Line();
  (*broker)->Stop();
  Client client(Options((*broker)->Url(), "client"));
  ASSERT_TRUE(client.events.WaitForDisconnections(2));
  EXPECT_EQ(client.events.Snapshot().disconnected[0].code, ErrorCode::kNotConnected);
  EXPECT_EQ(client.Publish("a", "b").error().code, ErrorCode::kNotConnected);
  ASSERT_TRUE((*broker)->Restart().has_value());
  EXPECT_TRUE(client.events.WaitForConnections(1));
}

/// Accepts TCP connections in the backlog and never says a word.
class SilentListener {
 public:
  SilentListener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(fd_, 8), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  ~SilentListener() { close(fd_); }
  std::string Url() const { return "tcp://127.0.0.1:" + std::to_string(port_); }
  /// Returns once a client has connected; the descriptor is the caller's.
  int Accept() const { return accept(fd_, nullptr, nullptr); }
  /// Bytes that wait in a connection accepted from now on, before its sender has to wait.
  void SetReceiveBuffer(int bytes) const {
    EXPECT_EQ(setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes), 0);
  }

 private:
  int fd_;
  std::uint16_t port_ = 0;
};

TEST(PahoTransportNoBroker, StopsInTheMiddleOfAConnect) {
  const SilentListener listener;
  for (int round = 0; round < 3; ++round) {
    Client client(Options(listener.Url(), "client"));
    const int accepted = listener.Accept();
    const auto before = std::chrono::steady_clock::now();
    client.transport.Stop();
    EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(10));
    EXPECT_TRUE(client.events.Snapshot().order.empty());
    close(accepted);
  }
}

TEST(PahoTransportNoBroker, KeepsSendingToABrokerThatReadsSlowly) {
  const SilentListener listener;
  listener.SetReceiveBuffer(4'096);
  Client client(Options(listener.Url(), "client"));
  const int accepted = listener.Accept();
  constexpr std::array<std::uint8_t, 4> kConnack = {0x20, 2, 0, 0};
  ASSERT_EQ(write(accepted, kConnack.data(), kConnack.size()), 4);
  std::jthread reader([accepted](const std::stop_token& stop) {
    Bytes bytes(20'000);
    while (!stop.stop_requested() && read(accepted, bytes.data(), bytes.size()) > 0) {
    }
  });
  ASSERT_TRUE(client.Connected());
  const Bytes chunk(16'320);
  for (int i = 0; i < 1'000; ++i) ASSERT_TRUE(client.PublishPaced("a", chunk, Qos::k0)) << i;
  reader.request_stop();
  client.transport.Stop();
  close(accepted);
}

TEST(PahoTransportNoBroker, GivesUpOnABrokerThatNeverAnswers) {
  const SilentListener listener;
  PahoOptions options = Options(listener.Url(), "client");
  options.connect_timeout = std::chrono::seconds(1);
  Client client(options);
  EXPECT_TRUE(client.events.WaitForDisconnections(1));
}

TEST(PahoTransportNoBroker, StopsDuringTheReconnectDelay) {
  PahoOptions options = Options("tcp://127.0.0.1:" + std::to_string(FreePort()), "client");
  options.reconnect = {.first_ms = 300'000, .max_ms = 300'000};
  Client client(options);
  EXPECT_TRUE(client.events.WaitForDisconnections(1));
  client.transport.Stop();
}

TEST(PahoTransportOptions, RefusesWhatCannotWork) {
  RecordingEvents events;
  const auto start = [&events](PahoOptions options, std::vector<Subscription> subscriptions = {}) {
    PahoTransport transport(std::move(options), std::make_unique<SeededRandom>(1));
    const Status status = transport.Start({}, std::move(subscriptions), events);
    return status.has_value() ? ErrorCode::kOk : status.error().code;
  };
  const std::string url = "tcp://127.0.0.1:1";
  EXPECT_EQ(start(Options("127.0.0.1:1883", "client")), ErrorCode::kUsage);
  EXPECT_EQ(start(Options("ws://127.0.0.1:1883", "client")), ErrorCode::kUsage);
  EXPECT_EQ(start(Options(url, "")), ErrorCode::kUsage);
  PahoOptions endless = Options(url, "client");
  endless.keepalive = std::chrono::seconds(65'536);
  EXPECT_EQ(start(endless), ErrorCode::kUsage);
  EXPECT_EQ(start(Options(url, "client"), {{"a/#/b", Qos::k1}}), ErrorCode::kTopic);
}

TEST(PahoTransportOptions, StartsOnlyOnce) {
  RecordingEvents events;
  PahoTransport transport(Options("tcp://127.0.0.1:1", "client"),
                          std::make_unique<SeededRandom>(1));
  ASSERT_TRUE(transport.Start({}, {}, events).has_value());
  EXPECT_EQ(transport.Start({}, {}, events).error().code, ErrorCode::kState);
}

}  // namespace
}  // namespace sluice
