#include "rollout_engine/config/rollout_yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sluice {
namespace {

using ::testing::HasSubstr;

constexpr std::string_view kSeedFile = R"(rollout:
  model_version: "detector-v3.2"
  stages:
    - name: canary
      target_percent: 5
      duration_hours: 24
      success_criteria:
        accuracy_drop_max: 0.02
        error_rate_max: 0.001
        latency_p99_max_ms: 50
    - name: early_adopters
      target_percent: 25
      duration_hours: 48
    - name: general
      target_percent: 100
  rollback:
    auto_rollback: true
    health_check_interval_sec: 300
)";

TEST(RolloutYaml, TakesTheSeedFileAsItIsWritten) {
  const auto spec = ParseRolloutYaml(kSeedFile);
  ASSERT_TRUE(spec.has_value()) << spec.error().Line();
  EXPECT_EQ(spec->model_version, "detector-v3.2");
  ASSERT_EQ(spec->stages.size(), 3u);
  EXPECT_EQ(spec->stages[0].target, 5'000);
  EXPECT_EQ(spec->stages[0].duration_ms, 24 * limits::kHour);
  EXPECT_EQ(spec->stages[0].max_duration_ms, 72 * limits::kHour);
  EXPECT_EQ(spec->stages[0].criteria.error_rate_max, 0.001);
  EXPECT_EQ(spec->stages[0].criteria.LatencyLimitUs(), 50'000u);
  EXPECT_EQ(spec->stages[0].min_devices, 20);
  EXPECT_EQ(spec->rollback.health_check_interval_ms, 300 * limits::kSecond);
  EXPECT_EQ(spec->TelemetryIntervalMs(), 300 * limits::kSecond);
  EXPECT_EQ(spec->rate, RateSpec{});
}

TEST(RolloutYaml, LetsAStageTakeCriteriaAndDurationOfTheOneBefore) {
  const auto spec = ParseRolloutYaml(kSeedFile);
  EXPECT_EQ(spec->stages[1].criteria, spec->stages[0].criteria);
  EXPECT_EQ(spec->stages[2].duration_ms, 48 * limits::kHour);
  EXPECT_EQ(spec->stages[2].max_duration_ms, 144 * limits::kHour);
}

constexpr std::string_view kFullFile = R"(rollout:
  model_version: detector-v3.2
  salt: spring
  selector: "hardware=jetson,site=a"
  variants: [{version: detector-v3.2-int8, weight: 50}, {version: detector-v3.2-fp16, weight: 50}]
  holdback_percent: 2.5
  baseline_hours: 12
  membership: frozen
  priority: -3
  rate: {initial_devices: 5, factor: 1.5, every_sec: 1, max_per_minute: 30, require_success: false}
  transfer: {budget_factor: 2, max_bytes_per_device: 5000000, attempts: 7, concurrent_per_site: 4}
  activation: {mode: free, min_inferences: 0, telemetry_interval_sec: 5}
  maintenance_window: {start: "01:00", end: "05:30", tz: device}
  stages:
    - {name: canary, target_percent: 0.125, duration_hours: 0.003, min_devices: 4, min_completion_percent: 99.5,
       max_duration_hours: 0.01, approval: before, success_criteria: {lost_device_rate_max: 0, crash_device_rate_max: 0.1,
       unhealthy_device_rate_max: 0.2, install_failure_rate_max: 1, memory_increase_max_percent: 50.5}}
    - {name: all, target_percent: 100, approval: after}
  rollback: {auto_rollback: false, health_check_interval_sec: 5, decision: point_estimate,
             false_rollback_probability: 0.05, promote_confidence: 0.9, tolerated_outlier_fraction: 0,
             epoch_minutes: 1.5, silent_after_intervals: 2, per_hardware: exclude_model, on_inconclusive: promote,
             scope: stage, confirm_deadline_sec: 2.5}
)";

TEST(RolloutYaml, ReadsEveryExtension) {
  const auto parsed = ParseRolloutYaml(kFullFile);
  ASSERT_TRUE(parsed.has_value()) << parsed.error().Line();
  const RolloutSpec& spec = *parsed;
  EXPECT_EQ(spec.salt, "spring");
  EXPECT_EQ(spec.selector, (std::vector<SelectorTerm>{{"hardware", "jetson"}, {"site", "a"}}));
  EXPECT_EQ(spec.variants,
            (std::vector<VariantSpec>{{"detector-v3.2-int8", 50}, {"detector-v3.2-fp16", 50}}));
  EXPECT_EQ(spec.holdback, 2'500);
  EXPECT_EQ(spec.baseline_ms, 12 * limits::kHour);
  EXPECT_EQ(spec.membership, Membership::kFrozen);
  EXPECT_EQ(spec.priority, -3);
  EXPECT_EQ(spec.rate, (RateSpec{5, 1.5, 1'000, 30, false}));
  EXPECT_EQ(spec.transfer, (TransferSpec{2, 5'000'000, 7, 4}));
  EXPECT_EQ(spec.activation, (ActivationSpec{ActivationMode::kFree, 0, 5'000}));
  EXPECT_EQ(spec.maintenance_window, (ActivationWindow{60, 330}));
  const StageSpec& canary = spec.stages[0];
  EXPECT_EQ(canary.target, 125);
  EXPECT_EQ(canary.duration_ms, 10'800);
  EXPECT_EQ(canary.max_duration_ms, 36'000);
  EXPECT_EQ(canary.min_devices, 4);
  EXPECT_EQ(canary.min_completion, 99'500);
  EXPECT_EQ(canary.approval, Approval::kBefore);
  EXPECT_EQ(canary.criteria.error_rate_max, std::nullopt);
  EXPECT_EQ(canary.criteria.memory_increase_max_percent, 50.5);
  RollbackSpec rollback{.auto_rollback = false, .health_check_interval_ms = 5'000};
  rollback.decision = DecisionRule::kPointEstimate;
  rollback.false_rollback_probability = 0.05;
  rollback.promote_confidence = 0.9;
  rollback.tolerated_outlier_fraction = 0;
  rollback.epoch_ms = 90'000;
  rollback.silent_after_intervals = 2;
  rollback.per_hardware = PerHardware::kExcludeModel;
  rollback.on_inconclusive = OnInconclusive::kPromote;
  rollback.scope = RollBackScope::kStage;
  rollback.confirm_deadline_ms = 2'500;
  EXPECT_EQ(spec.rollback, rollback);
}

TEST(RolloutYaml, PrintsWhatItReadsBackEqual) {
  for (const std::string_view file : {kSeedFile, kFullFile}) {
    const auto spec = ParseRolloutYaml(file);
    const auto again = ParseRolloutYaml(PrintRolloutYaml(*spec));
    ASSERT_TRUE(again.has_value()) << again.error().Line() << "\n" << PrintRolloutYaml(*spec);
    EXPECT_EQ(*spec, *again);
  }
}

TEST(RolloutYaml, ReadsAByteOrderMarkAndWindowsLineEndsAsIfNotThere) {
  std::string windows = "\xEF\xBB\xBF";
  for (const char c : kSeedFile) windows += c == '\n' ? std::string("\r\n") : std::string(1, c);
  const auto spec = ParseRolloutYaml(windows);
  ASSERT_TRUE(spec.has_value()) << spec.error().Line();
  EXPECT_EQ(*spec, *ParseRolloutYaml(kSeedFile));
}

/// The seed file with one line replaced.
std::string With(std::string_view line, std::string_view replacement) {
  std::string file(kSeedFile);
  const std::size_t at = file.find(line);
  EXPECT_NE(at, std::string::npos) << line;
  return file.replace(at, line.size(), replacement);
}

struct BadFile {
  const char* what;
  std::string text;
  ErrorCode code;
  const char* says;
};

class RolloutYamlRefuses : public ::testing::TestWithParam<BadFile> {};

TEST_P(RolloutYamlRefuses, WithItsCodeAndPlace) {
  const auto spec = ParseRolloutYaml(GetParam().text);
  ASSERT_FALSE(spec.has_value());
  EXPECT_EQ(CodeName(spec.error().code), CodeName(GetParam().code)) << spec.error().Line();
  EXPECT_THAT(spec.error().text, HasSubstr(GetParam().says));
  EXPECT_EQ(spec.error().text.find('\n'), std::string::npos);
}

std::string Nested(int depth) {
  return "rollout: " + std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']') + "\n";
}

std::string ManyValues() {
  std::string text = "rollout: [";
  for (int i = 0; i < 10'000; ++i) text += "1,";
  return text + "1]\n";
}

const std::string kTarget = "target_percent: 5";
const std::string kInterval = "health_check_interval_sec: 300";

INSTANTIATE_TEST_SUITE_P(
    Syntax, RolloutYamlRefuses,
    ::testing::Values(
        BadFile{"empty", "", ErrorCode::kCfgIncomplete, "rollout is missing"},
        BadFile{"too long", std::string(64 * 1024 + 1, ' '), ErrorCode::kYamlLimit,
                "65537 bytes, allowed 65536"},
        BadFile{"too many values", ManyValues(), ErrorCode::kYamlLimit, "more than 10000 values"},
        BadFile{"anchor", With("canary", "&a canary"), ErrorCode::kYamlAlias, "line 4"},
        BadFile{"alias", "rollout:\n  a: *b\n", ErrorCode::kYamlAlias, "line 2"},
        BadFile{"anchor and alias", "rollout: {a: &b 1, c: *b}", ErrorCode::kYamlAlias, "line 1"},
        BadFile{"merge key", "rollout:\n  <<: {a: 1}\n", ErrorCode::kYamlUnknownKey, "<<, line 2"},
        BadFile{"too deep", Nested(17), ErrorCode::kYamlDepth, "deeper than 16"},
        BadFile{"very deep", Nested(20'000), ErrorCode::kYamlDepth, "deeper than 16"},
        BadFile{"duplicate", With(kTarget, "target_percent: 5\n      target_percent: 6"),
                ErrorCode::kYamlDuplicate, "stages[0].target_percent, line 6 (first at line 5)"},
        BadFile{"duplicate root", "rollout: {}\nrollout: {}\n", ErrorCode::kYamlDuplicate,
                "rollout, line 2 (first at line 1)"},
        BadFile{"duplicate section", With("  rollback:", "  rollback: {}\n  rollback:"),
                ErrorCode::kYamlDuplicate, "rollback, line 17 (first at line 16)"},
        BadFile{"unknown root", "rolout: {}\n", ErrorCode::kYamlUnknownKey,
                "rolout, line 1; did you mean rollout?"},
        BadFile{"unknown in stage", With("target_percent: 25", "target_percents: 25"),
                ErrorCode::kYamlUnknownKey,
                "stages[1].target_percents, line 12; did you mean target_percent?"},
        BadFile{"unknown and far", With(kInterval, "colour: red"), ErrorCode::kYamlUnknownKey,
                "rollback.colour, line 18: remove it"},
        BadFile{"second document", std::string(kSeedFile) + "---\nrollout: {}\n",
                ErrorCode::kYamlSyntax, "a second document"},
        BadFile{"tab", With("      target_percent: 5", "\ttarget_percent: 5"),
                ErrorCode::kYamlSyntax, "line 5: a tab in the indentation"},
        BadFile{"not UTF-8",
                With("canary",
                     "can\xFF"
                     "ary"),
                ErrorCode::kYamlSyntax, "line 4: not UTF-8"},
        BadFile{"UTF-16", std::string("\xFF\xFEr\0o\0", 6), ErrorCode::kYamlSyntax,
                "line 1: not UTF-8"},
        BadFile{"NUL", std::string("rollout:\n  a: \0\n", 16), ErrorCode::kYamlSyntax,
                "line 2: a control character"},
        BadFile{"open bracket", "rollout: [1, 2\n", ErrorCode::kYamlSyntax, "line"},
        BadFile{"tag", With("5\n      duration", "!!int 5\n      duration"), ErrorCode::kYamlType,
                "line 5: a tag"},
        BadFile{"key of two lines", "rollout:\n  \"mo\\ndel\": a\n", ErrorCode::kYamlType,
                "no name"},
        BadFile{"key without end", "rollout:\n  " + std::string(65, 'a') + ": 1\n",
                ErrorCode::kYamlType, "line 2: a key that is no name"},
        BadFile{"value of two lines", With(kInterval, "scope: 'a\n\n      b'"),
                ErrorCode::kCfgRange, "\"a b\"; allowed rollout | stage"},
        BadFile{"map as key", "rollout:\n  ? {a: 1}\n  : 2\n", ErrorCode::kYamlType, "as a key"}));

INSTANTIATE_TEST_SUITE_P(
    Types, RolloutYamlRefuses,
    ::testing::Values(
        BadFile{"root is a list", "- rollout\n", ErrorCode::kYamlType, "expected a map"},
        BadFile{"root is text", "rollout\n", ErrorCode::kYamlType,
                "the file, line 1: expected a map"},
        BadFile{"rollout is empty", "rollout:\n", ErrorCode::kYamlType, "expected a map"},
        BadFile{"stages is a map", "rollout: {model_version: a, stages: {a: 1}}",
                ErrorCode::kYamlType, "stages, line 1: expected a list"},
        BadFile{"stage is text", "rollout: {model_version: a, stages: [canary]}",
                ErrorCode::kYamlType, "stages[0]"},
        BadFile{"quoted number", With(kTarget, "target_percent: \"5\""), ErrorCode::kYamlType,
                "stages[0].target_percent, line 5: \"5\" is no number; allowed above 0 to 100 %"},
        BadFile{"number in words", With(kTarget, "target_percent: five"), ErrorCode::kYamlType,
                "is no number"},
        BadFile{"number is a list", With(kTarget, "target_percent: [5]"), ErrorCode::kYamlType,
                "a list; expected a number"},
        BadFile{"number is nothing", With(kTarget, "target_percent:"), ErrorCode::kYamlType,
                "nothing; expected"},
        BadFile{"number is null", With(kTarget, "target_percent: ~"), ErrorCode::kYamlType,
                "nothing; expected"},
        BadFile{"yes is no boolean", With("auto_rollback: true", "auto_rollback: yes"),
                ErrorCode::kYamlType,
                "rollback.auto_rollback, line 17: \"yes\"; allowed true or false"},
        BadFile{"criteria is text",
                With("success_criteria:\n        accuracy_drop_max: 0.02",
                     "success_criteria: strict\n      min_devices: 4"),
                ErrorCode::kYamlSyntax, "line"},
        BadFile{"criteria is a list",
                With("success_criteria:\n        accuracy_drop_max: 0.02\n        "
                     "error_rate_max: 0.001\n        latency_p99_max_ms: 50",
                     "success_criteria: [1]"),
                ErrorCode::kYamlType, "stages[0].success_criteria, line 7"}));

const char* const kPercentText = "allowed above 0 to 100 %";

INSTANTIATE_TEST_SUITE_P(
    Ranges, RolloutYamlRefuses,
    ::testing::Values(
        BadFile{"one variant",
                "rollout: {model_version: a, variants: [{version: b}], stages: [{name: c, "
                "target_percent: 100}]}",
                ErrorCode::kCfgRange, "variants, line 1: one variant is compared with nothing"},
        BadFile{"a variant twice",
                "rollout: {model_version: a, variants: [{version: b}, {version: b}], stages: "
                "[{name: c, target_percent: 100}]}",
                ErrorCode::kCfgRange, "variants[1].version, line 1: \"b\" is a variant already"},
        BadFile{"percent 0", With(kTarget, "target_percent: 0"), ErrorCode::kCfgRange,
                kPercentText},
        BadFile{"percent 101", With(kTarget, "target_percent: 101"), ErrorCode::kCfgRange,
                kPercentText},
        BadFile{"percent -5", With(kTarget, "target_percent: -5"), ErrorCode::kCfgRange,
                kPercentText},
        BadFile{"percent NaN", With(kTarget, "target_percent: .nan"), ErrorCode::kCfgRange,
                kPercentText},
        BadFile{"percent nan", With(kTarget, "target_percent: NaN"), ErrorCode::kCfgRange,
                kPercentText},
        BadFile{"percent inf", With(kTarget, "target_percent: .inf"), ErrorCode::kCfgRange,
                kPercentText},
        BadFile{"percent sign", With(kTarget, "target_percent: 5%"), ErrorCode::kCfgRange,
                kPercentText},
        BadFile{"octal", With(kTarget, "target_percent: 010"), ErrorCode::kCfgRange, kPercentText},
        BadFile{"hexadecimal", With(kTarget, "target_percent: 0x10"), ErrorCode::kCfgRange,
                kPercentText},
        BadFile{"underscore", With(kTarget, "target_percent: 1_0"), ErrorCode::kCfgRange,
                kPercentText},
        BadFile{"plus", With(kTarget, "target_percent: +5"), ErrorCode::kCfgRange, kPercentText},
        BadFile{"comma", With(kTarget, "target_percent: 5,5"), ErrorCode::kCfgRange, kPercentText},
        BadFile{"four decimals", With(kTarget, "target_percent: 0.0001"), ErrorCode::kCfgRange,
                "three decimals"},
        BadFile{"too large for a double", With(kTarget, "target_percent: 1e999"),
                ErrorCode::kCfgRange, kPercentText},
        BadFile{"duration 0", With("duration_hours: 24", "duration_hours: 0"), ErrorCode::kCfgRange,
                "stages[0].duration_hours, line 6: \"0\"; allowed above 0 to 8784 hours"},
        BadFile{"duration over a year", With("duration_hours: 24", "duration_hours: 8785"),
                ErrorCode::kCfgRange, "8784 hours"},
        BadFile{"duration under 1 ms", With("duration_hours: 24", "duration_hours: 1e-9"),
                ErrorCode::kCfgRange, "less than a millisecond"},
        BadFile{"max below duration",
                With("duration_hours: 24", "duration_hours: 24\n      max_duration_hours: 23"),
                ErrorCode::kCfgRange, "stages[0].max_duration_hours, line 7"},
        BadFile{"negative threshold", With("error_rate_max: 0.001", "error_rate_max: -0.001"),
                ErrorCode::kCfgRange,
                "stages[0].success_criteria.error_rate_max, line 9: \"-0.001\"; allowed above 0 "
                "and below 1"},
        BadFile{"infinite threshold", With("error_rate_max: 0.001", "error_rate_max: .inf"),
                ErrorCode::kCfgRange, "above 0 and below 1"},
        BadFile{"latency 0", With("latency_p99_max_ms: 50", "latency_p99_max_ms: 0"),
                ErrorCode::kCfgRange, "ms"},
        BadFile{"interval 4", With(kInterval, "health_check_interval_sec: 4"), ErrorCode::kCfgRange,
                "rollback.health_check_interval_sec, line 18: \"4\"; allowed a whole number from 5 "
                "to 86400 seconds"},
        BadFile{"interval 5.5", With(kInterval, "health_check_interval_sec: 5.5"),
                ErrorCode::kCfgRange, "whole number"},
        BadFile{"telemetry 3",
                With("  rollback:", "  activation: {telemetry_interval_sec: 3}\n  rollback:"),
                ErrorCode::kCfgRange, "allowed 0 or a whole number from 5"},
        BadFile{"unknown word", With(kInterval, "scope: fleet"), ErrorCode::kCfgRange,
                "rollback.scope, line 18: \"fleet\"; allowed rollout | stage"},
        BadFile{"alpha 0", With(kInterval, "false_rollback_probability: 0"), ErrorCode::kCfgRange,
                "above 0 to 0.5"},
        BadFile{"rate 0", With("  rollback:", "  rate: {initial_devices: 0}\n  rollback:"),
                ErrorCode::kCfgRange, "rate.initial_devices, line 16"},
        BadFile{
            "window reversed in words",
            With("  rollback:", "  maintenance_window: {start: late, end: \"05:00\"}\n  rollback:"),
            ErrorCode::kCfgRange, "00:00"},
        BadFile{"window hour 24",
                With("  rollback:",
                     "  maintenance_window: {start: \"24:00\", end: \"05:00\"}\n  rollback:"),
                ErrorCode::kCfgRange, "23:59"},
        BadFile{"window without end",
                With("  rollback:", "  maintenance_window: {start: \"01:00\"}\n  rollback:"),
                ErrorCode::kCfgIncomplete, "maintenance_window.end is missing"},
        BadFile{"window of no time",
                With("  rollback:",
                     "  maintenance_window: {start: \"01:00\", end: \"01:00\"}\n  rollback:"),
                ErrorCode::kCfgRange, "write {}"},
        BadFile{"selector", With("  rollback:", "  selector: \"hardware\"\n  rollback:"),
                ErrorCode::kCfgRange, "name=value"},
        BadFile{"selector ends in a comma",
                With("  rollback:", "  selector: \"a=b,\"\n  rollback:"), ErrorCode::kCfgRange,
                "name=value"}));

INSTANTIATE_TEST_SUITE_P(
    Meaning, RolloutYamlRefuses,
    ::testing::Values(
        BadFile{"no version", With("  model_version: \"detector-v3.2\"\n", ""),
                ErrorCode::kCfgIncomplete, "model_version is missing, line 2"},
        BadFile{"no stages", "rollout: {model_version: a}", ErrorCode::kCfgIncomplete,
                "stages is missing"},
        BadFile{"empty stages", "rollout: {model_version: a, stages: []}",
                ErrorCode::kCfgIncomplete, "1 to 32"},
        BadFile{"stage without name", With("name: general\n      target_percent", "target_percent"),
                ErrorCode::kCfgIncomplete, "stages[2].name is missing, line 14"},
        BadFile{"stage without target", With("      target_percent: 25\n", ""),
                ErrorCode::kCfgIncomplete, "stages[1].target_percent is missing"},
        BadFile{"not increasing", With("target_percent: 25", "target_percent: 5"),
                ErrorCode::kCfgOrder,
                "stages[1].target_percent, line 11: not above that of stage canary"},
        BadFile{"decreasing", With("target_percent: 25", "target_percent: 3"), ErrorCode::kCfgOrder,
                "must grow"},
        BadFile{"last not 100", With("target_percent: 100", "target_percent: 99"),
                ErrorCode::kCfgIncomplete, "the last stage must have target_percent 100"},
        BadFile{"two stages of one name", With("name: early_adopters", "name: canary"),
                ErrorCode::kCfgRange, "name of two stages"},
        BadFile{"path as version", With("\"detector-v3.2\"", "../v3"), ErrorCode::kBadId,
                "model_version, line 2"},
        BadFile{"dot in a stage name", With("name: canary", "name: can.ary"), ErrorCode::kBadId,
                "stages[0].name"},
        BadFile{"slash in a stage name", With("name: canary", "name: a/b"), ErrorCode::kBadId,
                "stages[0].name"}));

}  // namespace
}  // namespace sluice
