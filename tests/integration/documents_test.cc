// The commands of the documents, run as they are written: a real broker, the real programs.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "demo/child_process.h"
#include "tests/support/mosquitto_broker.h"
#include "tests/support/temporary_directory.h"

namespace sluice {
namespace {

constexpr std::chrono::seconds kPatience{20};

/// The rollout file that the page about decisions speaks of.
constexpr const char* kJudgedRollout = R"(rollout:
  model_version: "detector-v3.2"
  stages:
    - name: canary
      target_percent: 5
      duration_hours: 2
      success_criteria: {accuracy_drop_max: 0.02, error_rate_max: 0.001, latency_p99_max_ms: 50}
    - {name: general, target_percent: 100}
)";

/// The first block of indented lines behind `heading`, a command a line.
std::vector<std::string> CommandsOf(const std::string& document, const std::string& heading) {
  std::ifstream file(std::string(SLUICE_SOURCE_DIR) + "/" + document);
  std::vector<std::string> commands;
  bool behind = false, continues = false;
  for (std::string line; std::getline(file, line);) {
    behind = behind || line.starts_with(heading);
    const bool indented = line.starts_with("    ");
    if (!behind || (!indented && commands.empty())) continue;
    if (!indented) break;
    line.erase(0, 4);
    const bool goes_on = line.ends_with("\\");
    if (goes_on) line.pop_back();
    continues ? commands.back() += line : commands.emplace_back(line);
    continues = goes_on;
  }
  return commands;
}

class Documents : public testing::Test {
 protected:
  void SetUp() override {
    auto started = test_support::MosquittoBroker::Start();
    ASSERT_TRUE(started) << started.error().Line();
    broker_ = std::move(*started);
    directory_.Write("meta.yaml", "model: detector\nhardware: [jetson-nano]\nformat: onnx\n");
    directory_.Write("model.onnx", std::string(200'000, 'm'));
    directory_.Write("rollout.yaml",
                     "rollout:\n  model_version: \"detector-v3.2\"\n  stages:\n"
                     "    - {name: all, target_percent: 100, success_criteria: "
                     "{error_rate_max: 0.001}}\n");
    directory_.Write("cam-1.conf", "broker = " + broker_->Url() +
                                       "\nfleet = f1\ndevice = cam-1\nmodel = detector\nhardware = "
                                       "jetson-nano\nstate_dir = " +
                                       directory_.File("cam-1") + "\n");
  }

  std::string InTheTestsPlaces(std::string command) const {
    const std::pair<std::string, std::string> places[] = {
        {"/var/lib/sluice", directory_.File("data")}, {"tcp://broker:1883", broker_->Url()}};
    for (const auto& [written, here] : places) {
      if (const std::size_t at = command.find(written); at != std::string::npos)
        command.replace(at, written.size(), here);
    }
    return command;
  }

  std::vector<std::string> Shell(const std::string& command) const {
    return {"/bin/bash", "-c",
            "cd " + directory_.path().string() + " && PATH=" SLUICE_BIN_DIR ":$PATH && " +
                exports_ + command};
  }

  demo::Finished Run(const std::string& command) const {
    const auto finished = demo::RunProgram(Shell(InTheTestsPlaces(command)), kPatience);
    if (!finished) return {.exit_code = -1, .out = {}, .err = finished.error().Line()};
    return *finished;
  }

  void StartBeside(const std::string& command, const std::string& name) {
    auto child = demo::ChildProcess::Start(Shell("exec " + InTheTestsPlaces(command)),
                                           directory_.File(name));
    ASSERT_TRUE(child) << child.error().Line();
    beside_.push_back(std::move(*child));
  }

  void AwaitOutput(const std::string& command, const std::string& text) const {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (Run(command).out.find(text) == std::string::npos) {
      ASSERT_LT(std::chrono::steady_clock::now(), deadline) << command << " never says " << text;
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // another process's time
    }
  }

  /// Does as a reader would who types one line after the other.
  void Follow(const std::vector<std::string>& commands) {
    for (std::string command : commands) {
      SCOPED_TRACE(command);
      if (command.starts_with("export ")) {
        exports_ += InTheTestsPlaces(command) + " && ";
        AwaitOutput("sluice engine status", "f1");
        Follow(CommandsOf("docs/device.md", "**Beside the application**"));
        AwaitOutput("sluice device list -o name", "cam-1");
      } else if (command.ends_with(" &")) {
        StartBeside(command.substr(0, command.size() - 2), "engine.log");
      } else if (command.starts_with("sluice-agent run")) {
        StartBeside(command, "agent.log");
      } else {
        // A reader may watch for as long as he likes.
        if (command.ends_with(" -w")) command.resize(command.size() - 3);
        const demo::Finished finished = Run(command);
        ASSERT_EQ(finished.exit_code, 0) << finished.err;
      }
    }
  }

  test_support::TemporaryDirectory directory_;
  std::unique_ptr<test_support::MosquittoBroker> broker_;
  std::vector<demo::ChildProcess> beside_;
  std::string exports_;
};

TEST_F(Documents, SayWhatTheProgramsDo) {
  const std::vector<std::string> commands = CommandsOf("README.md", "**Use it.**");
  ASSERT_GE(commands.size(), 7u);
  Follow(commands);
  EXPECT_EQ(Run("sluice rollout get r-0001 -o name").out, "r-0001\n");
}

// These need no engine.
TEST(DecisionsPage, SaysWhatTheCommandLineDoes) {
  const test_support::TemporaryDirectory directory;
  directory.Write("rollout.yaml", kJudgedRollout);
  std::filesystem::copy(SLUICE_SOURCE_DIR
                        "/tests/unit/rollout_engine/snapshot/vectors/decision_err_02_fast.json",
                        directory.File("look.json"));
  const auto run = [&](const std::string& command) {
    const auto finished = demo::RunProgram(
        {"/bin/bash", "-c",
         "cd " + directory.path().string() + " && PATH=" SLUICE_BIN_DIR ":$PATH && " + command},
        kPatience);
    EXPECT_TRUE(finished && finished->exit_code == 0)
        << command << ": " << (finished ? finished->err : finished.error().Line());
    return finished ? finished->out : "";
  };
  const char* const page = "docs/decisions_explained.md";
  std::vector<std::string> commands = CommandsOf(page, "**Simulate.**");
  ASSERT_EQ(commands.size(), 2u);
  const std::string table = run(commands[0]);
  EXPECT_NE(table.find("healthy"), std::string::npos) << table;
  EXPECT_NE(table.find("point_estimate"), std::string::npos) << table;
  run(commands[1]);
  EXPECT_GT(std::filesystem::file_size(directory.File("errors.svg")), 1'000u);
  commands = CommandsOf(page, "**Judge again.**");
  ASSERT_EQ(commands.size(), 2u);
  const std::string judged = run(commands[0]);
  EXPECT_NE(judged.find("rolled back at "), std::string::npos) << judged;
  EXPECT_EQ(run(commands[1]), judged);
  EXPECT_EQ(run("cat look.json | sluice rollout judge -"), judged);
}

}  // namespace
}  // namespace sluice
