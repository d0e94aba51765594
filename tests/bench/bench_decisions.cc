// What the decisions are worth and what they cost: the judge's verdicts on simulated fleets beside
// the point estimate's, and the telemetry behind them beside a map of JSON documents.
//
//   bench_decisions [--quick] [--json FILE]
//
// Exits 0 only if every goal is reached. With --quick a smoke test: few runs, so that the goals of
// the full one cannot be shown.
#include <cstdio>
#include <cstring>
#include <string>

#include "tests/bench/decision_quality.h"
#include "tests/bench/telemetry_cost.h"

namespace {

using namespace sluice::bench;

int Run(bool quick, const std::string& json_file) {
  TelemetryCost cost = MeasureTelemetry(quick);
  DecisionQuality quality = MeasureDecisions(quick);
  std::vector<Goal> goals = std::move(cost.goals);
  goals.insert(goals.end(), quality.goals.begin(), quality.goals.end());
  const bool reached = PrintGoals(goals);
  if (!json_file.empty()) {
    nlohmann::json rows = std::move(cost.rows);
    for (auto& row : quality.rows) rows.push_back(std::move(row));
    if (const auto written = WriteJson(json_file, goals, rows, {{"quick", quick}}); !written) {
      std::fprintf(stderr, "%s\n", written.error().Line().c_str());
      return 2;
    }
  }
  return reached || quick ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  bool quick = false;
  std::string json_file;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--quick") == 0) {
      quick = true;
    } else if (std::strcmp(argv[i], "--json") == 0 && i + 1 < argc) {
      json_file = argv[++i];
    } else {
      std::fprintf(stderr, "E_USAGE: bench_decisions [--quick] [--json FILE]\n");
      return 2;
    }
  }
  return Run(quick, json_file);
}
