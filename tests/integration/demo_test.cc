// How the demo ends when it does not come to its end; ./dev demo shows the rest.

#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "demo/child_process.h"
#include "tests/support/recording_events.h"
#include "tests/support/temporary_directory.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

std::string ReadAll(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

TEST(Demo, LeavesNothingBehindWhenItIsInterrupted) {
  const test_support::TemporaryDirectory directory;
  const fs::path temporary = directory.path() / "tmp";
  const fs::path log = directory.path() / "log";
  fs::create_directory(temporary);
  ASSERT_EQ(setenv("TMPDIR", temporary.c_str(), 1), 0);
  auto demo = demo::ChildProcess::Start(
      {std::string(SLUICE_BIN_DIR) + "/sluice-demo", "--bin", SLUICE_BIN_DIR, "--rollouts",
       std::string(SLUICE_SOURCE_DIR) + "/demo", "--images",
       std::string(SLUICE_SOURCE_DIR) + "/data/optdigits.csv.gz"},
      log);
  ASSERT_TRUE(demo.has_value()) << demo.error().Line();
  const auto deadline = std::chrono::steady_clock::now() + test_support::kPatience;
  while (ReadAll(log).find("trained now") == std::string::npos) {  // the broker runs by then
    ASSERT_LT(std::chrono::steady_clock::now(), deadline) << ReadAll(log);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(demo->Stop(SIGINT), 130);
  EXPECT_NE(ReadAll(log).find("E_STATE: interrupted"), std::string::npos) << ReadAll(log);
  EXPECT_TRUE(fs::is_empty(temporary));
}

}  // namespace
}  // namespace sluice
