// What a message costs the rules: with 1,000 of them and none that listens, and with one that reads
// three fields, beside the same three fields read with nlohmann::json.
//
//   bench_rules [--json FILE]
//
// Exits 0 only if every goal is reached.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

#include "common/base/check.h"
#include "rollout_engine/rules/rule_engine.h"
#include "rollout_engine/rules/rule_file.h"

namespace sluice {
namespace {

constexpr int kRules = 1'000;
constexpr int kRounds = 31;
constexpr int kMessagesPerRound = 5'000;

// 232 bytes, as a machine's status may be. The last comparison is false, so that nothing fires and
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

struct Goal {
  std::string name;
  double value = 0;
  double goal = 0;  // value is to be at most this
  [[nodiscard]] bool IsReached() const { return value <= goal; }
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

void Print(const std::vector<Row>& rows, const std::vector<Goal>& goals) {
  std::printf("%-64s %10s\n", "one message, 1,000 rules", "ns");
  for (const Row& row : rows) std::printf("%-64s %10.1f\n", row.name.c_str(), row.ns);
  for (const Goal& goal : goals) {
    std::printf("%s %s: %.3f (goal: at most %.3f)\n", goal.IsReached() ? "reached" : "MISSED ",
                goal.name.c_str(), goal.value, goal.goal);
  }
}

bool WriteJson(const std::string& path, const std::vector<Row>& rows,
               const std::vector<Goal>& goals) {
  nlohmann::json report = {
      {"goals", nlohmann::json::array()},
      {"rows", nlohmann::json::array()},
      {"machine", {{"threads", std::thread::hardware_concurrency()}, {"compiler", __VERSION__}}}};
  for (const Goal& goal : goals) {
    report["goals"].push_back({{"name", goal.name},
                               {"value", goal.value},
                               {"goal", goal.goal},
                               {"reached", goal.IsReached()}});
  }
  for (const Row& row : rows) report["rows"].push_back({{"name", row.name}, {"ns", row.ns}});
  std::ofstream file(path);
  file << report.dump(2) << '\n';
  return file.flush().good();
}

int Run(const std::string& json_path) {
  RuleEngine engine(ManyRules());
  std::vector<Row> rows;
  rows.push_back(MeasureEngine(engine, "unmatched at the first level", "office/7/cell5/status"));
  rows.push_back(MeasureEngine(engine, "unmatched among 1,000 names", "plant/7/cell1000/status"));
  rows.push_back(MeasureEngine(engine, "unmatched at the last level", "plant/7/cell500/speed"));
  const double slowest_miss = std::ranges::max(rows, {}, [](const Row& row) { return row.ns; }).ns;
  rows.push_back(MeasureScan(engine.rules(), "plant/7/cell500/speed"));
  const Row matched =
      MeasureEngine(engine, "matched, 232 bytes, three comparisons", "plant/7/cell500/status");
  const Row nlohmann = MeasureNlohmann();
  rows.push_back(matched);
  rows.push_back(nlohmann);
  const std::vector<Goal> goals = {
      {"an unmatched message among 1,000 rules, us", slowest_miss / 1'000, 2},
      {"a matched message, share of the time that nlohmann::json takes", matched.ns / nlohmann.ns,
       0.5}};
  Print(rows, goals);
  if (!json_path.empty() && !WriteJson(json_path, rows, goals)) {
    std::fprintf(stderr, "E_IO: cannot write %s\n", json_path.c_str());
    return 2;
  }
  return std::ranges::all_of(goals, &Goal::IsReached) ? 0 : 1;
}

}  // namespace
}  // namespace sluice

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) return sluice::Run("");
  if (words.size() == 2 && words[0] == "--json") return sluice::Run(words[1]);
  std::fprintf(stderr, "E_USAGE: bench_rules [--json FILE]\n");
  return 2;
}
