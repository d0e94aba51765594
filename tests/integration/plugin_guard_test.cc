// sluice_plugin.so inside a real Mosquitto: what it guards, what it leaves alone, and how it comes
// and goes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/contract/codec.h"
#include "common/contract/topics.h"
#include "common/crypto/digest.h"
#include "tests/support/contract_samples.h"
#include "tests/support/mosquitto_broker.h"
#include "tests/support/raw_mqtt_client.h"
#include "tests/support/temporary_directory.h"

namespace sluice {
namespace {

using nlohmann::json;
using test_support::MosquittoBroker;
using test_support::RawMqttClient;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

constexpr const char* kDynamicSecurity = "/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so";
constexpr int kRefusedFilter = 0x80;
constexpr int kNotAuthorised = 5;

std::string Up(const std::string& device, UpKind kind) {
  return BuildTopic(UpTopic{PartitionOf(device), device, kind});
}
std::string Down(const std::string& device, DownKind kind) {
  return BuildTopic(DownTopic{device, kind});
}
Will OfflineWill(const std::string& device) {
  const ByteView text = AsBytes("offline");
  return {Up(device, UpKind::kPresence), Bytes(text.begin(), text.end()), Qos::k1, true};
}

class PluginGuardTest : public testing::Test {
 protected:
  /// A broker with the plugin. Unless `more` says otherwise it lets everybody in by any name, and
  /// the plugin answers for foreign topics.
  void Start(const std::string& plugin_conf, const std::string& more = {}) {
    Configure(plugin_conf);
    auto started = MosquittoBroker::Start(PluginLines() + more);
    ASSERT_TRUE(started.has_value()) << started.error().Line();
    broker_ = std::move(*started);
  }
  void StartOpen(const std::string& more_plugin_conf = {}) {
    Start(std::string(kOpen) + more_plugin_conf);
  }
  void Configure(const std::string& text) { directory_.Write("plugin.conf", text); }
  std::string PluginLines() const {
    return "plugin " SLUICE_PLUGIN "\nplugin_opt_config " + directory_.File("plugin.conf") + "\n";
  }
  /// A password file for these users; the password is the name. "" without the program.
  std::string Passwords(const std::vector<std::string>& users) {
    directory_.Write("passwords", "");
    for (const std::string& user : users) {
      const std::string command = "mosquitto_passwd -b " + directory_.File("passwords") + " " +
                                  user + " " + user + " 2>/dev/null";
      EXPECT_EQ(std::system(command.c_str()), 0) << command;
    }
    return "password_file " + directory_.File("passwords") + "\n";
  }

  std::unique_ptr<RawMqttClient> Connect(const std::string& name) {
    auto client = std::make_unique<RawMqttClient>(broker_->port());
    EXPECT_EQ(client->ConnectAs(name), 0) << name;
    return client;
  }
  /// The engine, listening to all devices and to the plugin.
  std::unique_ptr<RawMqttClient> ConnectEngine() {
    auto engine = Connect("engine");
    for (const UpKind kind : {UpKind::kHello, UpKind::kTelemetry, UpKind::kPresence}) {
      EXPECT_LE(engine->Subscribe(UpFilter(kind), 1), 1);
    }
    EXPECT_LE(engine->Subscribe("sluice/v1/server/hall-3/event", 1), 1);
    return engine;
  }
  /// The next message that the plugin did not write; an event of that type ends it as well.
  static MqttMessage NextOf(RawMqttClient& client, const std::string& event = {}) {
    while (auto message = client.Next()) {
      if (!message->topic.starts_with("sluice/v1/server/")) return *message;
      if (message->topic.ends_with("/event") && json::parse(message->payload)["type"] == event) {
        return *message;
      }
    }
    ADD_FAILURE() << "nothing came";
    return {};
  }
  static json Ask(RawMqttClient& client, const json& command) {
    const std::string text = json{{"commands", {command}}}.dump();
    EXPECT_TRUE(client.Publish("$CONTROL/sluice/v1", text, 1));
    while (auto message = client.Next()) {
      if (message->topic.starts_with("$CONTROL")) {
        return json::parse(message->payload)["responses"][0];
      }
    }
    return {};
  }

  static constexpr const char* kOpen =
      "server hall-3\nengine_users engine\noperator_users alice\nadmin_users carol\n"
      "foreign_topics allow\nbasic_auth off\n";
  test_support::TemporaryDirectory directory_;
  std::unique_ptr<MosquittoBroker> broker_;
  const Bytes telemetry_ = Encode(test_support::SampleTelemetry());
  const Bytes hello_ = Encode(test_support::SampleHello());
};

TEST_F(PluginGuardTest, LetsADeviceAndTheEngineTalk) {
  StartOpen();
  auto engine = ConnectEngine();
  auto device = Connect("cam-1");
  for (const std::string& filter :
       {Down("cam-1", DownKind::kDirective), Down("cam-1", DownKind::kChunk),
        BuildTopic(AllKind::kRoot), BuildTopic(AllKind::kFreshness), BuildTopic(AllKind::kOrder)}) {
    EXPECT_EQ(device->Subscribe(filter, 1), 1) << filter;
  }
  EXPECT_TRUE(device->Publish(Up("cam-1", UpKind::kPresence), "online", 1, true));
  EXPECT_TRUE(device->Publish(Up("cam-1", UpKind::kHello), hello_, 1));
  EXPECT_TRUE(device->Publish(Up("cam-1", UpKind::kTelemetry), telemetry_));
  EXPECT_EQ(NextOf(*engine).topic, Up("cam-1", UpKind::kPresence));
  EXPECT_EQ(NextOf(*engine).payload, hello_);
  EXPECT_EQ(NextOf(*engine).payload, telemetry_);
  EXPECT_TRUE(engine->Publish(Down("cam-1", DownKind::kDirective), "signed", 1));
  EXPECT_TRUE(engine->Publish(BuildTopic(AllKind::kOrder), "order", 1, true));
  EXPECT_EQ(NextOf(*device).topic, Down("cam-1", DownKind::kDirective));
  EXPECT_EQ(NextOf(*device).topic, BuildTopic(AllKind::kOrder));
}

TEST_F(PluginGuardTest, KeepsADeviceOffAnothersTopics) {
  StartOpen();
  auto engine = ConnectEngine();
  auto victim = Connect("cam-2");
  ASSERT_EQ(victim->Subscribe(Down("cam-2", DownKind::kDirective), 1), 1);
  auto device = Connect("cam-1");
  EXPECT_TRUE(device->Publish(Up("cam-2", UpKind::kHello), hello_, 1)) << "3.1.1 hears no refusal";
  device->Publish(Up("cam-2", UpKind::kTelemetry), telemetry_);
  device->Publish(Down("cam-2", DownKind::kDirective), "forged", 1);
  device->Publish(Down("cam-1", DownKind::kDirective), "forged", 1);
  device->Publish(BuildTopic(AllKind::kOrder), "forged", 1, true);
  device->Publish("sluice/v1/rollout/r1/cmd", "forged", 1);
  // What arrives first is what was sent last.
  device->Publish(Up("cam-1", UpKind::kTelemetry), telemetry_);
  EXPECT_EQ(NextOf(*engine).topic, Up("cam-1", UpKind::kTelemetry));
  engine->Publish(Down("cam-2", DownKind::kDirective), "real", 1);
  EXPECT_EQ(AsText(NextOf(*victim).payload), "real");
  EXPECT_EQ(victim->Subscribe(BuildTopic(AllKind::kOrder), 1), 1);
  engine->Publish(BuildTopic(AllKind::kOrder), "real", 1);
  EXPECT_EQ(AsText(NextOf(*victim).payload), "real") << "nothing forged was retained";
}

TEST_F(PluginGuardTest, RefusesEveryFilterButADevicesOwn) {
  StartOpen("device_prefix cam-\n");
  auto device = Connect("cam-1");
  for (const std::string& filter :
       {std::string("#"), std::string("+/v1/down/cam-1/chunk"), std::string("sluice-dev/#"),
        std::string("sluice-dev/v1/down/+/chunk"), std::string("sluice-dev/v1/all/+"),
        Down("cam-2", DownKind::kChunk), std::string("$share/g/sluice-dev/v1/all/root"),
        Up("cam-1", UpKind::kHello), std::string("$CONTROL/sluice/v1/response")}) {
    EXPECT_EQ(device->Subscribe(filter, 0), kRefusedFilter) << filter;
  }
  EXPECT_EQ(device->Subscribe(Down("cam-1", DownKind::kChunk), 0), 0);
}

TEST_F(PluginGuardTest, DeliversNothingOfTheFleetToWhoHoldsAWideFilter) {
  StartOpen();
  auto engine = ConnectEngine();
  auto dashboard = Connect("bob@corp");
  ASSERT_EQ(dashboard->Subscribe("#", 0), 0);
  engine->Publish(Down("cam-1", DownKind::kDirective), "signed", 1);
  engine->Publish(BuildTopic(AllKind::kRoot), "signed", 1);
  engine->Publish("plant/line/1", "running");
  EXPECT_EQ(NextOf(*dashboard).topic, "plant/line/1");
  EXPECT_TRUE(dashboard->Ping()) << "and is not thrown out for it";
}

TEST_F(PluginGuardTest, SendsADevicesOwnWillAndNoOther) {
  StartOpen();
  auto engine = ConnectEngine();
  RawMqttClient forger(broker_->port());
  ASSERT_EQ(forger.Connect({"cam-1", "cam-1", "", OfflineWill("cam-2")}), 0);
  RawMqttClient honest(broker_->port());
  ASSERT_EQ(honest.Connect({"cam-3", "cam-3", "", OfflineWill("cam-3")}), 0);
  forger.Drop();
  const MqttMessage event = NextOf(*engine, "will");
  ASSERT_TRUE(event.topic.ends_with("/event")) << "the forged will was sent";
  EXPECT_EQ(json::parse(event.payload)["device"], "cam-1");
  honest.Drop();
  EXPECT_EQ(NextOf(*engine).topic, Up("cam-3", UpKind::kPresence));
}

TEST_F(PluginGuardTest, DropsWhatIsNoMessageOfItsTopic) {
  StartOpen();
  auto engine = ConnectEngine();
  auto device = Connect("cam-1");
  device->Publish(Up("cam-1", UpKind::kTelemetry), "junk");
  device->Publish(Up("cam-1", UpKind::kTelemetry), hello_);
  device->Publish(Up("cam-1", UpKind::kHello), "junk", 1);
  device->Publish(Up("cam-1", UpKind::kTelemetry), telemetry_, 0, true);  // retained
  device->Publish(Up("cam-1", UpKind::kTelemetry), telemetry_, 1);        // the wrong QoS
  device->Publish(Up("cam-1", UpKind::kHello), hello_, 1);
  EXPECT_EQ(NextOf(*engine).payload, hello_);
}

TEST_F(PluginGuardTest, ComposesWithAnAclFile) {
  directory_.Write("acl", "user bob\ntopic readwrite plant/#\ntopic readwrite sluice-dev/#\n");
  Start("engine_users engine\nbasic_auth off\n", "acl_file " + directory_.File("acl") + "\n");
  auto bob = Connect("bob");
  auto mallory = Connect("mallory");
  ASSERT_EQ(bob->Subscribe("plant/#", 1), 1);
  mallory->Publish("plant/line/1", "from mallory", 1);
  bob->Publish("plant/line/1", "from bob", 1);
  EXPECT_EQ(AsText(NextOf(*bob).payload), "from bob");
  // The file's word for Sluice's topics is not heard.
  auto engine = ConnectEngine();
  bob->Publish(Up("cam-1", UpKind::kTelemetry), telemetry_);
  auto device = Connect("cam-1");
  device->Publish(Up("cam-1", UpKind::kTelemetry), telemetry_);
  device->Ping();
  EXPECT_EQ(NextOf(*engine).topic, Up("cam-1", UpKind::kTelemetry));
  device->Publish(Up("cam-1", UpKind::kHello), hello_, 1);
  EXPECT_EQ(NextOf(*engine).topic, Up("cam-1", UpKind::kHello)) << "bob's came through";
}

TEST_F(PluginGuardTest, ComposesWithDynamicSecurity) {
  if (access(kDynamicSecurity, R_OK) != 0) GTEST_SKIP() << kDynamicSecurity << " is missing";
  const std::string file = directory_.File("dynsec.json");
  const std::string make = "mosquitto_ctrl dynsec init " + file + " admin secret >/dev/null";
  ASSERT_EQ(std::system(make.c_str()), 0) << make;
  json dynsec;
  std::ifstream(file) >> dynsec;
  json user = dynsec["clients"][0];  // its password is everybody's
  user["roles"] = {{{"rolename", "plant"}}};
  for (const char* name : {"engine", "cam-1", "bob"}) {
    user["username"] = name;
    dynsec["clients"].push_back(user);
  }
  const auto acl = [](const char* type, const char* topic, bool allow) {
    return json{{"acltype", type}, {"topic", topic}, {"priority", 0}, {"allow", allow}};
  };
  dynsec["roles"].push_back(
      {{"rolename", "plant"},
       {"acls",
        {acl("subscribePattern", "plant/#", true), acl("publishClientReceive", "plant/#", true),
         acl("publishClientSend", "plant/line/1", true), acl("subscribePattern", "#", false)}}});
  directory_.Write("dynsec.json", dynsec.dump());
  Start("server hall-3\nengine_users engine\n",
        "plugin " + std::string(kDynamicSecurity) + "\nplugin_opt_config_file " + file + "\n");
  const auto login = [&](RawMqttClient& client, const std::string& name) {
    return client.Connect({name, name, "secret", std::nullopt});
  };
  RawMqttClient engine(broker_->port()), device(broker_->port()), bob(broker_->port());
  ASSERT_EQ(login(engine, "engine"), 0) << broker_->Log();
  ASSERT_EQ(login(device, "cam-1"), 0);
  ASSERT_EQ(login(bob, "bob"), 0);
  ASSERT_EQ(engine.Subscribe(UpFilter(UpKind::kTelemetry), 0), 0) << "ours, whatever it thinks";
  ASSERT_EQ(engine.Subscribe("plant/#", 0), 0) << "dynamic security's, and it allows it";
  EXPECT_EQ(engine.Subscribe("office/#", 0), kRefusedFilter);
  bob.Publish("plant/line/2", "no");
  bob.Publish("plant/line/1", "yes");
  EXPECT_EQ(NextOf(engine).topic, "plant/line/1");
  device.Publish(Up("cam-1", UpKind::kTelemetry), telemetry_);
  EXPECT_EQ(NextOf(engine).topic, Up("cam-1", UpKind::kTelemetry));
}

TEST_F(PluginGuardTest, LeavesABrokerWithoutAnyAclAsItWas) {
  Start("engine_users engine\nacl off\nbasic_auth off\n");
  auto bob = Connect("bob");
  ASSERT_EQ(bob->Subscribe("#", 1), 1);
  bob->Publish("plant/line/1", "running", 1);
  EXPECT_EQ(NextOf(*bob).topic, "plant/line/1");
  // What is in a device's message is still looked at.
  auto device = Connect("cam-1");
  device->Publish(Up("cam-1", UpKind::kTelemetry), "junk");
  device->Publish(Up("cam-2", UpKind::kTelemetry), telemetry_);
  device->Publish(Up("cam-1", UpKind::kTelemetry), telemetry_);
  EXPECT_EQ(NextOf(*bob).topic, Up("cam-1", UpKind::kTelemetry));
}

TEST_F(PluginGuardTest, QuarantinesAndKicksWhoSendsJunk) {
  Start("server hall-3\nengine_users engine\n",
        "allow_anonymous false\n" + Passwords({"engine", "cam-1", "cam-2"}));
  RawMqttClient engine(broker_->port());
  ASSERT_EQ(engine.Connect({"engine", "engine", "engine", std::nullopt}), 0);
  ASSERT_EQ(engine.Subscribe("sluice/v1/server/+/event", 1), 1);
  ASSERT_EQ(engine.Subscribe(UpFilter(UpKind::kPresence), 1), 1);
  RawMqttClient device(broker_->port());
  ASSERT_EQ(device.Connect({"cam-1", "cam-1", "cam-1", OfflineWill("cam-1")}), 0);
  for (int i = 0; i < 10; ++i) device.Publish(Up("cam-1", UpKind::kTelemetry), "junk");
  EXPECT_TRUE(device.AwaitEnd());
  // Its will, which says that it is gone, and the event come in either order.
  std::vector<std::string> heard;
  for (int i = 0; i < 2; ++i) {
    const MqttMessage message = NextOf(engine, "quarantined");
    heard.push_back(message.topic.ends_with("/event")
                        ? std::string(json::parse(message.payload)["device"])
                        : std::string(AsText(message.payload)));
  }
  EXPECT_THAT(heard, UnorderedElementsAre("cam-1", "offline"));
  EXPECT_EQ(device.Connect({"cam-1", "cam-1", "cam-1", std::nullopt}), kNotAuthorised);
  EXPECT_EQ(device.Connect({"cam-2", "cam-2", "cam-2", std::nullopt}), 0) << "others are not";
}

TEST_F(PluginGuardTest, ThrowsOutWhoseNameWantsToBeTwoLevels) {
  StartOpen();
  auto device = Connect("cam-1/hello");
  device->Publish("sluice-dev/v1/up/p00/cam-1/hello/hello", hello_, 1);
  EXPECT_TRUE(device->AwaitEnd());
}

TEST_F(PluginGuardTest, RefusesADeviceUnderAnothersClientId) {
  StartOpen();
  RawMqttClient device(broker_->port());
  ASSERT_EQ(device.Connect({"cam-2", "cam-1", "", std::nullopt}), 0);
  EXPECT_EQ(device.Subscribe(Down("cam-1", DownKind::kChunk), 0), kRefusedFilter);
  EXPECT_TRUE(device.AwaitEnd());
}

TEST_F(PluginGuardTest, TakesTheUserNameForTheClientIdWhereTheBrokerDoes) {
  auto lines = PluginLines();
  Configure(kOpen);
  auto started = MosquittoBroker::Start("use_username_as_clientid true\n" + lines);
  ASSERT_TRUE(started.has_value()) << started.error().Line();
  broker_ = std::move(*started);
  RawMqttClient device(broker_->port());
  ASSERT_EQ(device.Connect({"whatever", "cam-1", "", std::nullopt}), 0);
  EXPECT_EQ(device.Subscribe(Down("cam-1", DownKind::kChunk), 0), 0);
}

TEST_F(PluginGuardTest, LetsAFloodOfOneDeviceStarveNobody) {
  StartOpen();
  auto engine = ConnectEngine();
  auto flooder = Connect("cam-1");
  auto quiet = Connect("cam-2");
  const auto began = std::chrono::steady_clock::now();
  constexpr int kFlood = 5'000, kQuiet = 20;
  for (int i = 0; i < kFlood; ++i) {
    flooder->Publish(Up("cam-1", UpKind::kTelemetry), telemetry_);
    if (i % (kFlood / kQuiet) == 0) quiet->Publish(Up("cam-2", UpKind::kTelemetry), telemetry_);
  }
  ASSERT_TRUE(flooder->Ping());
  ASSERT_TRUE(quiet->Ping());
  const auto seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
  ASSERT_TRUE(engine->Publish(BuildTopic(AllKind::kOrder), "x", 1));
  ASSERT_LE(engine->Subscribe("end", 0), 0);
  engine->Publish("end", "");
  int flooded = 0, heard = 0;
  for (MqttMessage message = NextOf(*engine); !message.topic.empty() && message.topic != "end";
       message = NextOf(*engine)) {
    ++(message.topic == Up("cam-2", UpKind::kTelemetry) ? heard : flooded);
  }
  EXPECT_EQ(heard, kQuiet);
  EXPECT_GE(flooded, 100);
  EXPECT_LE(flooded, 100 + 20 * (seconds + 1));
}

TEST_F(PluginGuardTest, EndsTheConnectionInsteadOfSwallowingAHelloOverTheLimit) {
  StartOpen("messages_burst 5\nmessages_per_s 1\n");
  auto device = Connect("cam-1");
  for (int i = 0; i < 20 && device->PublishUnanswered(Up("cam-1", UpKind::kHello), hello_); ++i) {
  }
  EXPECT_TRUE(device->AwaitEnd());
  EXPECT_GE(device->pubacks(), 1U);
  EXPECT_LT(device->pubacks(), 20U) << "what was not routed must not be acknowledged";
  EXPECT_TRUE(Connect("cam-2")->Publish(Up("cam-2", UpKind::kHello), hello_, 1));
}

TEST_F(PluginGuardTest, KeepsALeaseThatNobodyElseCanWrite) {
  StartOpen();
  auto watcher = Connect("alice");
  ASSERT_EQ(watcher->Subscribe("sluice/v1/server/#", 1), 1);
  auto engine = Connect("engine");
  engine->Publish("sluice/v1/server/hall-3/lease", "forged", 1, true);
  engine->Publish("sluice/v1/server/hall-3/event", "forged", 1);
  watcher->Publish("sluice/v1/server/hall-3/lease", "", 1, true);
  while (const auto message = watcher->Next()) {
    ASSERT_NE(AsText(message->payload), "forged");
    ASSERT_FALSE(message->payload.empty());
    const json lease = json::parse(message->payload);
    if (!message->topic.ends_with("/lease") || message->retained) continue;
    EXPECT_EQ(lease["server"], "hall-3");
    EXPECT_EQ(lease["serving"], false);
    EXPECT_GE(lease["seq"], 2);
    return;
  }
  FAIL() << "the lease was not renewed";
}

TEST_F(PluginGuardTest, TakesOrdersOfEngineAndAdministratorsOnly) {
  StartOpen();
  auto carol = Connect("carol");
  ASSERT_EQ(carol->Subscribe("$CONTROL/sluice/v1/response", 1), 1);
  auto alice = Connect("alice");
  EXPECT_EQ(alice->Subscribe("$CONTROL/sluice/v1/response", 1), kRefusedFilter);
  auto device = Connect("cam-1");
  alice->Publish("$CONTROL/sluice/v1",
                 R"({"commands":[{"command":"kickDevice","device":"cam-1"}]})", 1);
  EXPECT_TRUE(device->Ping());
  const json status = Ask(*carol, {{"command", "getStatus"}, {"correlationData", "7"}});
  EXPECT_EQ(status["correlationData"], "7");
  EXPECT_EQ(status["data"]["server"], "hall-3");
  EXPECT_EQ(status["data"]["mode"], "open");
  EXPECT_THAT(std::string(Ask(*carol, {{"command", "fly"}})["error"]), HasSubstr("E_USAGE"));
  EXPECT_FALSE(Ask(*carol, {{"command", "kickDevice"}, {"device", "cam-1"}}).contains("error"));
  EXPECT_TRUE(device->AwaitEnd());
  EXPECT_TRUE(carol->Ping());
}

TEST_F(PluginGuardTest, FailsClosedOnABadConfigurationWhileTheBrokerGoesOn) {
  Start("engine_usrs engine\nforeign_topics allow\nbasic_auth off\n");
  EXPECT_THAT(broker_->Log(), HasSubstr("line 1: no such key: engine_usrs"));
  auto bob = Connect("bob");
  ASSERT_EQ(bob->Subscribe("plant/#", 1), 1);
  EXPECT_TRUE(bob->Publish("plant/line/1", "running", 1));
  EXPECT_EQ(NextOf(*bob).topic, "plant/line/1");
  auto device = Connect("cam-1");
  EXPECT_EQ(device->Subscribe(Down("cam-1", DownKind::kChunk), 0), kRefusedFilter);
  // And opens when the file is good.
  Configure(kOpen);
  broker_->Reload();
  ASSERT_TRUE(broker_->AwaitLog("the configuration was read again"));
  EXPECT_EQ(device->Subscribe(Down("cam-1", DownKind::kChunk), 0), 0);
}

TEST_F(PluginGuardTest, ReadsItsConfigurationAgainOnSighup) {
  directory_.Write("acl", "pattern readwrite plant/#\n");
  Start("engine_users engine\nbasic_auth off\n", "acl_file " + directory_.File("acl") + "\n");
  auto device = Connect("cam-1");
  EXPECT_EQ(device->Subscribe(BuildTopic(AllKind::kRoot), 0), 0);
  Configure("engine_users engine\nbasic_auth off\ndevice_prefix gate-\n");
  broker_->Reload();
  ASSERT_TRUE(broker_->AwaitLog("the configuration was read again"));
  EXPECT_EQ(device->Subscribe(BuildTopic(AllKind::kOrder), 0), kRefusedFilter);
  EXPECT_EQ(Connect("gate-1")->Subscribe(BuildTopic(AllKind::kOrder), 0), 0);
  // The acl_file is still in force: our answer did not keep it from its own reload.
  auto bob = Connect("bob");
  ASSERT_EQ(bob->Subscribe("#", 1), 1);
  bob->Publish("office/door", "open", 1);
  bob->Publish("plant/line/1", "running", 1);
  EXPECT_EQ(NextOf(*bob).topic, "plant/line/1");
}

TEST_F(PluginGuardTest, LeavesCleanlyWithItsBroker) {
  StartOpen();
  auto engine = ConnectEngine();
  RawMqttClient device(broker_->port());
  ASSERT_EQ(device.Connect({"cam-1", "cam-1", "", OfflineWill("cam-1")}), 0);
  device.Publish(Up("cam-1", UpKind::kTelemetry), telemetry_);
  EXPECT_EQ(NextOf(*engine).payload, telemetry_);
  broker_->Stop();
  EXPECT_TRUE(broker_->ended_well()) << broker_->Log();
  EXPECT_THAT(broker_->Log(), HasSubstr("terminating"));
}

TEST_F(PluginGuardTest, KeepsABrokerFromStartingThatLoadsItTwice) {
  Configure(kOpen);
  const auto started = MosquittoBroker::Start(PluginLines() + PluginLines());
  ASSERT_FALSE(started.has_value());
  EXPECT_THAT(started.error().Line(), HasSubstr("loaded twice"));
}

}  // namespace
}  // namespace sluice
