#include "broker_plugin/plugin_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temporary_directory.h"

namespace sluice::plugin {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

PluginConfig Good(std::string_view text, const PluginOptions& options = {}) {
  const auto config = ParsePluginConfig(text, options);
  EXPECT_TRUE(config.has_value()) << config.error().Line();
  return config.value_or(PluginConfig{});
}

TEST(PluginConfig, NeedsNoMoreThanTheEnginesName) {
  PluginConfig expected;
  expected.engine_users = {"engine"};
  EXPECT_EQ(Good("engine_users engine\n"), expected);
}

TEST(PluginConfig, ReadsEverySetting) {
  const PluginConfig config = Good(
      "# the hall's broker\n"
      "server hall-3\t # its name\r\n"
      "engine_users engine-1 engine-2\n"
      "engine_users engine-3\n"
      "operator_users alice@corp bob\n"
      "admin_users carol\n"
      "device_users gate-1\n"
      "device_prefix cam- plc-\n"
      "client_id_is_username off\n"
      "foreign_topics allow\n"
      "acl off\n"
      "basic_auth off\n"
      "messages_per_s 1\nmessages_burst 2\nup_bytes_per_s 4096\nfetches_per_s 4\n"
      "malformed_max 5\nquarantine_s 6\n"
      "serving on\nobjects_dir /var/lib/sluice/objects\n"
      "turn_bytes 65536\nbytes_per_s 7\ndevice_bytes_per_s 8\nmax_queued_messages 9");
  EXPECT_EQ(config.server, "hall-3");
  EXPECT_THAT(config.engine_users, ElementsAre("engine-1", "engine-2", "engine-3"));
  EXPECT_THAT(config.operator_users, ElementsAre("alice@corp", "bob"));
  EXPECT_THAT(config.admin_users, ElementsAre("carol"));
  EXPECT_THAT(config.device_users, ElementsAre("gate-1"));
  EXPECT_THAT(config.device_prefixes, ElementsAre("cam-", "plc-"));
  EXPECT_FALSE(config.client_id_is_username);
  EXPECT_TRUE(config.allow_foreign_topics);
  EXPECT_FALSE(config.acl);
  EXPECT_FALSE(config.basic_auth);
  EXPECT_EQ(config.rates, (RateLimits{1, 2, 4'096, 4, 5, 6}));
  EXPECT_EQ(config.serving, (ServingConfig{true, "/var/lib/sluice/objects", 65'536, 7, 8, 9}));
}

TEST(PluginConfig, AnOptionReplacesAllThatTheFileSays) {
  const PluginConfig config =
      Good("engine_users a b\nserver x\n",
           {{"engine_users", "c"}, {"server", "y"}, {"config", "/ignored"}});
  EXPECT_THAT(config.engine_users, ElementsAre("c"));
  EXPECT_EQ(config.server, "y");
}

struct BadCase {
  std::string_view text;
  PluginOptions options;
  ErrorCode code;
  std::string_view says;
};

class BadPluginConfig : public testing::TestWithParam<BadCase> {};

TEST_P(BadPluginConfig, IsRefusedWithItsPlace) {
  const BadCase& bad = GetParam();
  const auto config = ParsePluginConfig(bad.text, bad.options);
  ASSERT_FALSE(config.has_value());
  EXPECT_EQ(config.error().code, bad.code) << config.error().Line();
  EXPECT_THAT(config.error().text, HasSubstr(std::string(bad.says)));
}

const PluginOptions kNone;
INSTANTIATE_TEST_SUITE_P(
    Each, BadPluginConfig,
    testing::Values(
        BadCase{"", kNone, ErrorCode::kCfgIncomplete, "engine_users"},
        BadCase{"engine_users e\n\nengin_users f", kNone, ErrorCode::kConfigUnknownKey, "line 3:"},
        BadCase{"engine_users e\nserver", kNone, ErrorCode::kUsage, "line 2:"},
        BadCase{"server a\nserver b", kNone, ErrorCode::kConflict, "line 2: server is set twice"},
        BadCase{"server a.b", kNone, ErrorCode::kCfgRange, "line 1: server"},
        BadCase{"engine_users e\ndevice_prefix ca/m", kNone, ErrorCode::kBadIdentity, "line 2:"},
        BadCase{"device_users ca/m", kNone, ErrorCode::kBadIdentity, "line 1:"},
        BadCase{"engine_users \x01", kNone, ErrorCode::kCfgRange, "line 1: engine_users"},
        BadCase{"messages_per_s 0", kNone, ErrorCode::kCfgRange, "from 1 to 1000000"},
        BadCase{"messages_per_s 5x", kNone, ErrorCode::kCfgRange, "whole number"},
        BadCase{"messages_per_s -5", kNone, ErrorCode::kCfgRange, "whole number"},
        BadCase{"quarantine_s 99999999999", kNone, ErrorCode::kCfgRange, "whole number"},
        BadCase{"up_bytes_per_s 4095", kNone, ErrorCode::kCfgRange, "from 4096"},
        BadCase{"turn_bytes 65535", kNone, ErrorCode::kCfgRange, "from 65536"},
        BadCase{"serving yes", kNone, ErrorCode::kCfgRange, "'on' and 'off'"},
        BadCase{"objects_dir var", kNone, ErrorCode::kCfgRange, "absolute"},
        BadCase{"engine_users e\nserving on", kNone, ErrorCode::kCfgIncomplete, "objects_dir"},
        BadCase{"engine_users e\noperator_users e", kNone, ErrorCode::kConflict, "two roles"},
        BadCase{
            "engine_users e", {{"sever", "x"}}, ErrorCode::kConfigUnknownKey, "plugin_opt_sever"},
        BadCase{"engine_users e", {{"acl", ""}}, ErrorCode::kUsage, "plugin_opt_acl"},
        // Overridden, and bad all the same.
        BadCase{"server a.b",
                {{"server", "x"}, {"engine_users", "e"}},
                ErrorCode::kCfgRange,
                "line 1:"}));

TEST(PluginConfig, IsRefusedWhenItIsTooLong) {
  const std::string text = "engine_users e\n" + std::string(limits::kConfigBytesMax, '#');
  EXPECT_EQ(ParsePluginConfig(text, {}).error().code, ErrorCode::kTooBig);
  std::string names = "device_users";
  for (std::size_t i = 0; i <= limits::kConfigNamesMax; ++i) names += " d" + std::to_string(i);
  EXPECT_EQ(ParsePluginConfig(names, {}).error().code, ErrorCode::kTooBig);
}

TEST(LoadPluginConfig, ReadsTheFileAtEachCall) {
  test_support::TemporaryDirectory directory;
  const PluginOptions options = {{"config", directory.File("plugin.conf")}};
  EXPECT_EQ(LoadPluginConfig(options).error().code, ErrorCode::kIo);
  directory.Write("plugin.conf", "engine_users first\n");
  EXPECT_THAT(LoadPluginConfig(options)->engine_users, ElementsAre("first"));
  directory.Write("plugin.conf", "engine_users second\n");
  EXPECT_THAT(LoadPluginConfig(options)->engine_users, ElementsAre("second"));
}

TEST(LoadPluginConfig, DoesWithoutAFile) {
  EXPECT_THAT(LoadPluginConfig({{"engine_users", "e"}})->engine_users, ElementsAre("e"));
}

TEST(ClosedPluginConfig, StillKnowsWhatTheRestOfTheBrokerNeeds) {
  test_support::TemporaryDirectory directory;
  directory.Write("plugin.conf", "nonsense\nforeign_topics allow\nacl perhaps\nbasic_auth off\n");
  const PluginConfig config = ClosedPluginConfig({{"config", directory.File("plugin.conf")}});
  EXPECT_TRUE(config.allow_foreign_topics);
  EXPECT_TRUE(config.acl) << "what cannot be made out stays as it is without a file";
  EXPECT_FALSE(config.basic_auth);
  EXPECT_TRUE(config.engine_users.empty());
}

TEST(ClosedPluginConfig, PutsAnOptionAboveTheFile) {
  test_support::TemporaryDirectory directory;
  directory.Write("plugin.conf", "foreign_topics allow\n");
  EXPECT_FALSE(
      ClosedPluginConfig({{"foreign_topics", "defer"}, {"config", directory.File("plugin.conf")}})
          .allow_foreign_topics);
  EXPECT_TRUE(ClosedPluginConfig({{"config", "/nowhere"}, {"foreign_topics", "allow"}})
                  .allow_foreign_topics);
}

}  // namespace
}  // namespace sluice::plugin
