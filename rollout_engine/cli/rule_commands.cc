// `sluice rules`: a rule file read, tried out on one message, and put to work.
#include <CLI/CLI.hpp>

#include "rollout_engine/cli/commands.h"
#include "rollout_engine/cli/json_text.h"
#include "rollout_engine/cli/operation_call.h"
#include "rollout_engine/cli/table.h"
#include "rollout_engine/registry/file_io.h"
#include "rollout_engine/rules/limits.h"
#include "rollout_engine/rules/rule_explanation.h"
#include "rollout_engine/rules/rule_file.h"

namespace sluice {
namespace {

constexpr double kMsPerSecond = 1'000;

struct TestOptions {
  std::string file;
  std::string topic;
  std::string message;
  std::string client_id;
  std::string client_name;
  bool retained = false;
};

Result<RuleSet> ReadRules(const std::string& path) {
  SLUICE_ASSIGN(const Bytes bytes, ReadFile(path, limits::kRuleFileBytesMax));
  auto set = ParseRuleFile(AsText(bytes));
  if (!set) return Fail(set.error().With(path));
  return set;
}

Status Check(Session& session, const std::string& path) {
  SLUICE_ASSIGN(const RuleSet set, ReadRules(path));
  if (session.WantsDocument()) {
    Json rules = Json::array();
    for (const Rule& rule : set.rules) {
      rules.push_back({{"name", rule.name},
                       {"line", rule.line},
                       {"topic", rule.pattern},
                       {"mode", RuleModeName(rule.mode)},
                       {"digest", rule.digest.Hex()}});
    }
    return PrintDocument(
        session, Json{{"api_version", "v1"}, {"filters", set.Filters()}, {"rules", rules}}.dump());
  }
  session.out << path << ": " << set.rules.size() << " rules on " << set.Filters().size()
              << " filters\n";
  return {};
}

std::string_view TargetName(TargetKind kind) {
  return kind == TargetKind::kModel ? "model" : kind == TargetKind::kRollout ? "rollout" : "device";
}

Json ActionJson(const RuleAction& action) {
  Json json = {{"action", ActionName(action.kind)}};
  if (action.target_kind != TargetKind::kNone)
    json[std::string(TargetName(action.target_kind))] = action.target;
  if (action.kind == ActionKind::kPublish) {
    json["topic"] = action.topic;
    json["payload"] = action.payload;
  }
  if (action.kind == ActionKind::kLog) json["text"] = action.text;
  return json;
}

std::string ActionText(const RuleAction& action) {
  std::string text(ActionName(action.kind));
  if (action.target_kind != TargetKind::kNone)
    text += " " + std::string(TargetName(action.target_kind)) + " " + action.target;
  if (action.kind == ActionKind::kPublish) text += " " + action.topic + " " + action.payload;
  if (action.kind == ActionKind::kLog) text += " " + action.text;
  return text;
}

/// What comes of it, in one word.
std::string_view VerdictOf(const RuleExplanation& explanation) {
  if (explanation.rule->mode == RuleMode::kOff) return "off";
  if (!explanation.problem) return "error";
  if (!explanation.holds) return "no";
  return explanation.rule->mode == RuleMode::kDryRun ? "dry run" : "acts";
}

Json NamedJson(const std::vector<RuleExplanation::Named>& named) {
  Json json = Json::object();
  for (const auto& [name, value] : named) json[name] = value;
  return json;
}

Json ExplanationJson(const RuleExplanation& explanation) {
  const Rule& rule = *explanation.rule;
  Json json = {{"rule", rule.name},
               {"line", rule.line},
               {"verdict", VerdictOf(explanation)},
               {"captures", NamedJson(explanation.captures)},
               {"when", rule.when_text},
               {"holds", explanation.holds},
               {"values", NamedJson(explanation.values)},
               {"for_ms", rule.for_ms},
               {"actions", Json::array()}};
  if (rule.once_per) {
    json["once_per"] = {{"key", explanation.once_key}, {"every_ms", rule.once_per->every_ms}};
  }
  for (const RuleAction& action : explanation.actions)
    json["actions"].push_back(ActionJson(action));
  if (!explanation.problem) {
    json["error"] = {{"code", CodeName(explanation.problem.error().code)},
                     {"detail", explanation.problem.error().text}};
  }
  return json;
}

void Print(Session& session, const RuleExplanation& explanation) {
  const Rule& rule = *explanation.rule;
  const auto line = [&session](std::string_view name, const std::string& text) {
    session.out << "  " << name << Printable(text) << "\n";
  };
  session.out << rule.name << " (line " << rule.line << "): " << VerdictOf(explanation) << "\n";
  line("topic   ", rule.pattern);
  for (const auto& [name, value] : explanation.captures) line("        ", name + " = " + value);
  if (rule.when) line("when    ", rule.when_text);
  for (const auto& [name, value] : explanation.values) line("        ", name + " = " + value);
  if (rule.when) line("holds   ", explanation.holds ? "yes" : "no");
  if (!explanation.holds && explanation.problem) return;
  if (rule.for_ms > 0) {
    line("for     ",
         NumberText(static_cast<double>(rule.for_ms) / kMsPerSecond) + " s, if it stays so");
  }
  if (rule.once_per) {
    line("once    ", "every " +
                         NumberText(static_cast<double>(rule.once_per->every_ms) / kMsPerSecond) +
                         " s for \"" + explanation.once_key + "\"");
  }
  for (const RuleAction& action : explanation.actions) line("do      ", ActionText(action));
  if (!explanation.problem) line("error   ", explanation.problem.error().Line());
}

/// E_RULE_VALUE when a rule that is on wants to act and cannot.
Status Test(Session& session, const TestOptions& options) {
  SLUICE_ASSIGN(const RuleSet set, ReadRules(options.file));
  RuleMessage message{
      .topic = options.topic, .payload = options.message, .retained = options.retained};
  if (!options.client_id.empty()) message.client_id = options.client_id;
  if (!options.client_name.empty()) message.client_name = options.client_name;
  const double now_s = static_cast<double>(session.clock.Wall().ms) / kMsPerSecond;
  SLUICE_ASSIGN(const auto explanations, ExplainRules(set, message, now_s));
  if (session.WantsDocument()) {
    Json rules = Json::array();
    for (const RuleExplanation& explanation : explanations)
      rules.push_back(ExplanationJson(explanation));
    SLUICE_TRY(PrintDocument(session, Json{{"api_version", "v1"}, {"rules", std::move(rules)}}.dump(
                                          -1, ' ', false, Json::error_handler_t::replace)));
  } else {
    for (const RuleExplanation& explanation : explanations) Print(session, explanation);
    if (explanations.empty())
      session.out << "no rule listens to " << Printable(options.topic) << "\n";
  }
  for (const RuleExplanation& explanation : explanations) {
    if (explanation.rule->mode != RuleMode::kOff && !explanation.problem)
      return Fail(explanation.problem.error().With("rule " + explanation.rule->name));
  }
  return {};
}

}  // namespace

void AddRuleCommands(CLI::App& app, Session& session) {
  CLI::App* noun = app.add_subcommand("rules", "what messages of others trigger");
  noun->require_subcommand(1);
  auto options = std::make_shared<TestOptions>();

  CLI::App* check = noun->add_subcommand("check", "read a rule file as the engine would");
  check->add_option("FILE", options->file)->required();
  AddOutputOption(*check, session);
  check->callback([&session, options] { session.Finish(Check(session, options->file)); });

  CLI::App* test = noun->add_subcommand("test", "what one message would do; nothing is done");
  test->add_option("FILE", options->file)->required();
  test->add_option("--topic", options->topic, "the message's topic")->required();
  test->add_option("--message", options->message, "its payload")->required();
  test->add_option("--client-id", options->client_id,
                   "what client.id is, on a server's event topic");
  test->add_option("--username", options->client_name, "what client.username is, likewise");
  test->add_flag("--retained", options->retained, "it comes from the broker's store");
  AddOutputOption(*test, session);
  test->callback([&session, options] { session.Finish(Test(session, *options)); });

  auto operation = std::make_shared<OperationOptions>();
  CLI::App* reload =
      noun->add_subcommand("reload",
                           "make the engine read its rule file again; a bad one changes "
                           "nothing");
  AddOperationOptions(*reload, *operation);
  AddOutputOption(*reload, session);
  reload->callback([&session, operation] {
    session.Finish(CallOperation(session, "/v1/engine", "rules", "reload_rules", *operation));
  });
}

}  // namespace sluice
