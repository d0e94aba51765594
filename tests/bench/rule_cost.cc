#include "tests/bench/rule_cost.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

#include "common/base/check.h"
#include "rollout_engine/rules/rule_engine.h"
#include "rollout_engine/rules/rule_file.h"

namespace sluice::bench {
namespace {

constexpr int kRules = 1'000;
constexpr int kRounds = 31;
constexpr int kMessagesPerRound = 5'000;

// 230 bytes, as a machine's status may be. The last comparison is false, so that nothing fires and
// every round costs the same.
constexpr std::string_view kStatus =
    R"({"ts":1790000000123,"site":"north","machine":{"id":"press-17","model":"P-900"},)"
    R"("state":"STOPPED","confidence":0.93,"temperature_c":41.5,"speed_rpm":0,)"
    R"("alarms":[12,19,40],"operator":"shift-2","note":"door opened by hand at 06:14Z.."})";
constexpr std::string_view kWhen =
    R"(payload.state == "STOPPED" && payload.confidence >= 0.8 && payload.machine.id == "press-18")";

struct Row {
  std::string name;
  double ns = 0;  // of one message, in the quickest round: others' work only ever adds
};

/// Keeps the compiler from leaving out what nobody looks at.
volatile std::size_t sink = 0;

template <class Work>
Row Measure(std::string name, Work work) {
  std::vector<double> rounds;
  for (int round = 0; round < kRounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kMessagesPerRound; ++i) work();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    rounds.push_back(took.count() / kMessagesPerRound);
  }
  return {std::move(name), *std::ranges::min_element(rounds)};
}

RuleSet ManyRules() {
  std::string file = "rules_version: 1\nrules:\n";
  for (int i = 0; i < kRules; ++i) {
    const std::string n = std::to_string(i);
    file += "  - { name: r" + n + ", on: { topic: \"plant/+line/cell" + n + "/status\" }, when: '" +
            std::string(kWhen) + "', do: [ { rollout.pause: { model: detector } } ] }\n";
  }
  auto set = ParseRuleFile(file);
  SLUICE_CHECK(set.has_value() && set->rules.size() == kRules);
  return std::move(*set);
}

Row MeasureEngine(RuleEngine& engine, std::string name, std::string_view topic) {
  RuleOutput output;
  const RuleTime time{BootMs{1}, WallMs{1'790'000'000'000}};
  const std::uint64_t matched = engine.counters().matched;
  Row row = Measure(std::move(name), [&] {
    engine.Take({.topic = topic, .payload = kStatus}, time, output);
    sink = sink + output.actions.size();
  });
  SLUICE_CHECK(output.actions.empty() && output.problems.empty());
  SLUICE_CHECK((engine.counters().matched > matched) == row.name.starts_with("matched"));
  return row;
}

/// One filter after the other, as without a trie.
Row MeasureScan(const RuleSet& set, std::string_view topic) {
  return Measure("unmatched, filter by filter (alternative)", [&] {
    sink = sink + static_cast<std::size_t>(std::ranges::count_if(set.rules, [&](const Rule& rule) {
             return FiltersOverlap(rule.topic.filter, topic);
           }));
  });
}

Row MeasureNlohmann() {
  return Measure("matched, nlohmann::json and three comparisons (alternative)", [] {
    const auto json = nlohmann::json::parse(kStatus);
    const bool holds = json.at("state") == "STOPPED" && json.at("confidence") >= 0.8 &&
                       json.at("machine").at("id") == "press-18";
    sink = sink + (holds ? 1 : 0);
  });
}

}  // namespace

RuleCost MeasureRules() {
  RuleEngine engine(ManyRules());
  std::vector<Row> rows;
  rows.push_back(MeasureEngine(engine, "unmatched at the first level", "office/7/cell5/status"));
  rows.push_back(MeasureEngine(engine, "unmatched among 1,000 names", "plant/7/cell1000/status"));
  rows.push_back(MeasureEngine(engine, "unmatched at the last level", "plant/7/cell500/speed"));
  const double slowest_miss = std::ranges::max(rows, {}, [](const Row& row) { return row.ns; }).ns;
  rows.push_back(MeasureScan(engine.rules(), "plant/7/cell500/speed"));
  const Row matched =
      MeasureEngine(engine, "matched, 230 bytes, three comparisons", "plant/7/cell500/status");
  const Row other = MeasureNlohmann();
  rows.push_back(matched);
  rows.push_back(other);
  RuleCost cost;
  cost.goals = {{"an unmatched message among 1,000 rules, us", slowest_miss / 1'000, 2},
                {"a matched message, share of the time that nlohmann::json takes",
                 matched.ns / other.ns, 0.5}};
  cost.rows = nlohmann::json::array();
  for (const Row& row : rows) {
    std::printf("%-64s %10.1f ns\n", row.name.c_str(), row.ns);
    cost.rows.push_back({{"name", row.name}, {"ns", row.ns}});
  }
  return cost;
}

}  // namespace sluice::bench
