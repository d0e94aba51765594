#include "rollout_engine/snapshot/snapshot_json.h"

#include <gtest/gtest.h>

#include <clocale>

#include "rollout_engine/core/judge.h"

namespace sluice {
namespace {

JudgeInput Input() {
  JudgeInput input;
  input.config.limits = {0.001, 0.01, 0.02};
  input.config.planned_looks = 288;
  input.config.epochs = 24;
  input.config.strata = {"cam", "gate"};
  input.config.deltas = {0.05, std::nullopt, 0.1};
  input.config.extendable = true;
  input.look = 12;
  input.elapsed_s = 3'600;
  input.state.iref["fleet/error_rate/cumulative"] = 123456.789;
  input.state.control = {{"fleet/lost_device_rate", {.x0 = 1, .m0 = 60}},
                         {"fleet/error_rate/epoch", {.theta = 0.1, .variance = 1e-9, .m = 60}}};
  for (int i = 0; i < 60; ++i) {
    JudgedDevice device{.id = "d" + std::to_string(i),
                        .arm = i % 2 == 0 ? Arm::kTest : Arm::kControl,
                        .stratum = i % 3 == 0 ? "cam" : "elsewhere",
                        .since_activation_s = 3'600,
                        .silence_s = i * 0.1};
    device.cum = {{{1'000.0 + i, i % 4 * 1.0}, {1'000.0 + i, 3}, {100, 90.25}}};
    device.epoch = device.cum;
    if (i % 5 != 0) device.pre = device.cum;
    input.devices.push_back(std::move(device));
  }
  return input;
}

SnapshotJson Document() { return ToJson(Input()); }

std::string WhyNot(const SnapshotJson& json) {
  const auto snapshot = ParseSnapshot(json.dump());
  EXPECT_FALSE(snapshot) << json.dump();
  if (snapshot) return "";
  EXPECT_EQ(snapshot.error().code, ErrorCode::kSnapshotInvalid);
  return snapshot.error().text;
}

TEST(SnapshotJson, ReadsBackWhatItWrote) {
  const auto snapshot = ParseSnapshot(DumpSnapshot(Document()));
  ASSERT_TRUE(snapshot) << snapshot.error().Line();
  EXPECT_EQ(snapshot->input, Input());
  EXPECT_FALSE(snapshot->expected);
}

TEST(SnapshotJson, WritesAnInputPieceByPieceAsTheWholeWouldBe) {
  JudgeInput input = Input();
  for (const std::size_t devices : {std::size_t{60}, std::size_t{1}, std::size_t{0}}) {
    input.devices.resize(devices);
    std::string text;
    WriteInput(input, [&](std::string_view piece) { text += piece; });
    EXPECT_EQ(text, ToJson(input).dump()) << devices;
  }
}

TEST(SnapshotJson, ReadsAnyObjectThatHasAnInput) {
  const SnapshotJson record = {{"name", "r-0001/0/12"},
                               {"input", Document()},
                               {"suspects", {"d1"}},
                               {"expected", {{"decision", "HOLD"}}},
                               {"tolerance_rel", 1e-6}};
  const auto snapshot = ParseSnapshot(record.dump());
  ASSERT_TRUE(snapshot) << snapshot.error().Line();
  EXPECT_EQ(snapshot->input, Input());
  EXPECT_EQ(snapshot->expected->at("decision"), "HOLD");
  EXPECT_EQ(snapshot->tolerance_rel, 1e-6);
}

TEST(SnapshotJson, TakesWhatTheLayoutLeavesOptionalAsAbsent) {
  SnapshotJson json = Document();
  for (const char* key : {"deltas", "promote_alpha", "min_devices", "extendable"})
    json["config"].erase(key);
  json["config"]["limits"].erase("accuracy_drop");
  json.erase("state");
  json["devices"][0].erase("pre");
  const auto snapshot = ParseSnapshot(json.dump());
  ASSERT_TRUE(snapshot) << snapshot.error().Line();
  EXPECT_EQ(snapshot->input.config.deltas, JudgeConfig{}.deltas);
  EXPECT_EQ(snapshot->input.config.min_devices, 20);
  EXPECT_EQ(snapshot->input.config.promote_alpha, 0.05);
  EXPECT_FALSE(snapshot->input.config.extendable);
  EXPECT_EQ(snapshot->input.config.limits[2], std::nullopt);
  EXPECT_EQ(snapshot->input.state, JudgeState{});
  EXPECT_EQ(snapshot->input.devices[0].pre, std::nullopt);
}

TEST(SnapshotJson, NamesTheMemberThatIsWrongAndWhy) {
  const struct {
    const char* at;  // JSON pointer
    SnapshotJson value;
    const char* error;
  } rows[] = {
      {"/devices/3/cum/0", {5, 6}, "devices[3].cum[0]: y must not be above n"},
      {"/devices/3/cum/0/0", -1, "devices[3].cum[0]: must not be negative"},
      {"/devices/3/epoch/1/0", 1e300, "devices[3].epoch[1]: must be a number of at most 2^53"},
      {"/devices/3/pre/2", {1}, "devices[3].pre[2]: must be [n, y]"},
      {"/devices/3/cum", {1, 2}, "devices[3].cum: must have three rows"},
      {"/devices/3/cum/0/1", "0", "devices[3].cum[0]: must be a number"},
      {"/devices/3/id", "d2", "devices[3].id: stands there twice"},
      {"/devices/3/arm", "test", "devices[3].arm: must be canary or control"},
      {"/devices/3/silence_s", nullptr, "devices[3].silence_s: must be a number"},
      {"/devices/3/crashes", -1, "devices[3].crashes: must not be negative"},
      {"/devices/3", 7, "devices[3]: must be an object"},
      {"/devices", 7, "devices: must be an array"},
      {"/config/alpha", 0, "config.alpha: must be above 0"},
      {"/config/alpha", 1, "config.alpha: must be above 0"},
      {"/config/limits/error_rate", 1.5, "config.limits.error_rate: must be above 0"},
      {"/config/tau", 1, "config.tau: must be at least 0 and below 1"},
      {"/config/delta", -0.1, "config.delta: must be at least 0 and below 1"},
      {"/config/deltas/lost_device_rate", 2, "config.deltas.lost_device_rate: must be at least 0"},
      {"/config/planned_looks", 0, "config.planned_looks: must be an integer of 1"},
      {"/config/epochs", 1.5, "config.epochs: must be an integer"},
      {"/config/grace_looks", 1e10, "config.grace_looks: must be an integer"},
      {"/config/interval_s", 0, "config.interval_s: must be above 0"},
      {"/config/strata/1", "cam", "config.strata[1]: must be unique"},
      {"/config/strata/1", "fleet", "config.strata[1]: must be unique, and not 'fleet'"},
      {"/config/extendable", 1, "config.extendable: must be true or false"},
      {"/look", 0, "look: must be an integer of 1"},
      {"/elapsed_s", 1.0, "elapsed_s: must be an integer"},
      {"/elapsed_s", 18446744073709551615u, "elapsed_s: must be an integer"},
      {"/at_soak_end", 0, "at_soak_end: must be true or false"},
      {"/state/iref/fleet~1error_rate~1cumulative", 0,
       "state.iref.fleet/error_rate/cumulative: must be a number above 0"},
      {"/state/control/fleet~1lost_device_rate/x0", 61,
       "state.control.fleet/lost_device_rate: needs"},
  };
  for (const auto& row : rows) {
    SnapshotJson json = Document();
    json[SnapshotJson::json_pointer(row.at)] = row.value;
    const std::string why = WhyNot(json);
    EXPECT_NE(why.find(row.error), std::string::npos) << row.at << ": " << why;
  }
}

TEST(SnapshotJson, SaysThePathFromTheTopOfTheFile) {
  SnapshotJson json = Document();
  json["look"] = -1;
  EXPECT_TRUE(WhyNot({{"input", json}}).starts_with("input.look: "));
  json.erase("look");
  EXPECT_EQ(WhyNot({{"input", json}}), "input.look: is missing");
  EXPECT_EQ(WhyNot({{"input", 3}}), "input: must be an object");
}

TEST(SnapshotJson, RefusesWhatIsNoJsonObject) {
  for (const char* text : {"", "{", "[]", "3", "{\"look\": NaN}", "{\"look\": 1e999}", "\xff"}) {
    const auto snapshot = ParseSnapshot(text);
    ASSERT_FALSE(snapshot) << text;
    EXPECT_EQ(snapshot.error().code, ErrorCode::kSnapshotInvalid);
  }
}

TEST(SnapshotJson, RefusesAMemberThatStandsTwice) {
  std::string text = Document().dump();
  text.insert(1, "\"look\":1,");
  const auto snapshot = ParseSnapshot(text);
  ASSERT_FALSE(snapshot);
  EXPECT_EQ(snapshot.error().text, "look: stands twice in one object");
}

TEST(SnapshotJson, WritesRealsInTheShortestFormThatReadsBackEqual) {
  const SnapshotJson json = {
      {"a", 0.1}, {"b", 1.0}, {"c", 5e-324}, {"d", 3}, {"e", 9.5367431640625e-07}};
  EXPECT_EQ(DumpSnapshot(json),
            "{\n  \"a\": 0.1,\n  \"b\": 1.0,\n  \"c\": 5e-324,\n  \"d\": 3,\n  \"e\": "
            "9.5367431640625e-07\n}");
}

TEST(SnapshotJson, GivesTheSameBytesInEveryLocale) {
  const std::string here = DumpSnapshot(ToJson(Judge(Input())));
  for (const char* locale : {"de_DE.UTF-8", "C.UTF-8", "C"}) {
    if (std::setlocale(LC_ALL, locale) == nullptr) continue;
    EXPECT_EQ(DumpSnapshot(ToJson(Judge(Input()))), here) << locale;
  }
  std::setlocale(LC_ALL, "C");
}

TEST(SnapshotJson, FindsTheFirstDifferenceByItsPath) {
  const SnapshotJson expected = {{"a", {{"b", 1.0}, {"c", "x"}}}, {"d", true}, {"e", 2}};
  EXPECT_EQ(FirstDifference(expected, expected, 0), std::nullopt);
  SnapshotJson actual = expected;
  actual["a"]["b"] = 1 + 5e-10;
  EXPECT_EQ(FirstDifference(expected, actual, 1e-9), std::nullopt);
  EXPECT_EQ(FirstDifference(expected, actual, 1e-10), "a.b: expected 1.0, not 1.0000000005");
  actual = expected;
  actual["e"] = 3;
  EXPECT_EQ(FirstDifference(expected, actual, 1), "e: expected 2, not 3");
  actual = expected;
  actual["a"].erase("c");
  EXPECT_EQ(FirstDifference(expected, actual, 1e-9), "a.c: expected, but not there");
  EXPECT_EQ(FirstDifference(actual, expected, 1e-9), "a.c: there, but not expected");
  actual = expected;
  actual["d"] = 1;
  EXPECT_EQ(FirstDifference(expected, actual, 1e-9), "d: expected true, not 1");
}

}  // namespace
}  // namespace sluice
