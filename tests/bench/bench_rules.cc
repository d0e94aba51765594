// What a message costs the rules.
//
//   bench_rules [--json FILE]
//
// Exits 0 only if every goal is reached.
#include <cstdio>
#include <string>

#include "tests/bench/rule_cost.h"

namespace {

int Run(const std::string& json_file) {
  const sluice::bench::RuleCost cost = sluice::bench::MeasureRules();
  const bool reached = sluice::bench::PrintGoals(cost.goals);
  if (!json_file.empty()) {
    if (const auto written = sluice::bench::WriteJson(json_file, cost.goals, cost.rows); !written) {
      std::fprintf(stderr, "%s\n", written.error().Line().c_str());
      return 2;
    }
  }
  return reached ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.empty()) return Run("");
  if (words.size() == 2 && words[0] == "--json") return Run(words[1]);
  std::fprintf(stderr, "E_USAGE: bench_rules [--json FILE]\n");
  return 2;
}
