// digits-hook and digits-app as processes, called as sluice-agent calls them.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/crypto/digest.h"
#include "demo/child_process.h"
#include "device_sdk/agent/unique_fd.h"
#include "device_sdk/examples/digits/mlp.h"
#include "tests/support/temporary_directory.h"

namespace sluice::digits {
namespace {

using demo::ChildProcess;
using demo::Finished;
using device::UniqueFd;
using nlohmann::json;

constexpr std::chrono::seconds kPatience{20};
constexpr std::chrono::milliseconds kPollInterval{5};

std::string Program(const char* name) { return std::string(SLUICE_BIN_DIR) + "/" + name; }

Bytes ModelThatSays(std::size_t digit) {
  Mlp mlp;
  mlp.output.biases[digit] = 1.0F;
  return WriteSafetensors(ToTensors(mlp));
}

class DigitsHook : public ::testing::Test {
 protected:
  /// A descriptor that the hook inherits.
  UniqueFd Open(ByteView bytes) {
    const std::string path = directory_.Write("bytes", AsText(bytes));
    UniqueFd fd(
        open(path.c_str(), O_RDONLY));  // NOLINT(android-cloexec-open): it must be inherited
    EXPECT_GE(fd.get(), 0);
    std::filesystem::remove(path);  // only the descriptor leads to the bytes
    return fd;
  }
  Finished Hook(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), Program("digits-hook"));
    const auto finished = demo::RunProgram(arguments, kPatience);
    EXPECT_TRUE(finished.has_value()) << finished.error().Line();
    return finished.value_or(Finished{.exit_code = -1, .out = "", .err = ""});
  }
  Finished Activate(ByteView model) {
    const UniqueFd fd = Open(model);
    return Hook({"activate", "--model", std::to_string(fd.get()), "--reason", "install", "--socket",
                 socket_});
  }
  Finished Health() { return Hook({"health", "--activation", "1", "--socket", socket_}); }
  void StartApp() {
    auto started = ChildProcess::Start({Program("digits-app"), "--socket", socket_, "--images",
                                        SLUICE_DIGIT_IMAGES, "--rate", "500"},
                                       directory_.File("app.log"));
    ASSERT_TRUE(started.has_value()) << started.error().Line();
    app_.emplace(std::move(*started));
    // Its first sign of life is that it answers.
    ASSERT_TRUE(WaitUntil([this] { return Health().exit_code == 0; }));
  }
  template <class Condition>
  static bool WaitUntil(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < deadline) {
      if (condition()) return true;
      std::this_thread::sleep_for(kPollInterval);
    }
    return false;
  }

  test_support::TemporaryDirectory directory_;
  const std::string socket_ = directory_.File("app.sock");
  std::optional<ChildProcess> app_;
};

TEST_F(DigitsHook, HandsTheDescriptorToTheApplicationWhichHashesAndServesIt) {
  StartApp();
  const Bytes model = ModelThatSays(3);
  const Finished activated = Activate(model);
  ASSERT_EQ(activated.exit_code, 0) << activated.err;
  EXPECT_EQ(json::parse(activated.out)["loaded_sha256"], Sha256(model).Hex());
  ASSERT_TRUE(WaitUntil([this] { return json::parse(Health().out)["inferences"] >= 20; }));
  const json health = json::parse(Health().out);
  EXPECT_EQ(health["loaded_sha256"], Sha256(model).Hex());
  EXPECT_EQ(health["labelled"], health["inferences"]);
  EXPECT_EQ(health["errors"], 0);
}

TEST_F(DigitsHook, SaysThatABadModelIsBadWhileTheFormerOneServes) {
  StartApp();
  const Bytes good = ModelThatSays(3);
  ASSERT_EQ(Activate(good).exit_code, 0);
  EXPECT_EQ(Activate(AsBytes("no model")).exit_code, 10);
  EXPECT_EQ(json::parse(Health().out)["loaded_sha256"], Sha256(good).Hex());
}

TEST_F(DigitsHook, CannotTellWithoutItsApplication) {
  EXPECT_EQ(Activate(ModelThatSays(3)).exit_code, 20);
  EXPECT_EQ(Health().exit_code, 20);
}

TEST_F(DigitsHook, ValidatesBothModelsOnTheSet) {
  Images images(5);
  images[2].label = 6;
  const UniqueFd set = Open(EncodeValidationSet(images));
  const UniqueFd model = Open(ModelThatSays(6));
  const Finished validated =
      Hook({"validate", "--model", std::to_string(model.get()), "--role", "new", "--data",
            std::to_string(set.get()), "--budget-ms", "120000"});
  ASSERT_EQ(validated.exit_code, 0) << validated.err;
  const json answer = json::parse(validated.out);
  EXPECT_EQ(answer["n"], 5);
  EXPECT_EQ(answer["scores"], "AAD/AAA=");
  const UniqueFd garbage = Open(AsBytes("no model"));
  EXPECT_EQ(Hook({"validate", "--model", std::to_string(garbage.get()), "--role", "base", "--data",
                  std::to_string(set.get())})
                .exit_code,
            10);
}

TEST_F(DigitsHook, LeavesNoSocketBehindWhenTheApplicationEnds) {
  StartApp();
  EXPECT_EQ(app_->Stop(SIGTERM), 0);
  EXPECT_FALSE(std::filesystem::exists(socket_));
}

}  // namespace
}  // namespace sluice::digits
