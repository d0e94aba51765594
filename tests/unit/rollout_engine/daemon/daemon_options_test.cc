#include "rollout_engine/daemon/daemon_options.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

/// What came of these arguments and what was printed to stderr.
std::pair<ParsedOptions, std::string> Parse(std::vector<std::string> arguments) {
  std::vector<char*> argv;
  arguments.insert(arguments.begin(), "sluiced");
  for (std::string& argument : arguments) argv.push_back(argument.data());
  testing::internal::CaptureStderr();
  ParsedOptions parsed = ParseDaemonOptions(static_cast<int>(argv.size()), argv.data());
  return {std::move(parsed), testing::internal::GetCapturedStderr()};
}

const std::vector<std::string> kComplete = {
    "--data",  "/var/lib/sluice", "--broker",       "tcp://127.0.0.1:1883",
    "--fleet", "plant-7",         "--director-key", "director.key",
    "--root",  "root.env"};

TEST(DaemonOptions, ListenInTheDataFolderUnlessToldOtherwise) {
  const auto [parsed, text] = Parse(kComplete);
  ASSERT_TRUE(parsed.options) << text;
  EXPECT_EQ(parsed.options->socket_path, "/var/lib/sluice/sluiced.sock");
  EXPECT_EQ(parsed.options->engine_id, "engine");
}

TEST(DaemonOptions, HaveNoRulesUnlessAFileIsNamed) {
  EXPECT_EQ(Parse(kComplete).first.options->rules_path, "");
  std::vector<std::string> with_rules = kComplete;
  with_rules.insert(with_rules.end(), {"--rules", "/etc/sluice/rules.yaml"});
  EXPECT_EQ(Parse(with_rules).first.options->rules_path, "/etc/sluice/rules.yaml");
}

TEST(DaemonOptions, RefuseWhatMakesNoSenseInOneLine) {
  std::vector<std::string> unknown = kComplete;
  unknown.emplace_back("--frob");
  std::vector<std::string> no_file = kComplete;
  no_file.insert(no_file.end(), {"--config", "/nowhere/sluiced.conf"});
  for (const auto& arguments : {std::vector<std::string>{}, unknown, no_file}) {
    const auto [parsed, text] = Parse(arguments);
    EXPECT_FALSE(parsed.options);
    EXPECT_EQ(parsed.exit_code, 2);
    EXPECT_TRUE(text.starts_with("E_USAGE: ")) << text;
    EXPECT_EQ(text.find('\n'), text.size() - 1) << text;
  }
}

}  // namespace
}  // namespace sluice
