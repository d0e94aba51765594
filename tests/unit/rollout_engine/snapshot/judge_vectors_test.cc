// Every decision vector and every row of the unit vectors, at the tolerance that the files name.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "rollout_engine/core/judge.h"
#include "rollout_engine/core/judge_bounds.h"
#include "rollout_engine/snapshot/snapshot_json.h"

namespace sluice {
namespace {

using Json = SnapshotJson;

const std::filesystem::path kVectors = SLUICE_DECISION_VECTORS;

std::string ReadText(const std::filesystem::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

Json ReadJson(const std::filesystem::path& path) { return Json::parse(ReadText(path)); }

JudgeOutput JudgeFile(const std::filesystem::path& path) {
  const auto snapshot = ParseSnapshot(ReadText(path));
  EXPECT_TRUE(snapshot) << path << ": " << snapshot.error().Line();
  return Judge(snapshot->input);
}

/// Judges the vector and compares with what it expects. Returns the decision.
std::string ExpectVector(const std::filesystem::path& path) {
  const auto snapshot = ParseSnapshot(ReadText(path));
  EXPECT_TRUE(snapshot) << path << ": " << snapshot.error().Line();
  const JudgeOutput output = Judge(snapshot->input);
  EXPECT_EQ(FirstDifference(snapshot->expected.value(), ToJson(output), snapshot->tolerance_rel),
            std::nullopt)
      << path.filename();
  return std::string(DecisionName(output.decision));
}

TEST(JudgeVectors, EveryDecisionFileGivesItsExpectedOutput) {
  std::set<std::string> decisions;
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kVectors)) {
    if (!entry.path().filename().string().starts_with("decision_")) continue;
    decisions.insert(ExpectVector(entry.path()));
    ++files;
  }
  EXPECT_EQ(files, 18);
  EXPECT_EQ(decisions, (std::set<std::string>{"CONTINUE", "HOLD", "PROMOTE", "ROLLBACK"}));
}

// What those files do not reach: carried references, concentration, a finding in a stratum, arms of
// one device, unknown strata, limits and shares of all sizes.
TEST(JudgeVectors, EveryFileOfOursGivesItsExpectedOutput) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kVectors)) {
    if (!entry.path().filename().string().starts_with("more_")) continue;
    ExpectVector(entry.path());
    ++files;
  }
  EXPECT_EQ(files, 12);
}
TEST(JudgeVectors, AReferenceThatAnEarlierLookLeftIsUsedAndKept) {
  EXPECT_EQ(ExpectVector(kVectors / "more_carried_iref.json"), "ROLLBACK");
}
TEST(JudgeVectors, AFindingThatRestsOnFewDevicesHoldsInsteadOfRollingBack) {
  EXPECT_EQ(ExpectVector(kVectors / "more_concentration_hold.json"), "HOLD");
}
TEST(JudgeVectors, AFindingInOneHardwareAloneRollsBackAndNamesIt) {
  EXPECT_EQ(ExpectVector(kVectors / "more_hardware_only.json"), "ROLLBACK");
}

TEST(JudgeVectors, TheOrderOfKeysIsScopesThenVerdictTestsThenWindows) {
  const JudgeOutput output = JudgeFile(kVectors / "decision_hw_subset.json");
  ASSERT_EQ(output.results.size(), 36u);
  EXPECT_EQ(output.results[0].first, "fleet/lost_device_rate");
  EXPECT_EQ(output.results[3].first, "fleet/error_rate/cumulative");
  EXPECT_EQ(output.results[8].first, "fleet/accuracy_drop/epoch");
  EXPECT_TRUE(output.results[9].first.ends_with("/lost_device_rate"));
}

/// Checks that `function(row)` gives the row's "out" in every row of that name.
template <class Function>
void ExpectRows(const std::string& name, Function function) {
  const Json rows = ReadJson(kVectors / "units.json").at(name);
  ASSERT_EQ(rows.size(), 12u);
  for (const auto& row : rows) {
    const double expected = row.at("out").get<double>();
    EXPECT_NEAR(function(row), expected, 1e-9 * std::max(1e-3, std::abs(expected))) << row.dump();
  }
}

double Number(const Json& row, const char* name) { return row.at(name).get<double>(); }

TEST(JudgeVectors, StudentBoundMatchesEveryRow) {
  ExpectRows("t_correct",
             [](const auto& row) { return StudentBound(Number(row, "z"), Number(row, "nu")); });
}

TEST(JudgeVectors, AnytimeBoundMatchesEveryRow) {
  ExpectRows("boundary",
             [](const auto& row) { return AnytimeBound(Number(row, "x"), Number(row, "alpha")); });
}

TEST(JudgeVectors, LogMixtureEvidenceMatchesEveryRow) {
  ExpectRows("log_emix", [](const auto& row) {
    return LogMixtureEvidence(Number(row, "p"), Number(row, "s"), Number(row, "n"));
  });
}

TEST(JudgeVectors, BinomialTailMatchesEveryRow) {
  ExpectRows("binom_tail", [](const auto& row) {
    return BinomialTail(row.at("x").template get<std::int64_t>(),
                        row.at("m").template get<std::int64_t>(), Number(row, "p"));
  });
}

TEST(JudgeVectors, MixtureBoundsMatchEveryRow) {
  const Json rows = ReadJson(kVectors / "units.json").at("emix_bounds");
  ASSERT_EQ(rows.size(), 12u);
  for (const auto& row : rows) {
    const MixtureInterval interval =
        MixtureBounds(Number(row, "s"), Number(row, "n"), Number(row, "alpha"));
    EXPECT_NEAR(interval.low, Number(row, "lo"), 1e-9) << row.dump();
    EXPECT_NEAR(interval.high, Number(row, "hi"), 1e-9) << row.dump();
  }
}

TEST(JudgeVectors, GrosslyUnhealthyDevicesMatchEveryRow) {
  const Json rows = ReadJson(kVectors / "units.json").at("device_unhealthy");
  ASSERT_EQ(rows.size(), 12u);
  for (const auto& row : rows) {
    const double n = Number(row, "n");
    const bool unhealthy =
        IsGrosslyAbove(Number(row, "errors"), n, Number(row, "limit_error")) ||
        IsGrosslyAbove(Number(row, "over"), n, Number(row, "limit_latency_exceed"));
    EXPECT_EQ(unhealthy, row.at("out").get<bool>()) << row.dump();
  }
}

}  // namespace
}  // namespace sluice
