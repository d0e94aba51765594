#include "device_sdk/daemon/hook_runner.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <deque>

#include "common/base/bytes.h"

namespace sluice::device {
namespace {

// Answers from a script, and remembers what was run.
class ScriptedHooks {
 public:
  HookRunner MakeRunner() {
    HookCommands commands;
    commands.validate = {"validate"};
    commands.activate = {"activate"};
    commands.health = {"health"};
    commands.device_id = "cam-1";
    return HookRunner(
        commands,
        [this](const HookCommand& command) -> Result<HookOutcome> {
          runs.push_back(command);
          EXPECT_FALSE(answers.empty()) << "one run too many";
          if (answers.empty()) return Fail(ErrorCode::kInternal);
          HookOutcome outcome = answers.front();
          answers.pop_front();
          return outcome;
        },
        [this](std::chrono::milliseconds delay) { slept += delay; });
  }
  void Print(std::string line) { answers.push_back({HookEnd::kExited, 0, std::move(line), ""}); }
  void Exit(int code) { answers.push_back({HookEnd::kExited, code, "", "sad"}); }
  void TimeOut() { answers.push_back({HookEnd::kTimedOut, 0, "", ""}); }

  std::deque<HookOutcome> answers;
  std::vector<HookCommand> runs;
  std::chrono::milliseconds slept{0};
};

class HookRunnerTest : public ::testing::Test {
 protected:
  std::unique_ptr<sdk::Model> Load(std::uint8_t seed, sdk::Purpose purpose) {
    sdk::ModelFile model;
    model.purpose = purpose;
    model.activation = 7;
    model.fd = fileno(file_);
    model.sha256.fill(seed);
    model.release = "digits-v2";
    model.format = "safetensors";
    std::unique_ptr<sdk::Model> loaded;
    EXPECT_TRUE(runner_.Load(model, loaded).ok());
    return loaded;
  }
  static std::string Sha(std::uint8_t seed) {
    Digest digest;
    digest.bytes.fill(seed);
    return digest.Hex();
  }
  void Serve(std::uint8_t seed, sdk::Purpose purpose = sdk::Purpose::kStart) {
    hooks_.Print("{\"loaded_sha256\":\"" + Sha(seed) + "\"}");
    ASSERT_TRUE(runner_.Activate(Load(seed, purpose)).ok());
  }
  sdk::Status Validate(std::uint8_t seed, sdk::Purpose purpose = sdk::Purpose::kValidateNew) {
    const std::unique_ptr<sdk::Model> model = Load(seed, purpose);
    return runner_.Validate(*model, {}, std::chrono::microseconds(50'000), result_);
  }
  sdk::RunnerCounters Counters() {
    sdk::RunnerCounters counters;
    EXPECT_TRUE(runner_.Counters(counters));
    return counters;
  }
  std::string ReasonOfLastActivation() { return hooks_.runs.back().argv.back(); }
  void SetUp() override { ASSERT_NE(file_, nullptr); }
  void TearDown() override { std::fclose(file_); }

  std::FILE* file_ = std::tmpfile();
  ScriptedHooks hooks_;
  HookRunner runner_ = hooks_.MakeRunner();
  sdk::ValidationResult result_;
};

constexpr char kGoodValidation[] =
    R"({"n":3,"errors":0,"nonfinite":0,"latency_us_p99":120,"slow":0,"scores":"/wD/"})";

TEST_F(HookRunnerTest, ReadsAValidation) {
  hooks_.Print(kGoodValidation);
  ASSERT_TRUE(Validate(2).ok());
  EXPECT_EQ(result_.n, 3u);
  EXPECT_EQ(result_.latency_us_p99, 120u);
  EXPECT_EQ(result_.scores, (std::vector<std::uint8_t>{255, 0, 255}));
  EXPECT_EQ(hooks_.runs[0].environment.at("SLUICE_LATENCY_US_MAX"), "50000");
}

TEST_F(HookRunnerTest, TellsBaseFromNew) {
  hooks_.Print(kGoodValidation);
  hooks_.Print(kGoodValidation);
  ASSERT_TRUE(Validate(1, sdk::Purpose::kValidateBase).ok());
  ASSERT_TRUE(Validate(2, sdk::Purpose::kValidateNew).ok());
  EXPECT_EQ(hooks_.runs[0].argv[4], "base");
  EXPECT_EQ(hooks_.runs[1].argv[4], "new");
}

TEST_F(HookRunnerTest, SaysWhyItActivates) {
  Serve(1, sdk::Purpose::kStart);
  EXPECT_EQ(ReasonOfLastActivation(), "start");
  Serve(2, sdk::Purpose::kInstall);
  EXPECT_EQ(ReasonOfLastActivation(), "install");
  Serve(1, sdk::Purpose::kRevert);
  EXPECT_EQ(ReasonOfLastActivation(), "revert");
}

TEST_F(HookRunnerTest, RefusesAnApplicationThatServesOtherBytes) {
  hooks_.Print("{\"loaded_sha256\":\"" + Sha(9) + "\"}");
  EXPECT_EQ(runner_.Activate(Load(1, sdk::Purpose::kInstall)).code, "E_LOAD");
}

TEST_F(HookRunnerTest, RefusesMalformedAnswersEachWithItsReason) {
  const std::pair<const char*, const char*> rows[] = {
      {"", "one JSON object"},
      {"[]", "one JSON object"},
      {R"({"n":-1,"errors":0,"nonfinite":0,"latency_us_p99":1,"slow":0,"scores":""})",
       "n is missing"},
      {R"({"n":4294967296,"errors":0,"nonfinite":0,"latency_us_p99":1,"slow":0,"scores":""})",
       "n is missing"},
      {R"({"n":1,"errors":0,"nonfinite":0,"latency_us_p99":1,"slow":0,"scores":""})", "n bytes"},
      {R"({"n":1,"errors":0,"nonfinite":0,"latency_us_p99":1,"slow":0,"scores":"*w=="})", "base64"},
      {R"({"n":1,"errors":0,"nonfinite":0,"latency_us_p99":1.5,"slow":0,"scores":"/w=="})",
       "latency_us_p99"},
  };
  for (const auto& [line, why] : rows) {
    hooks_.Print(line);
    const sdk::Status status = Validate(2);
    EXPECT_EQ(status.code, "E_HOOK_OUTPUT") << line;
    EXPECT_NE(status.text.find(why), std::string::npos) << status.text;
  }
}

TEST_F(HookRunnerTest, BelievesAHookThatTheModelIsBadOrDoesNotFit) {
  hooks_.Exit(10);
  const sdk::Status bad = Validate(2);
  EXPECT_EQ(bad.code, "E_LOAD");
  EXPECT_NE(bad.text.find("sad"), std::string::npos);
  hooks_.Exit(11);
  EXPECT_EQ(Validate(2).code, "E_ABI");
  EXPECT_EQ(hooks_.runs.size(), 2u);
}

TEST_F(HookRunnerTest, AsksAHookThatCannotTellThreeTimesMore) {
  for (int i = 0; i < 4; ++i) hooks_.Exit(20);
  EXPECT_EQ(Validate(2).code, "E_HOOK_UNAVAILABLE");
  EXPECT_EQ(hooks_.slept, std::chrono::seconds(90));
}

TEST_F(HookRunnerTest, TriesAFailureOnceMore) {
  hooks_.Exit(1);
  hooks_.Print(kGoodValidation);
  EXPECT_TRUE(Validate(2).ok());
  hooks_.Exit(1);
  hooks_.Exit(1);
  EXPECT_EQ(Validate(2).code, "E_HOOK_FAILED");
  hooks_.TimeOut();
  hooks_.TimeOut();
  EXPECT_EQ(Validate(2).code, "E_HOOK_TIMEOUT");
}

TEST_F(HookRunnerTest, KeepsTheCountersOfTheModelThatServes) {
  Serve(1);
  hooks_.Print(
      "{\"loaded_sha256\":\"" + Sha(1) +
      R"(","inferences":100,"errors":1,"over_latency":2,"labelled":90,"score_sum":80.5,"rss_kb":5000})");
  ASSERT_TRUE(runner_.Health().ok());
  EXPECT_EQ(hooks_.runs.back().argv, (std::vector<std::string>{"health", "--activation", "7"}));
  EXPECT_EQ(Counters().inferences, 100u);
  EXPECT_DOUBLE_EQ(Counters().score_sum, 80.5);
}

TEST_F(HookRunnerTest, CountsNothingFromAnApplicationThatServesSomethingElse) {
  Serve(1);
  hooks_.Print(
      "{\"loaded_sha256\":\"" + Sha(7) +
      R"(","inferences":100,"errors":1,"over_latency":2,"labelled":90,"score_sum":80,"rss_kb":5000})");
  EXPECT_EQ(runner_.Health().code, "E_HEALTH");
  EXPECT_EQ(Counters().inferences, 0u);
}

TEST_F(HookRunnerTest, CountsNothingThatCannotBeTrue) {
  Serve(1);
  for (const char* sum : {"1e400", "-1", "91", "\"80\""}) {
    hooks_.Print(
        "{\"loaded_sha256\":\"" + Sha(1) +
        R"(","inferences":100,"errors":1,"over_latency":2,"labelled":90,"rss_kb":5000,"score_sum":)" +
        sum + "}");
    EXPECT_EQ(runner_.Health().code, "E_HOOK_OUTPUT") << sum;
  }
  EXPECT_EQ(Counters().inferences, 0u);
}

TEST_F(HookRunnerTest, TakesAnUnhealthyExitAsOneSample) {
  Serve(1);
  hooks_.Exit(1);
  EXPECT_EQ(runner_.Health().code, "E_HEALTH");
}

}  // namespace
}  // namespace sluice::device
