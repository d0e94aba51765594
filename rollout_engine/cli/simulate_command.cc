// `sluice rollout simulate`: a stage of a rollout file on synthetic fleets, by the engine's rule
// and by the literal one.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <thread>

#include "rollout_engine/cli/commands.h"
#include "rollout_engine/cli/json_text.h"
#include "rollout_engine/cli/table.h"
#include "rollout_engine/config/rollout_yaml.h"
#include "rollout_engine/core/cohort.h"
#include "rollout_engine/registry/file_io.h"
#include "rollout_engine/simulate/plot.h"
#include "rollout_engine/simulate/simulation.h"

namespace sluice {
namespace {

constexpr std::size_t kFleetMax = 2'000'000;
constexpr std::int32_t kRunsMax = 100'000;
constexpr std::int32_t kThreadsMax = 256;

struct SimulateOptions {
  std::string file;
  std::string stage;
  std::vector<std::string> scenarios;
  std::string plot;
  SimulationOptions simulation;
};

struct RuleSummary {
  const char* name;
  DecisionRule rule;
  SimulationSummary summary{};
};

Result<std::int32_t> FindStage(const RolloutSpec& spec, const std::string& name) {
  if (name.empty()) return 0;
  const auto found = std::ranges::find(spec.stages, name, &StageSpec::name);
  if (found == spec.stages.end())
    return Fail(ErrorCode::kUsage, "--stage: no stage '" + name + "' in the file");
  return static_cast<std::int32_t>(found - spec.stages.begin());
}

Result<std::vector<const Scenario*>> ChooseScenarios(const std::vector<std::string>& names) {
  std::vector<const Scenario*> chosen;
  for (const std::string& name : names) {
    const Scenario* scenario = FindScenario(name);
    if (scenario == nullptr) {
      std::string allowed;
      for (const Scenario& known : Scenarios()) allowed += ", " + std::string(known.name);
      return Fail(ErrorCode::kUsage, "--scenario: '" + name + "': allowed " + allowed.substr(2));
    }
    chosen.push_back(scenario);
  }
  if (!chosen.empty()) return chosen;
  for (const Scenario& scenario : Scenarios()) chosen.push_back(&scenario);
  return chosen;
}

std::string Percent(double share) {
  std::array<char, 32> text;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), share * 100,
                                 std::chars_format::fixed, 2);
  return std::string(text.data(), end.ptr) + " %";
}

std::string Minutes(double minutes) { return minutes < 0 ? "-" : NumberText(minutes) + " min"; }

void AddRow(Table& table, const Scenario& scenario, const RuleSummary& rule) {
  const SimulationSummary& s = rule.summary;
  const double runs = s.runs;
  // What the rule must not do in this scenario.
  const std::string wrong = scenario.is_bad
                                ? "missed " + Percent(s.promoted / runs)
                                : "false rollbacks " + Percent(s.rolled_back / runs) +
                                      " (95 %: <= " + Percent(s.rolled_back_upper95) + ")";
  table.Add({std::string(scenario.name), scenario.is_bad ? "bad" : "allowed", rule.name,
             std::to_string(s.rolled_back), std::to_string(s.held), std::to_string(s.promoted),
             Minutes(s.minutes_median), NumberText(s.exposed_median), wrong});
}

Json ToJson(const RuleSummary& rule) {
  const SimulationSummary& s = rule.summary;
  return {{"rule", rule.name},
          {"rolled_back", s.rolled_back},
          {"rolled_back_upper95", s.rolled_back_upper95},
          {"held", s.held},
          {"promoted", s.promoted},
          {"minutes_median", s.minutes_median < 0 ? Json() : Json(s.minutes_median)},
          {"minutes_max", s.minutes_max < 0 ? Json() : Json(s.minutes_max)},
          {"exposed_median", s.exposed_median},
          {"exposed_max", s.exposed_max}};
}

class Progress {
 public:
  Progress(Session& session, const Scenario& scenario, const char* rule, std::int32_t runs)
      : session_(session), what_(std::string(scenario.name) + ", " + rule), runs_(runs) {}
  ~Progress() {
    if (session_.live) session_.err << "\r\x1b[K" << std::flush;
  }
  void Show(std::int32_t done) {
    if (!session_.live) return;
    session_.err << "\r\x1b[K" << what_ << ": " << done << " of " << runs_ << std::flush;
  }

 private:
  Session& session_;
  std::string what_;
  std::int32_t runs_;
};

RuleSummary RunRule(Session& session, const SimulationOptions& options, const Scenario& scenario,
                    RuleSummary rule) {
  Progress progress(session, scenario, rule.name, options.runs);
  rule.summary = Summarise(
      SimulateRuns(options, scenario, rule.rule, [&](std::int32_t done) { progress.Show(done); }));
  return rule;
}

Status WritePlot(const SimulateOptions& options, const Scenario& scenario) {
  const std::string svg = PlotRun(options.simulation.stage, scenario, options.simulation.seed);
  return WriteFile(options.plot, AsBytes(svg));
}

Status Simulate(Session& session, SimulateOptions& options) {
  SLUICE_ASSIGN(const Bytes file, ReadFile(options.file, kRolloutFileBytesMax));
  auto spec = ParseRolloutYaml(AsText(file));
  if (!spec) return Fail(spec.error().With(options.file));
  SimulatedStage& stage = options.simulation.stage;
  stage.spec = std::move(*spec);
  SLUICE_ASSIGN(stage.stage, FindStage(stage.spec, options.stage));
  SLUICE_ASSIGN(const auto scenarios, ChooseScenarios(options.scenarios));
  if (!options.plot.empty()) SLUICE_TRY(WritePlot(options, *scenarios.front()));

  Table table({"SCENARIO", "KIND", "RULE", "ROLLED BACK", "HELD", "PROMOTED", "MEDIAN", "EXPOSED",
               "WRONG"});
  Json rows = Json::array();
  for (const Scenario* scenario : scenarios) {
    Json rules = Json::array();
    for (const RuleSummary& rule : {RuleSummary{"evidence", DecisionRule::kEvidence},
                                    RuleSummary{"point_estimate", DecisionRule::kPointEstimate}}) {
      const RuleSummary done = RunRule(session, options.simulation, *scenario, rule);
      AddRow(table, *scenario, done);
      rules.push_back(ToJson(done));
    }
    rows.push_back({{"scenario", scenario->name},
                    {"text", scenario->text},
                    {"bad", scenario->is_bad},
                    {"rules", std::move(rules)}});
  }
  const StageSpec& stage_spec = stage.spec.stages[static_cast<std::size_t>(stage.stage)];
  if (session.WantsDocument()) {
    return PrintDocument(session, Json{{"api_version", "v1"},
                                       {"stage", stage_spec.name},
                                       {"fleet", stage.fleet},
                                       {"control_max", stage.control_max},
                                       {"runs", options.simulation.runs},
                                       {"seed", options.simulation.seed},
                                       {"scenarios", std::move(rows)}}
                                      .dump());
  }
  session.out << "stage " << Printable(stage_spec.name) << ", fleet of " << stage.fleet << ", "
              << options.simulation.runs << " runs, seed " << options.simulation.seed << "\n\n"
              << table.Render();
  return {};
}

}  // namespace

void AddSimulateCommand(CLI::App& rollout, Session& session) {
  auto options = std::make_shared<SimulateOptions>();
  SimulationOptions& simulation = options->simulation;
  simulation.threads = std::clamp<std::int32_t>(
      static_cast<std::int32_t>(std::thread::hardware_concurrency()), 1, kThreadsMax);
  CLI::App* command = rollout.add_subcommand(
      "simulate", "try a stage's rules on synthetic fleets: what is rolled back, when, wrongly");
  command->add_option("-f,--file", options->file, "the rollout file (YAML)")->required();
  command->add_option("--stage", options->stage, "a stage of the file (default: the first)");
  command->add_option("--fleet", simulation.stage.fleet, "devices in the fleet")
      ->check(CLI::Range(std::size_t{1}, kFleetMax))
      ->capture_default_str();
  command->add_option("--control-max", simulation.stage.control_max, "devices of the control arm")
      ->check(CLI::Range(std::size_t{0}, kControlDevicesMax))
      ->capture_default_str();
  command->add_option("--scenario", options->scenarios,
                      "what the release does; again for more (default: every scenario)");
  command->add_option("--runs", simulation.runs, "of each scenario and rule")
      ->check(CLI::Range(1, kRunsMax))
      ->capture_default_str();
  command->add_option("--seed", simulation.seed, "the same seed gives the same runs")
      ->capture_default_str();
  command->add_option("--threads", simulation.threads, "the result does not depend on it")
      ->check(CLI::Range(1, kThreadsMax));
  command->add_option("--plot", options->plot,
                      "write the first run of the first scenario as a picture (SVG)");
  AddOutputOption(*command, session);
  command->callback([&session, options] { session.Finish(Simulate(session, *options)); });
}

}  // namespace sluice
