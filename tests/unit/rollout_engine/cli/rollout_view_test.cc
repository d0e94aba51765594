#include "rollout_engine/cli/rollout_view.h"

#include <gtest/gtest.h>

namespace sluice {
namespace {

constexpr std::int64_t kNowMs = 1'800'000'000'000;

constexpr char kRunning[] = R"({"api_version":"v1","rid":"r-0042","model":"detector",
  "release":"detector-v3.2","status":"running","stage":"canary","stage_no":1,"stages":2,
  "verdict":"pending","why":"soaking: no criterion shown violated","targeted":50,"confirmed":44,
  "failed":1,"reverted":0,"lost":0,"deferred":5,"offered":2,"trial":3,"rev":9,
  "created":1799977680000,
  "stage_list":[
   {"name":"canary","target_percent":5,"devices":50,"done_percent":88,"soak_left_s":64080,
    "status":"running","verdict":"pending"},
   {"name":"general","target_percent":100,"devices":950,"done_percent":0,"soak_left_s":-1,
    "status":"waiting","verdict":"pending"}],
  "ab":{"stage":"canary","accuracy_drop_test":0.004,"accuracy_drop_limit":0.02,
   "error_rate_test":0.0188,"error_rate_limit":0.001,"latency_p99_ms_test":41}})";

TEST(RolloutScreen, ShowsTheRolloutItsStagesAndWhatNeedsAttention) {
  EXPECT_EQ(RolloutScreen(kRunning, kNowMs, false).value(),
            "NAME    MODEL     RELEASE        STATUS   STAGE         DONE   CONFIRMED  FAILED  "
            "REVERTED  VERDICT  AGE\n"
            "r-0042  detector  detector-v3.2  running  canary (1/2)  44/50  44         1       "
            "0         pending  6h12m\n"
            "STAGE         DEVICES  PROGRESS               STATUS   SOAK LEFT  ACC DROP     "
            "ERR RATE      P99 MS\n"
            "canary 5%     44/50    [################---]  running  17h48m     0.004<=0.02  "
            "0.0188>0.001  41\n"
            "general 100%  0/950    [-------------------]  waiting  -          -            "
            "-             -\n"
            "! 1 failed, 5 deferred\n"
            "! soaking: no criterion shown violated\n");
}

TEST(RolloutScreen, ShowsLatencyOnlyOnceADeviceHasToldIt) {
  std::string rollout = kRunning;
  const std::string told = "\"latency_p99_ms_test\":41";
  rollout.replace(rollout.find(told), told.size(),
                  "\"latency_p99_ms_test\":41,\"latency_p99_ms_limit\":50");
  EXPECT_NE(RolloutScreen(rollout, kNowMs, false)->find("  41<=50\n"), std::string::npos);
  rollout.replace(rollout.find(told), told.size(), "\"latency_p99_ms_test\":-1");
  EXPECT_NE(RolloutScreen(rollout, kNowMs, false)->find("0.0188>0.001  -\n"), std::string::npos);
}

TEST(RolloutScreen, AddsColumnsWhenItIsWide) {
  EXPECT_NE(RolloutScreen(kRunning, kNowMs, true)->find("OFFERED"), std::string::npos);
}

TEST(RolloutLine, HoldsNothingThatChangesByItself) {
  EXPECT_EQ(RolloutLine(kRunning).value(),
            "r-0042 detector-v3.2 running, canary (1/2), confirmed 44/50, failed 1: soaking: no "
            "criterion shown violated");
}

TEST(RolloutView, BearsMissingAndMistypedMembers) {
  for (const char* json : {"{}", R"({"rid":1,"stage_list":{},"ab":[],"created":"x"})",
                           R"({"stage_list":[{"devices":"many"}]})"}) {
    EXPECT_TRUE(RolloutScreen(json, kNowMs, false)) << json;
    EXPECT_TRUE(RolloutLine(json)) << json;
  }
  EXPECT_FALSE(RolloutScreen("<html>", kNowMs, false));
}

TEST(RolloutTable, HasARowPerRollout) {
  const std::string list = R"({"items":[{"rid":"r-1","status":"completed"},{"rid":"r-2"}]})";
  const std::string table = RolloutTable(list, kNowMs, false).value();
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 3);
}

TEST(ExplanationText, SaysWhatWasObservedAndWhatIsMissing) {
  EXPECT_EQ(
      ExplanationText(
          R"({"rid":"r-1","status":"running","stage":"canary","verdict":"pending",
                 "why":"soaking","missing":["the soak lasts another 90 s"],
                 "next_check":1800000030000,
                 "criteria":[{"criterion":"error_rate","scope":"fleet","observed":0.0003,
                  "lo":0.0001,"hi":0.0006,"limit":0.001,"devices":40,"n":9000,"verdict":"pass"}]})",
          kNowMs)
          .value(),
      "r-1 is running at canary, verdict pending\n"
      "soaking\n"
      "CRITERION   SCOPE  OBSERVED  INTERVAL          CONTROL  LIMIT  DEVICES  N     VERDICT\n"
      "error_rate  fleet  0.0003    [0.0001, 0.0006]  -        0.001  40       9000  pass\n"
      "waiting for: the soak lasts another 90 s\n"
      "next look in 30s\n");
}

TEST(ExplanationText, NamesTheVariantAndTheDevicesBehindAFinding) {
  const std::string text =
      ExplanationText(
          R"({"rid":"r-1","status":"holding","stage":"canary","verdict":"inconclusive",
              "suspects":["cam-1","cam-2"],
              "criteria":[{"variant":"d-int8","criterion":"error_rate","scope":"fleet",
               "observed":0.01,"verdict":"pass"}]})",
          kNowMs)
          .value();
  EXPECT_NE(text.find("VARIANT  CRITERION"), std::string::npos) << text;
  EXPECT_NE(text.find("d-int8   error_rate"), std::string::npos) << text;
  EXPECT_NE(text.find("the finding comes from: cam-1, cam-2\n"), std::string::npos) << text;
}

TEST(RolloutScreen, ShowsTheVariantsThatAreCompared) {
  const std::string screen = RolloutScreen(R"({"rid":"r-1","variants":[
          {"version":"d-int8","weight":3,"status":"testing","devices":30,"done_percent":90.0,
           "error_rate_test":0.0004,"error_rate_limit":0.001,"verdict":"pending"},
          {"version":"d-fp16","weight":1,"status":"dropped","devices":10,"done_percent":0.0,
           "verdict":"fail"}]})",
                                           kNowMs, false)
                                 .value();
  EXPECT_NE(
      screen.find("VARIANT  WEIGHT  STATUS   DEVICES  DONE  ACC DROP  ERR RATE       VERDICT\n"
                  "d-int8   3       testing  30       90%   -         0.0004<=0.001  pending\n"
                  "d-fp16   1       dropped  10       0%    -         -              fail\n"),
      std::string::npos)
      << screen;
}

TEST(PlanText, SaysWhoGetsWhatWhatCanBeFoundAndWhatIsRisky) {
  EXPECT_EQ(
      PlanText(R"({"release":"d-v2","model":"d","devices":100,"without_base":3,"bytes":1234500,
              "stages":[{"name":"canary","target_percent":5,"duration_s":86400,"devices":5,
               "hardware":{"edge-a":3,"edge-b":2},"bytes":61725,"can_decide":true,
               "criteria":[{"criterion":"error_rate","scope":"fleet","devices":5,"observed":0.0003,
                "limit":0.001,"detectable":0.0021},
                {"criterion":"error_rate","scope":"edge-b","devices":2}]}],
              "payloads":[{"release":"d-v2","hardware":"edge-a","base":"d-v1","kind":"delta",
               "devices":60,"bytes":12345}],"warnings":["small canary"]})")
          .value(),
      "d-v2 of d to 100 devices, 3 of them without a base, 1.2 MB in all\n"
      "STAGE   TARGET  SOAK   DEVICES  BYTES    DECIDES  HARDWARE\n"
      "canary  5%      1d00h  5        61.7 kB  yes      edge-a:3 edge-b:2\n"
      "STAGE   CRITERION   SCOPE   DEVICES  TODAY   LIMIT  FINDS FROM\n"
      "canary  error_rate  fleet   5        0.0003  0.001  0.0021\n"
      "canary  error_rate  edge-b  2        -       -      -\n"
      "RELEASE  HARDWARE  FROM  KIND   DEVICES  BYTES EACH\n"
      "d-v2     edge-a    d-v1  delta  60       12.3 kB\n"
      "! small canary\n");
}

TEST(RolloutHealth, IsAnExitCode) {
  const struct {
    const char* status;
    bool over;
    int exit_code;
  } rows[] = {
      {"scheduled", false, 0},    {"running", false, 0},    {"completed", true, 0},
      {"holding", false, 6},      {"paused", false, 6},     {"awaiting_approval", false, 6},
      {"rolling_back", false, 7}, {"rolled_back", true, 7}, {"aborted", true, 7},
  };
  for (const auto& row : rows) {
    const auto health = HealthOf(std::string(R"({"status":")") + row.status + R"("})");
    ASSERT_TRUE(health);
    EXPECT_EQ(health->over, row.over) << row.status;
    EXPECT_EQ(health->exit_code, row.exit_code) << row.status;
  }
}

}  // namespace
}  // namespace sluice
