// The retained topics of the operator plane: exactly these keys, numbers as numbers, only what
// changed.
#include <nlohmann/json.hpp>
#include <set>

#include "device_sdk/agent/latency_sketch.h"
#include "tests/unit/rollout_engine/engine/fleet_fixture.h"

namespace sluice {
namespace {

using nlohmann::json;
using Keys = std::set<std::string>;

Keys KeysOf(const json& object) {
  Keys keys;
  for (const auto& [key, value] : object.items()) {
    keys.insert(key);
    EXPECT_FALSE(value.is_object() || value.is_array()) << key << " is not flat";
    EXPECT_FALSE(value.is_null()) << key << " is null";
  }
  return keys;
}

class ViewTopics : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(fleet_.StartEngine());
    v1_ = fleet_.Release("detector-v1", 1, Fleet::Artifact(1));
    fleet_.Release("detector-v2", 2, Fleet::Artifact(2));
    fleet_.AddDevices(80, v1_);
    ASSERT_TRUE(fleet_.Create(TwoStages("detector-v2"), "r").ok());
    ASSERT_TRUE(fleet_.Operate("start", "r").ok());
    for (int i = 0; i < 3; ++i) {
      fleet_.InferAll();
      fleet_.Pass(5'000);
    }
  }
  json Topic(const std::string& topic) {
    const std::string text = fleet_.Retained("sluice/v1/" + topic);
    EXPECT_FALSE(text.empty()) << topic;
    return text.empty() ? json::object() : json::parse(text);
  }

  Fleet fleet_;
  Digest v1_;
};

TEST_F(ViewTopics, HaveExactlyTheKeysOfTheContract) {
  EXPECT_EQ(fleet_.Retained("sluice/v1/engine/engine/online"), "online");
  EXPECT_EQ(KeysOf(Topic("engine/engine/state")),
            (Keys{"version", "epoch", "leader", "broker_connected", "devices", "online", "store",
                  "server", "server_lease", "server_serving", "ts"}));
  EXPECT_EQ(KeysOf(Topic("fleet/state")),
            (Keys{"devices", "online", "confirmed", "downloading", "trial", "failed", "reverted",
                  "sleeping", "lost", "ts"}));
  EXPECT_EQ(KeysOf(Topic("rollout/r/state")),
            (Keys{"rid",       "model",    "release",  "status",      "stage",    "stage_no",
                  "stages",    "percent",  "verdict",  "why",         "eta_s",    "rev",
                  "ts",        "targeted", "offered",  "downloading", "verified", "trial",
                  "confirmed", "failed",   "reverted", "lost",        "deferred"}));
  EXPECT_EQ(KeysOf(Topic("rollout/r/stage/canary/state")),
            (Keys{"name", "target_percent", "devices", "done_percent", "started", "soak_left_s",
                  "status", "verdict", "why", "ts"}));
  EXPECT_EQ(
      KeysOf(Topic("device/dev-000/state")),
      (Keys{"model", "reported", "desired", "previous", "state", "waiting", "busy", "progress",
            "bytes_done", "bytes_total", "slot", "error", "next_contact_s", "ts"}));
  EXPECT_EQ(fleet_.Retained("sluice/v1/device/dev-000/online"), "online");
  EXPECT_EQ(KeysOf(Topic("device/dev-000/metrics")),
            (Keys{"release", "accuracy", "error_rate", "latency_p99_ms", "n", "ts"}));
  const Keys ab = KeysOf(Topic("rollout/r/ab"));
  for (const char* key :
       {"stage", "look", "control_n", "test_n", "latency_p99_ms_control", "latency_p99_ms_test",
        "verdict", "ts", "error_rate_control", "error_rate_test", "error_rate_lo", "error_rate_hi",
        "error_rate_limit", "error_rate_verdict"}) {
    EXPECT_TRUE(ab.contains(key)) << key;
  }
}

TEST_F(ViewTopics, ShowWhatIsSo) {
  const json rollout = Topic("rollout/r/state");
  EXPECT_EQ(rollout.at("status"), "running");
  EXPECT_EQ(rollout.at("stage"), "canary");
  EXPECT_EQ(rollout.at("stage_no"), 1);
  EXPECT_EQ(rollout.at("targeted"), 20);
  EXPECT_EQ(rollout.at("confirmed"), 20);
  EXPECT_EQ(rollout.at("percent"), 25.0);
  const json stage = Topic("rollout/r/stage/general/state");
  EXPECT_EQ(stage.at("status"), "waiting");
  EXPECT_EQ(stage.at("soak_left_s"), -1);
  for (auto& device : fleet_.devices()) {
    const json view = Topic("device/" + device->id() + "/state");
    EXPECT_EQ(view.at("reported"), device->release());
    EXPECT_EQ(view.at("desired"), device->release());
    EXPECT_EQ(view.at("state"), device->release() == "detector-v2" ? "confirmed" : "idle");
  }
}

TEST_F(ViewTopics, CompareTheLatenciesOfBothArmsOnceThereAreSketches) {
  EXPECT_EQ(Topic("rollout/r/ab").at("latency_p99_ms_test"), -1);
  EXPECT_EQ(Topic("rollout/r/ab").at("latency_p99_ms_control"), -1);
  for (auto& device : fleet_.devices()) {
    device::LatencySketch sketch;
    const bool is_test = device->release() == "detector-v2";
    for (int i = 0; i < 100; ++i) sketch.Record(is_test ? 40'000 : 20'000);
    device->lat_bins = sketch.Take();
  }
  fleet_.InferAll();
  fleet_.Pass(10'000);
  const json ab = Topic("rollout/r/ab");
  EXPECT_NEAR(ab.at("latency_p99_ms_test").get<double>(), 40, 0.81);
  EXPECT_NEAR(ab.at("latency_p99_ms_control").get<double>(), 20, 0.41);
}

TEST_F(ViewTopics, StillKnowTheLatenciesAfterARestartOfTheEngine) {
  auto& device = fleet_.device(0);
  device::LatencySketch sketch;
  for (int i = 0; i < 100; ++i) sketch.Record(40'000);
  device.lat_bins = sketch.Take();
  fleet_.InferAll();
  fleet_.Pass(10'000);
  const std::uint64_t release = device.active().Prefix64();
  ASSERT_NEAR(fleet_.engine().telemetry().LatencyP99Of(device.id(), release).value_or(0), 40, 0.81);
  const auto totals = fleet_.engine().telemetry().fleet().Get(device.id());
  fleet_.CrashEngine();
  ASSERT_TRUE(fleet_.StartEngine());
  EXPECT_NEAR(fleet_.engine().telemetry().LatencyP99Of(device.id(), release).value_or(0), 40, 0.81);
  EXPECT_EQ(fleet_.engine().telemetry().fleet().Get(device.id())->segments, totals->segments);
}

TEST_F(ViewTopics, ComeAgainWhenTheBrokerForgets) {
  fleet_.broker().Restart(false);
  EXPECT_EQ(fleet_.Retained("sluice/v1/rollout/r/state"), "");
  fleet_.Pass(5'000);
  EXPECT_NE(fleet_.Retained("sluice/v1/rollout/r/state"), "");
  EXPECT_NE(fleet_.Retained("sluice/v1/device/dev-079/state"), "");
}

TEST_F(ViewTopics, MarkADeviceOfflineAndTheEngineToo) {
  fleet_.broker().CutLink("dev-003");
  fleet_.Pass(6'000);
  EXPECT_EQ(fleet_.Retained("sluice/v1/device/dev-003/online"), "offline");
  EXPECT_EQ(Topic("engine/engine/state").at("online"), 79);
  fleet_.broker().CutLink("engine");
  fleet_.Pass(1'000);
  EXPECT_EQ(fleet_.Retained("sluice/v1/engine/engine/online"), "offline");
}

}  // namespace
}  // namespace sluice
