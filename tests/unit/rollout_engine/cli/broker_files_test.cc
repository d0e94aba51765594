#include "rollout_engine/cli/broker_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

BrokerSetup WithCertificates() {
  BrokerSetup setup;
  setup.ca_file = "/pki/ca.pem";
  setup.cert_file = "/pki/broker.pem";
  setup.key_file = "/pki/broker.key";
  setup.plugin_file = "/usr/lib/sluice_plugin.so";
  setup.operators = {"alice"};
  return setup;
}

ExistingBroker Reading(std::string_view text) {
  ExistingBroker broker;
  ReadBrokerConfig(text, broker);
  return broker;
}

/// The text of the file whose path ends so; empty when there is none.
std::string TextOf(const std::vector<PlacedFile>& files, std::string_view end) {
  for (const PlacedFile& file : files) {
    if (file.path.ends_with(end)) return file.text;
  }
  return {};
}

TEST(BrokerFiles, GiveAFreshBrokerAListenerLimitsAndAnAcl) {
  const auto files = BrokerFiles(WithCertificates(), Reading("persistence true\n"));
  ASSERT_TRUE(files.has_value()) << files.error().Line();
  const std::string conf = TextOf(*files, "conf.d/sluice.conf");
  for (const char* line :
       {"allow_anonymous false\n", "max_queued_messages 100\n", "listener 8883\n",
        "require_certificate true\n", "use_identity_as_username true\n",
        "use_username_as_clientid true\n", "plugin /usr/lib/sluice_plugin.so\n",
        "acl_file /etc/mosquitto/sluice/acl\n"}) {
    EXPECT_THAT(conf, HasSubstr(line));
  }
  EXPECT_THAT(TextOf(*files, "plugin.conf"), HasSubstr("foreign_topics defer\n"));
  EXPECT_THAT(TextOf(*files, "plugin.conf"), HasSubstr("operator_users alice\n"));
  EXPECT_THAT(TextOf(*files, "/acl"), HasSubstr("pattern read sluice-dev/v1/down/%u/chunk\n"));
  EXPECT_THAT(TextOf(*files, "/acl"), Not(HasSubstr("sluice-dev/v1/#")));
  EXPECT_THAT(TextOf(*files, "mosquitto.service.d/sluice.conf"), HasSubstr("LimitNOFILE=65536"));
}

TEST(BrokerFiles, LeaveABrokerInUseItsAccessRulesAndLimits) {
  const auto files =
      BrokerFiles(WithCertificates(),
                  Reading("listener 1883\nallow_anonymous true\nmax_queued_messages 500\n"));
  ASSERT_TRUE(files.has_value()) << files.error().Line();
  const std::string conf = TextOf(*files, "conf.d/sluice.conf");
  for (const char* global : {"allow_anonymous", "max_queued_messages", "acl_file"})
    EXPECT_THAT(conf, Not(HasSubstr(global)));
  EXPECT_THAT(TextOf(*files, "plugin.conf"), HasSubstr("foreign_topics allow\n"));
  EXPECT_THAT(TextOf(*files, "plugin.conf"), HasSubstr("max_queued_messages 500\n"));
  EXPECT_EQ(TextOf(*files, "/acl"), "");
}

TEST(BrokerFiles, CloseNothingWhereTheyAddNoListener) {
  BrokerSetup setup = WithCertificates();
  setup.security = BrokerSecurity::kNone;
  const auto files = BrokerFiles(setup, Reading("persistence true\n"));
  ASSERT_TRUE(files.has_value()) << files.error().Line();
  EXPECT_THAT(TextOf(*files, "conf.d/sluice.conf"), Not(HasSubstr("allow_anonymous")));
  EXPECT_THAT(TextOf(*files, "plugin.conf"), HasSubstr("foreign_topics allow\n"));
}

TEST(BrokerFiles, LetAnAclThatIsThereDecideOnOtherTopics) {
  for (const char* acl : {"listener 1883\nacl_file /etc/mosquitto/acl\n",
                          "listener 1883\nplugin /usr/lib/mosquitto_dynamic_security.so\n"}) {
    const auto files = BrokerFiles(WithCertificates(), Reading(acl));
    ASSERT_TRUE(files.has_value()) << files.error().Line();
    EXPECT_THAT(TextOf(*files, "plugin.conf"), HasSubstr("foreign_topics defer\n"));
  }
}

TEST(BrokerFiles, TakePreSharedKeysInPlaceOfCertificates) {
  BrokerSetup setup = WithCertificates();
  setup.security = BrokerSecurity::kPsk;
  setup.psk_file = "/etc/mosquitto/keys";
  const auto files = BrokerFiles(setup, {});
  ASSERT_TRUE(files.has_value()) << files.error().Line();
  const std::string conf = TextOf(*files, "conf.d/sluice.conf");
  EXPECT_THAT(conf, HasSubstr("psk_file /etc/mosquitto/keys\n"));
  EXPECT_THAT(conf, HasSubstr("use_identity_as_username true\n"));
  EXPECT_THAT(conf, Not(HasSubstr("cafile")));
}

TEST(BrokerFiles, RefuseWhatCannotWork) {
  struct Case {
    const char* config;
    ErrorCode code;
  };
  for (const Case& refused : {Case{"per_listener_settings true\n", ErrorCode::kConflict},
                              Case{"plugin /opt/sluice_plugin.so\n", ErrorCode::kConflict}}) {
    const auto files = BrokerFiles(WithCertificates(), Reading(refused.config));
    ASSERT_FALSE(files.has_value()) << refused.config;
    EXPECT_EQ(files.error().code, refused.code);
  }
  BrokerSetup no_key = WithCertificates();
  no_key.key_file.clear();
  EXPECT_EQ(BrokerFiles(no_key, {}).error().code, ErrorCode::kUsage);
  BrokerSetup bad_name = WithCertificates();
  bad_name.server = "hall/3";
  EXPECT_EQ(BrokerFiles(bad_name, {}).error().code, ErrorCode::kBadIdentity);
  // A name with a line break would write configuration of its own.
  bad_name = WithCertificates();
  bad_name.operators = {"alice\nallow_anonymous true"};
  EXPECT_EQ(BrokerFiles(bad_name, {}).error().code, ErrorCode::kBadIdentity);
}

}  // namespace
}  // namespace sluice
