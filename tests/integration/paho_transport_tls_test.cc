// PahoTransport over TLS: what it trusts, and what it says when it does not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/mqtt/paho_transport.h"
#include "tests/support/certificates.h"
#include "tests/support/mosquitto_broker.h"
#include "tests/support/recording_events.h"

namespace sluice {
namespace {

using test_support::Certificates;
using test_support::MosquittoBroker;
using test_support::RecordingEvents;

class PahoTransportTls : public ::testing::Test {
 protected:
  void SetUp() override { certificates_.MakeAuthority("authority"); }

  void StartBroker(const std::string& config) {
    auto started = MosquittoBroker::Start(config);
    ASSERT_TRUE(started.has_value()) << started.error().Line();
    broker_ = std::move(*started);
  }
  PahoOptions Options(const std::string& scheme = "ssl") {
    PahoOptions options;
    options.broker_url = scheme + "://localhost:" + std::to_string(broker_->port());
    options.client_id = "client";
    options.tls.ca_path = certificates_.File("authority.pem");
    options.reconnect = {.first_ms = 5, .max_ms = 50};
    return options;
  }
  /// The first failure of a transport that must not connect.
  Error FailureOf(const PahoOptions& options) {
    RecordingEvents events;
    PahoTransport transport(options, std::make_unique<SeededRandom>(1));
    EXPECT_TRUE(transport.Start({}, {}, events).has_value());
    EXPECT_TRUE(events.WaitForDisconnections(1));
    transport.Stop();
    EXPECT_EQ(events.Snapshot().connected, 0);
    return events.Snapshot().disconnected.empty() ? Error{} : events.Snapshot().disconnected[0];
  }
  bool Connects(const PahoOptions& options) {
    RecordingEvents events;
    PahoTransport transport(options, std::make_unique<SeededRandom>(1));
    EXPECT_TRUE(transport.Start({}, {{"a", Qos::k1}}, events).has_value());
    if (!events.WaitForConnections(1)) return false;
    EXPECT_TRUE(transport.Publish("a", AsBytes("secret"), Qos::k1, false).has_value());
    return events.WaitForMessages(1);
  }

  Certificates certificates_;
  std::unique_ptr<MosquittoBroker> broker_;
};

TEST_F(PahoTransportTls, TalksToABrokerOfItsAuthority) {
  certificates_.MakeServer("server", "authority", "DNS:localhost");
  StartBroker(certificates_.ListenerConfig("server"));
  EXPECT_TRUE(Connects(Options()));
}

TEST_F(PahoTransportTls, ShowsItsOwnCertificateToABrokerThatAsks) {
  certificates_.MakeServer("server", "authority", "DNS:localhost");
  certificates_.MakeServer("device", "authority", "DNS:device");
  StartBroker(certificates_.ListenerConfig("server") + "cafile " +
              certificates_.File("authority.pem") + "\nrequire_certificate true\n");
  PahoOptions options = Options();
  const Error why = FailureOf(options);
  EXPECT_EQ(why.code, ErrorCode::kBrokerRefused);
  EXPECT_THAT(why.text, ::testing::HasSubstr("certificate required")) << why.Line();
  options.tls.certificate_path = certificates_.File("device.pem");
  options.tls.key_path = certificates_.File("device.key");
  EXPECT_TRUE(Connects(options));
}

TEST_F(PahoTransportTls, RefusesABrokerOfAnotherAuthority) {
  certificates_.MakeAuthority("stranger");
  certificates_.MakeServer("server", "stranger", "DNS:localhost");
  StartBroker(certificates_.ListenerConfig("server"));
  const Error why = FailureOf(Options());
  EXPECT_EQ(why.code, ErrorCode::kTlsUntrustedCa);
  EXPECT_THAT(why.text, ::testing::HasSubstr("by CN = stranger is of none of " +
                                             certificates_.File("authority.pem")))
      << why.Line();
}

TEST_F(PahoTransportTls, RefusesACertificateForAnotherHost) {
  certificates_.MakeServer("server", "authority", "DNS:elsewhere");
  StartBroker(certificates_.ListenerConfig("server"));
  const Error why = FailureOf(Options());
  EXPECT_EQ(why.code, ErrorCode::kTlsHostname);
  EXPECT_THAT(why.text, ::testing::HasSubstr("of CN = server is not for localhost")) << why.Line();
}

TEST_F(PahoTransportTls, RefusesACertificateThatHasExpired) {
  certificates_.MakeServer("server", "authority", "DNS:localhost", -1);
  StartBroker(certificates_.ListenerConfig("server"));
  const Error why = FailureOf(Options());
  EXPECT_EQ(why.code, ErrorCode::kTlsCertExpired);
  EXPECT_THAT(why.text, ::testing::HasSubstr("has expired on ")) << why.Line();
}

TEST_F(PahoTransportTls, RefusesACertificateThatIsNotValidYetAndAsksForTheClock) {
  certificates_.MakeServerOfTheFuture("server", "authority");
  StartBroker(certificates_.ListenerConfig("server"));
  const Error why = FailureOf(Options());
  EXPECT_EQ(why.code, ErrorCode::kTlsClock);
  EXPECT_THAT(why.text, ::testing::HasSubstr("Jan  1 00:00:00 2100 GMT")) << why.Line();
}

TEST_F(PahoTransportTls, NamesAFileOfOursThatIsNotWhatItShouldBe) {
  certificates_.MakeServer("server", "authority", "DNS:localhost");
  certificates_.MakeServer("device", "authority", "DNS:device");
  StartBroker(certificates_.ListenerConfig("server"));
  PahoOptions options = Options();
  options.tls.ca_path = certificates_.File("authority.key");
  EXPECT_THAT(FailureOf(options).Line(),
              ::testing::MatchesRegex("E_USAGE: .*holds no certificate.*"));
  options = Options();
  options.tls.certificate_path = certificates_.File("device.pem");
  options.tls.key_path = certificates_.File("server.key");
  EXPECT_THAT(FailureOf(options).Line(), ::testing::MatchesRegex("E_USAGE: .*holds no key of.*"));
}

TEST_F(PahoTransportTls, NeverFallsBackToAnOpenConnection) {
  StartBroker("");
  const Error why = FailureOf(Options());
  EXPECT_EQ(why.code, ErrorCode::kNotConnected);
  EXPECT_THAT(why.text, ::testing::HasSubstr("with TLS?")) << why.Line();
}

TEST_F(PahoTransportTls, DoesNotStartWithAFileThatIsMissing) {
  certificates_.MakeServer("server", "authority", "DNS:localhost");
  StartBroker(certificates_.ListenerConfig("server"));
  PahoOptions options = Options();
  options.tls.ca_path = certificates_.File("no-such-file.pem");
  RecordingEvents events;
  PahoTransport transport(options, std::make_unique<SeededRandom>(1));
  const Status started = transport.Start({}, {}, events);
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error().code, ErrorCode::kUsage);
  EXPECT_THAT(started.error().text, ::testing::HasSubstr("no-such-file.pem"));
}

}  // namespace
}  // namespace sluice
