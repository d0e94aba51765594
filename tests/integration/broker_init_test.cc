// What `sluice broker init` writes, loaded by a real Mosquitto: certificates, guard, and the ACL
// for the day the plugin is not there.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "common/contract/topics.h"
#include "common/crypto/digest.h"
#include "common/mqtt/paho_transport.h"
#include "demo/child_process.h"
#include "tests/support/certificates.h"
#include "tests/support/mosquitto_broker.h"
#include "tests/support/recording_events.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;
using test_support::RecordingEvents;

std::string PresenceOf(const std::string& device) {
  return BuildTopic(UpTopic{PartitionOf(device), device, UpKind::kPresence});
}

class BrokerInit : public ::testing::TestWithParam<bool> {
 protected:
  /// A client with a certificate of that name.
  struct Client {
    Client(const BrokerInit& test, const std::string& name, std::vector<Subscription> filters)
        : transport(test.Options(name), std::make_unique<SeededRandom>(1)) {
      EXPECT_TRUE(transport.Start({}, std::move(filters), events).has_value());
    }
    bool Connected() { return events.WaitForConnections(1); }
    RecordingEvents events;  // outlives the transport
    PahoTransport transport;
  };

  void SetUp() override {
    certificates_.MakeAuthority("authority");
    for (const char* name : {"broker", "cam-1", "cam-2", "sluice-engine"})
      certificates_.MakeServer(name, "authority", "DNS:localhost");
    port_ = test_support::FreePort();
    const std::string etc = directory_.File("etc");
    fs::create_directories(etc + "/mosquitto/conf.d");
    std::ofstream config(etc + "/mosquitto/mosquitto.conf");
    config << "include_dir " << etc << "/mosquitto/conf.d\nper_listener_settings false\n";
    // As root it would change to a user who cannot read the directory.
    if (geteuid() == 0) config << "user root\n";
    config.close();
    const auto init = demo::RunProgram(
        {SLUICE_BIN_DIR "/sluice", "broker", "init", "--prefix", etc, "--port",
         std::to_string(port_), "--ca", certificates_.File("authority.pem"), "--cert",
         certificates_.File("broker.pem"), "--key", certificates_.File("broker.key")},
        test_support::kPatience);
    ASSERT_TRUE(init.has_value()) << init.error().Line();
    ASSERT_EQ(init->exit_code, 0) << init->err;
    if (!GetParam()) DropPlugin(etc + "/mosquitto/conf.d/sluice.conf");
    StartBroker(etc + "/mosquitto/mosquitto.conf");
  }

  void TearDown() override {
    if (HasFailure()) std::cerr << std::ifstream(directory_.File("log")).rdbuf();
  }

  static void DropPlugin(const std::string& path) {
    std::ifstream in(path);
    std::string kept;
    for (std::string line; std::getline(in, line);) {
      if (!line.starts_with("plugin")) kept += line + "\n";
    }
    in.close();
    std::ofstream(path) << kept;
  }

  void StartBroker(const std::string& config) {
    auto started = demo::ChildProcess::Start({"/usr/sbin/mosquitto", "-v", "-c", config},
                                             directory_.File("log"));
    ASSERT_TRUE(started.has_value()) << started.error().Line();
    broker_.emplace(std::move(*started));
  }

  PahoOptions Options(const std::string& name) const {
    PahoOptions options;
    options.broker_url = "ssl://localhost:" + std::to_string(port_);
    options.client_id = name;
    options.tls = {.ca_path = certificates_.File("authority.pem"),
                   .certificate_path = certificates_.File(name + ".pem"),
                   .key_path = certificates_.File(name + ".key")};
    options.reconnect = {.first_ms = 5, .max_ms = 50};
    return options;
  }

  test_support::TemporaryDirectory directory_;
  test_support::Certificates certificates_;
  std::uint16_t port_ = 0;
  std::optional<demo::ChildProcess> broker_;
};

INSTANTIATE_TEST_SUITE_P(Guarded, BrokerInit, ::testing::Bool(), [](const auto& with_plugin) {
  return with_plugin.param ? "ByThePlugin" : "ByTheAclAlone";
});

TEST_P(BrokerInit, HoldsEachDeviceToItsOwnTopics) {
  Client engine(*this, "sluice-engine", {{UpFilter(UpKind::kPresence), Qos::k1}});
  Client first(*this, "cam-1", {{BuildTopic(DownTopic{"cam-1", DownKind::kDirective}), Qos::k1}});
  Client second(*this, "cam-2", {{BuildTopic(DownTopic{"cam-2", DownKind::kDirective}), Qos::k1}});
  ASSERT_TRUE(engine.Connected() && first.Connected() && second.Connected());
  // The broker takes a client's messages in their order: once the second came, the first would
  // have.
  ASSERT_TRUE(second.transport.Publish(PresenceOf("cam-1"), AsBytes("offline"), Qos::k1, true));
  ASSERT_TRUE(second.transport.Publish(PresenceOf("cam-2"), AsBytes("online"), Qos::k1, true));
  ASSERT_TRUE(first.transport.Publish(PresenceOf("cam-1"), AsBytes("online"), Qos::k1, true));
  ASSERT_TRUE(engine.events.WaitForMessages(2));
  for (const MqttMessage& message : engine.events.Snapshot().messages)
    EXPECT_EQ(AsText(message.payload), "online") << message.topic;
}

TEST_P(BrokerInit, DeliversNoDeviceAnothersWords) {
  const std::string others = BuildTopic(DownTopic{"cam-2", DownKind::kDirective});
  const std::string own = BuildTopic(DownTopic{"cam-1", DownKind::kDirective});
  Client engine(*this, "sluice-engine", {});
  Client second(*this, "cam-2", {{others, Qos::k1}});
  Client first(*this, "cam-1", {{own, Qos::k1}});
  ASSERT_TRUE(engine.Connected() && first.Connected() && second.Connected());
  ASSERT_TRUE(engine.transport.Publish(others, AsBytes("for two"), Qos::k1, false));
  ASSERT_TRUE(engine.transport.Publish(own, AsBytes("for one"), Qos::k1, false));
  ASSERT_TRUE(first.events.WaitForMessages(1) && second.events.WaitForMessages(1));
  EXPECT_EQ(AsText(first.events.Snapshot().messages[0].payload), "for one");
  EXPECT_EQ(AsText(second.events.Snapshot().messages[0].payload), "for two");
}

TEST_P(BrokerInit, LetsNobodyInWithoutACertificate) {
  PahoOptions nameless = Options("cam-1");
  nameless.tls.certificate_path.clear();
  nameless.tls.key_path.clear();
  RecordingEvents events;
  PahoTransport transport(nameless, std::make_unique<SeededRandom>(1));
  ASSERT_TRUE(transport.Start({}, {}, events).has_value());
  Client known(*this, "cam-1", {});
  ASSERT_TRUE(known.Connected());
  EXPECT_TRUE(events.WaitForDisconnections(1));
  EXPECT_EQ(events.Snapshot().connected, 0);
}

}  // namespace
}  // namespace sluice
