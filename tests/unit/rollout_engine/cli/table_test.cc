#include "rollout_engine/cli/table.h"

#include <gtest/gtest.h>

#include "rollout_engine/cli/session.h"

namespace sluice {
namespace {

TEST(Table, AlignsColumnsAndLeavesNoSpaceAtTheEnd) {
  Table table({"NAME", "N"});
  table.Add({"a", "1"});
  table.Add({"longer", ""});
  EXPECT_EQ(table.Render(), "NAME    N\na       1\nlonger  -\n");
}

TEST(Table, LetsNoTextMoveTheCursor) {
  Table table({"WHY"});
  table.Add({"\x1b[2J\r\nhidden\x7f"});
  EXPECT_EQ(table.Render(), "WHY\n?[2J??hidden?\n");
}

TEST(Texts, ArePrintedAsPeopleSayThem) {
  EXPECT_EQ(DurationText(-1), "-");
  EXPECT_EQ(DurationText(0), "0s");
  EXPECT_EQ(DurationText(59), "59s");
  EXPECT_EQ(DurationText(365), "6m05s");
  EXPECT_EQ(DurationText(6 * 3'600 + 12 * 60 + 59), "6h12m");
  EXPECT_EQ(DurationText(3 * 86'400 + 4 * 3'600), "3d04h");
  EXPECT_EQ(TimeText(0), "-");
  EXPECT_EQ(TimeText(1'769'860'800'000), "2026-01-31T12:00:00Z");
  EXPECT_EQ(SizeText(0), "0 B");
  EXPECT_EQ(SizeText(999), "999 B");
  EXPECT_EQ(SizeText(1'400), "1.4 kB");
  EXPECT_EQ(SizeText(12'000'000), "12.0 MB");
  EXPECT_EQ(SizeText(5'000'000'000'000), "5000.0 GB");
  EXPECT_EQ(NumberText(0.0006), "0.0006");
  EXPECT_EQ(NumberText(41), "41");
  EXPECT_EQ(BarText(0.5, 4), "[##--]");
  EXPECT_EQ(BarText(-1, 2), "[--]");
  EXPECT_EQ(BarText(2, 2), "[##]");
}

TEST(ExitCode, SaysWhatKindOfFailureItWas) {
  const struct {
    ErrorCode code;
    int exit_code;
  } rows[] = {
      {ErrorCode::kOk, 0},
      {ErrorCode::kIo, 1},
      {ErrorCode::kNotConnected, 1},
      {ErrorCode::kStoreCorrupt, 1},
      {ErrorCode::kUsage, 2},
      {ErrorCode::kYamlDuplicate, 2},
      {ErrorCode::kCfgRange, 2},
      {ErrorCode::kBadId, 2},
      {ErrorCode::kNotFound, 3},
      {ErrorCode::kNoSuchVersion, 3},
      {ErrorCode::kConflict, 4},
      {ErrorCode::kImmutable, 4},
      {ErrorCode::kSigBad, 4},
      {ErrorCode::kState, 4},
      {ErrorCode::kRolloutActive, 4},
      {ErrorCode::kTimeout, 5},
  };
  for (const auto& row : rows) EXPECT_EQ(ExitCodeOf(row.code), row.exit_code) << CodeName(row.code);
}

}  // namespace
}  // namespace sluice
