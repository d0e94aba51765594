#include "device_sdk/examples/digits/hook_answer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace sluice::digits {
namespace {

using nlohmann::json;

TEST(HookAnswer, GivesTheValidationAsTheContractNamesIt) {
  const ValidationRun run{
      .n = 3, .non_finite = 1, .slow = 2, .latency_us_p99 = 40, .scores = {255, 0, 255}};
  EXPECT_EQ(json::parse(ValidateAnswer(run)), (json{{"n", 3},
                                                    {"errors", 0},
                                                    {"nonfinite", 1},
                                                    {"slow", 2},
                                                    {"latency_us_p99", 40},
                                                    {"scores", "/wD/"}}));
}

TEST(HookAnswer, GivesHealthAsTheContractNamesIt) {
  const AppFigures figures{.loaded_sha256 = "ab",
                           .inferences = 9,
                           .errors = 1,
                           .over_latency = 2,
                           .labelled = 8,
                           .score_sum = 7.5,
                           .rss_kb = 1024};
  EXPECT_EQ(json::parse(HealthAnswer(figures)), (json{{"loaded_sha256", "ab"},
                                                      {"inferences", 9},
                                                      {"errors", 1},
                                                      {"over_latency", 2},
                                                      {"labelled", 8},
                                                      {"score_sum", 7.5},
                                                      {"rss_kb", 1024}}));
}

TEST(HookAnswer, IsOneLineBelow64KiBForTheWholeValidationSet) {
  const std::string answer =
      ValidateAnswer({.n = 360, .scores = std::vector<std::uint8_t>(360, 255)});
  EXPECT_EQ(answer.find('\n'), std::string::npos);
  EXPECT_LT(answer.size(), 64U * 1024);
}

TEST(HookAnswer, TellsABadModelFromWhatCannotBeTold) {
  EXPECT_EQ(KindOf(ActivateAnswer("ab")), AnswerKind::kGood);
  EXPECT_EQ(KindOf(ErrorAnswer({ErrorCode::kLoad, "truncated"})), AnswerKind::kModelBad);
  EXPECT_EQ(KindOf(ErrorAnswer({ErrorCode::kIo, "pread"})), AnswerKind::kCannotTell);
  EXPECT_EQ(KindOf(""), AnswerKind::kCannotTell);
  EXPECT_EQ(KindOf("[1]"), AnswerKind::kCannotTell);
}

TEST(ToBase64, FollowsTheTestVectorsOfRfc4648) {
  EXPECT_EQ(ToBase64(AsBytes("")), "");
  EXPECT_EQ(ToBase64(AsBytes("f")), "Zg==");
  EXPECT_EQ(ToBase64(AsBytes("fo")), "Zm8=");
  EXPECT_EQ(ToBase64(AsBytes("foo")), "Zm9v");
  EXPECT_EQ(ToBase64(AsBytes("foob")), "Zm9vYg==");
  EXPECT_EQ(ToBase64(AsBytes("foobar")), "Zm9vYmFy");
}

}  // namespace
}  // namespace sluice::digits
