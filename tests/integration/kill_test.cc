// kill -9 of every program that holds state, in the middle of a rollout: nothing is lost,
// everything ends as it must.

#include <gtest/gtest.h>

#include <fstream>
#include <thread>

#include "demo/story.h"
#include "tests/support/temporary_directory.h"

namespace sluice {
namespace {

using demo::World;

class KillTest : public ::testing::Test {
 protected:
  KillTest()
      : world_({.bin = SLUICE_BIN_DIR,
                .data = SLUICE_SOURCE_DIR "/data/optdigits.csv.gz",
                .dir = directory_.path(),
                .fleet_devices = 24,
                .agent_devices = 2}) {}

  void SetUp() override {
    for (const Status& started : {world_.MakeKeys(), world_.TrainModels(), world_.StartBroker(),
                                  world_.StartEngine(), world_.StartDevices()}) {
      ASSERT_TRUE(started.has_value()) << started.error().Line();
    }
  }

  // Waits until so many devices have confirmed; kills what `victims` names as the count passes each
  // of the marks.
  void RollOut(const std::string& release,
               const std::vector<std::pair<int, std::string>>& victims) {
    const Status published = demo::Publish(world_, release);
    ASSERT_TRUE(published.has_value()) << published.error().Line();
    const Result<std::string> file = demo::WriteRolloutFile(
        world_, {release, "", "first_release.yaml", "completed", ""}, SLUICE_SOURCE_DIR "/demo");
    ASSERT_TRUE(file.has_value()) << file.error().Line();
    const auto created = world_.Ask({"rollout", "create", "-f", *file});
    ASSERT_TRUE(created.has_value()) << created.error().Line();
    const std::string id = created->at("rid");
    ASSERT_TRUE(world_.Sluice({"rollout", "start", id}).has_value());

    std::size_t killed = 0;
    std::string status;
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(100);
    while (status != "completed" && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      const auto rollout = world_.Ask({"rollout", "get", id});  // fails while the engine is down
      if (!rollout) continue;
      status = rollout->value("status", "");
      const int moved = rollout->value("downloading", 0) + rollout->value("verified", 0) +
                        rollout->value("trial", 0) + rollout->value("confirmed", 0);
      if (killed < victims.size() && moved >= victims[killed].first) {
        const Status again = world_.KillAndRestart(victims[killed++].second);
        ASSERT_TRUE(again.has_value()) << again.error().Line();
      }
    }
    EXPECT_EQ(killed, victims.size()) << "the rollout was over before everything was killed";
    ASSERT_EQ(status, "completed");
  }

  void ExpectEveryDeviceRuns(const std::string& release) {
    const auto shown = world_.Ask({"release", "show", release});
    ASSERT_TRUE(shown.has_value()) << shown.error().Line();
    const Result<std::vector<std::string>> off = demo::DevicesOff(
        world_, release, shown->at("artifacts").at(0).at("sha256").get<std::string>());
    ASSERT_TRUE(off.has_value()) << off.error().Line();
    EXPECT_EQ(*off, std::vector<std::string>{});
  }

  test_support::TemporaryDirectory directory_;
  World world_;
};

TEST_F(KillTest, AFirstReleaseSurvivesTheDeathOfEngineFleetAndAgent) {
  RollOut("digits-v1",
          {{1, "sluiced"}, {4, "digits-fleet"}, {10, "sluiced"}, {14, "agent-1"}, {20, "sluiced"}});
  ExpectEveryDeviceRuns("digits-v1");
}

}  // namespace
}  // namespace sluice
