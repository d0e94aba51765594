#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <thread>

#include "common/contract/topics.h"
#include "rollout_engine/cli/commands.h"
#include "rollout_engine/cli/engine_client.h"
#include "rollout_engine/cli/json_text.h"
#include "rollout_engine/cli/operation_call.h"
#include "rollout_engine/cli/rollout_view.h"
#include "rollout_engine/cli/table.h"
#include "rollout_engine/registry/file_io.h"

namespace sluice {
namespace {

constexpr auto kWatchInterval = std::chrono::milliseconds(500);
constexpr std::uint64_t kRolloutFileBytesMax =
    1 << 20;  // what the engine takes; it says what is too much for it

struct RolloutOptions {
  std::string id;
  std::string file;
  bool dry_run = false;
  std::string model;
  std::string status;
  bool watch = false;
  double timeout_s = 0;  // 0 = none
  std::uint64_t after = 0;
  OperationOptions operation;
  std::string to;
  std::string stage;
  std::string variant;
  int look = 0;
};

/// One operation of an operator, as the command line spells it and as the API does.
struct Verb {
  const char* name;
  const char* op;
  const char* help;
};
constexpr Verb kVerbs[] = {
    {"start", "start", "let a scheduled rollout offer to its first stage"},
    {"pause", "pause", "no new offers and no activation; updated devices stay"},
    {"resume", "resume", "go on after a pause or a hold"},
    {"promote", "promote", "go to the next stage (or --to STAGE) now, on your word"},
    {"approve", "approve", "give the approval that the rollout waits for"},
    {"abort", "abort", "end it: offers are withdrawn, updated devices stay"},
    {"rollback", "roll_back", "end it: updated devices go back to what they ran before"},
};

std::string PathOf(const RolloutOptions& options) { return "/v1/rollouts/" + options.id; }

Status PrintText(Session& session, const Result<std::string>& text) {
  if (!text) return Fail(text.error());
  session.out << *text;
  return {};
}

Status PrintRollout(Session& session, const std::string& rollout) {
  if (session.WantsDocument()) return PrintDocument(session, rollout);
  if (session.output == OutputFormat::kName) {
    SLUICE_ASSIGN(const Json json, ParseJson(rollout));
    session.out << Printable(TextAt(json, "rid")) << "\n";
    return {};
  }
  const bool wide = session.output == OutputFormat::kWide;
  return PrintText(session, RolloutScreen(rollout, session.clock.Wall().ms, wide));
}

Result<std::string> PostFile(Session& session, const RolloutOptions& options) {
  auto file = ReadFile(options.file, kRolloutFileBytesMax);
  if (!file && file.error().code == ErrorCode::kTooBig)
    return Fail(ErrorCode::kYamlLimit, file.error().text);
  if (!file) return Fail(file.error());
  return EngineClient(session.socket_path)
      .Post("/v1/rollouts", {{"dry_run", options.dry_run ? "1" : ""}, {"id", options.id}},
            std::string(AsText(*file)), "application/yaml",
            OperationId(session, options.operation));
}

Status Create(Session& session, const RolloutOptions& options) {
  SLUICE_ASSIGN(const std::string answer, PostFile(session, options));
  if (!options.dry_run) return PrintRollout(session, answer);
  if (session.WantsDocument()) return PrintDocument(session, answer);
  return PrintText(session, PlanText(answer));
}

Status Plan(Session& session, RolloutOptions options) {
  options.dry_run = true;
  return Create(session, options);
}

/// The stored look as the engine keeps it: what `sluice rollout judge` reads.
Status Record(Session& session, const RolloutOptions& options) {
  SLUICE_TRY(CheckRegistryId("rollout", options.id));
  SLUICE_ASSIGN(const std::string record,
                EngineClient(session.socket_path)
                    .Get(PathOf(options) + "/looks/" + std::to_string(options.look),
                         {{"stage", options.stage}, {"variant", options.variant}}));
  SLUICE_ASSIGN(const Json json, ParseJson(record));
  session.out << json.dump() << "\n";
  if (!json.contains("input")) {
    session.err << "this look kept its result and the hash of its input only: decision and brake "
                   "were those of the look before\n";
  }
  return {};
}

Status Operate(Session& session, const RolloutOptions& options, const char* op) {
  SLUICE_TRY(CheckRegistryId("rollout", options.id));
  return CallOperation(session, PathOf(options), options.id, op, options.operation, options.to);
}

Status List(Session& session, const RolloutOptions& options) {
  SLUICE_ASSIGN(const std::string list, EngineClient(session.socket_path)
                                            .GetAll("/v1/rollouts", {{"model", options.model},
                                                                     {"status", options.status}}));
  if (session.WantsDocument()) return PrintDocument(session, list);
  if (session.output == OutputFormat::kName) {
    SLUICE_ASSIGN(const Json json, ParseJson(list));
    for (const Json& rollout : ItemsAt(json, "items"))
      session.out << Printable(TextAt(rollout, "rid")) << "\n";
    return {};
  }
  const bool wide = session.output == OutputFormat::kWide;
  return PrintText(session, RolloutTable(list, session.clock.Wall().ms, wide));
}

/// Shows each state that differs from the one shown before: over it on a terminal, below it
/// elsewhere.
class Display {
 public:
  explicit Display(Session& session) : session_(session) {}

  Status Show(const std::string& rollout) {
    if (session_.output == OutputFormat::kJson) return ShowLine(rollout);
    if (!session_.live) {
      SLUICE_ASSIGN(const std::string line, RolloutLine(rollout));
      return ShowLine(line);
    }
    SLUICE_ASSIGN(const std::string screen, RolloutScreen(rollout, session_.clock.Wall().ms,
                                                          session_.output == OutputFormat::kWide));
    if (lines_ > 0) session_.out << "\x1b[" << lines_ << "A\x1b[J";
    session_.out << screen << std::flush;
    lines_ = std::count(screen.begin(), screen.end(), '\n');
    return {};
  }

 private:
  Status ShowLine(const std::string& line) {
    if (line != shown_) session_.out << line << std::endl;
    shown_ = line;
    return {};
  }

  Session& session_;
  std::string shown_;
  std::ptrdiff_t lines_ = 0;
};

/// Until the rollout is over or, for `status`, is no longer healthy.
Status Watch(Session& session, const RolloutOptions& options, bool until_unhealthy) {
  const EngineClient engine(session.socket_path);
  const BootMs start = session.clock.Boot();
  Display display(session);
  while (true) {
    SLUICE_ASSIGN(const std::string rollout, engine.Get(PathOf(options)));
    SLUICE_TRY(display.Show(rollout));
    SLUICE_ASSIGN(const RolloutHealth health, HealthOf(rollout));
    session.exit_code = health.exit_code;
    if (health.over || (until_unhealthy && health.exit_code != kExitOk)) return {};
    if (options.timeout_s > 0 &&
        static_cast<double>(session.clock.Boot() - start) >= options.timeout_s * 1'000) {
      return Fail(ErrorCode::kTimeout,
                  options.id + " is still under way; watch on or raise --timeout");
    }
    std::this_thread::sleep_for(kWatchInterval);
  }
}

Status Get(Session& session, const RolloutOptions& options) {
  SLUICE_TRY(CheckRegistryId("rollout", options.id));
  if (options.watch) return Watch(session, options, false);
  SLUICE_ASSIGN(const std::string rollout, EngineClient(session.socket_path).Get(PathOf(options)));
  return PrintRollout(session, rollout);
}

Status ShowStatus(Session& session, const RolloutOptions& options) {
  SLUICE_TRY(CheckRegistryId("rollout", options.id));
  if (options.watch) return Watch(session, options, true);
  SLUICE_ASSIGN(const std::string rollout, EngineClient(session.socket_path).Get(PathOf(options)));
  SLUICE_ASSIGN(const RolloutHealth health, HealthOf(rollout));
  session.exit_code = health.exit_code;
  if (session.WantsDocument()) return PrintDocument(session, rollout);
  SLUICE_ASSIGN(const std::string line, RolloutLine(rollout));
  session.out << line << "\n";
  return {};
}

Status Explain(Session& session, const RolloutOptions& options) {
  SLUICE_TRY(CheckRegistryId("rollout", options.id));
  SLUICE_ASSIGN(const std::string explanation,
                EngineClient(session.socket_path).Get(PathOf(options) + "/explain"));
  if (session.WantsDocument()) return PrintDocument(session, explanation);
  return PrintText(session, ExplanationText(explanation, session.clock.Wall().ms));
}

/// Events have no cursor: the next page begins after the number of the last one.
Result<Json> AllEvents(const EngineClient& engine, const RolloutOptions& options) {
  Json all;
  std::uint64_t after = options.after;
  while (true) {
    SLUICE_ASSIGN(const std::string body,
                  engine.GetAll(PathOf(options) + "/events",
                                {{"after", after == 0 ? "" : std::to_string(after)}}));
    SLUICE_ASSIGN(Json page, ParseJson(body));
    const std::size_t items = ItemsAt(page, "items").size();
    const auto last =
        items == 0 ? after : static_cast<std::uint64_t>(IntegerAt(page["items"].back(), "seq"));
    if (all.is_null()) {
      all = std::move(page);
    } else {
      for (const Json& event : ItemsAt(page, "items")) all["items"].push_back(event);
    }
    if (items < kPageItems || last <= after) return all;
    after = last;
  }
}

Status Events(Session& session, const RolloutOptions& options) {
  SLUICE_TRY(CheckRegistryId("rollout", options.id));
  SLUICE_ASSIGN(const Json list, AllEvents(EngineClient(session.socket_path), options));
  if (session.WantsDocument()) return PrintDocument(session, list.dump());
  return PrintText(session, EventTable(list.dump()));
}

void AddLooks(CLI::App& noun, Session& session, const std::shared_ptr<RolloutOptions>& options) {
  const auto add = [&](const char* name, const char* help, auto run) {
    CLI::App* command = noun.add_subcommand(name, help);
    AddOutputOption(*command, session);
    command->callback([&session, options, run] { session.Finish(run(session, *options)); });
    return command;
  };
  const auto add_for_one = [&](const char* name, const char* help, auto run) {
    CLI::App* command = add(name, help, run);
    command->add_option("ROLLOUT", options->id)->required();
    return command;
  };
  CLI::App* list = add("list", "all rollouts, newest first", List);
  list->add_option("--model", options->model);
  list->add_option("--status", options->status);
  add_for_one("get", "one rollout with its stages", Get)
      ->add_flag("-w,--watch", options->watch, "follow it until it is over");
  CLI::App* status = add_for_one(
      "status", "watch it; the exit code says how it stands (0, 6 held, 7 failed)", ShowStatus);
  status->add_flag("--watch,!--no-watch", options->watch, "--watch=false: look once");
  status->preparse_callback([options](std::size_t) { options->watch = true; });
  status
      ->add_option("--timeout", options->timeout_s,
                   "give up after this long, e.g. 60s, 5m (exit code 5)")
      ->transform(
          CLI::AsNumberWithUnit(std::map<std::string, double>{{"s", 1}, {"m", 60}, {"h", 3'600}},
                                CLI::AsNumberWithUnit::CASE_SENSITIVE));
  add_for_one("explain", "why it stands where it stands, and what it waits for", Explain);
  CLI::App* record =
      add_for_one("record", "print one look with its input, as `rollout judge` reads it", Record);
  record->add_option("LOOK", options->look, "its number in the stage, from 1")->required();
  record->add_option("--stage", options->stage, "by name (default: the current one)");
  record->add_option("--variant", options->variant, "by version, where several are compared");
  add_for_one("events", "what happened to it, oldest first", Events)
      ->add_option("--after", options->after, "only events with a greater number");
}

}  // namespace

void AddRolloutCommands(CLI::App& app, Session& session) {
  CLI::App* noun =
      app.add_subcommand("rollout", "bring a release to the fleet in stages, and back");
  noun->require_subcommand(1);
  auto options = std::make_shared<RolloutOptions>();

  CLI::App* create =
      noun->add_subcommand("create", "hand a rollout file to the engine; it does not start yet");
  create->add_option("-f,--file", options->file, "the rollout file (YAML)")->required();
  create->add_flag("--dry-run", options->dry_run, "print the plan and change nothing");
  create->add_option("--name", options->id, "the rollout's id (default: the next r-NNNN)");
  create->add_option("--id", options->operation.id,
                     "operation id: the same one again has no second effect");
  AddOutputOption(*create, session);
  create->callback([&session, options] { session.Finish(Create(session, *options)); });

  CLI::App* plan = noun->add_subcommand(
      "plan", "who would get what, how small an effect each stage can find, and what is risky");
  plan->add_option("-f,--file", options->file, "the rollout file (YAML)")->required();
  AddOutputOption(*plan, session);
  plan->callback([&session, options] { session.Finish(Plan(session, *options)); });

  AddLooks(*noun, session, options);
  AddJudgeCommand(*noun, session);
  AddSimulateCommand(*noun, session);
  for (const Verb& verb : kVerbs) {
    CLI::App* command = noun->add_subcommand(verb.name, verb.help);
    command->add_option("ROLLOUT", options->id)->required();
    AddOperationOptions(*command, options->operation);
    command
        ->add_option("--expect-rev", options->operation.expect_rev,
                     "refuse unless the rollout is at this rev")
        ->each([options](const std::string&) { options->operation.has_expect_rev = true; });
    if (std::string_view(verb.op) == "promote")
      command->add_option("--to", options->to, "a later stage");
    AddOutputOption(*command, session);
    command->callback(
        [&session, options, op = verb.op] { session.Finish(Operate(session, *options, op)); });
  }
}

}  // namespace sluice
