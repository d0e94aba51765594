#include "rollout_engine/cli/session.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "rollout_engine/cli/choice.h"
#include "rollout_engine/cli/commands.h"
#include "rollout_engine/cli/json_text.h"
#include "rollout_engine/cli/table.h"

namespace sluice {
namespace {

constexpr const char* kDefaultSocket = "/run/sluice/sluiced.sock";
constexpr int kYamlIndent = 2;

bool IsScalar(const Json& value) { return value.is_primitive() || value.empty(); }

/// Strings stay in JSON's quotes, which YAML reads alike: no text can turn into a number, a tag or
/// a comment.
void AppendYaml(const Json& value, int indent, std::string& out) {
  const std::string margin(static_cast<std::size_t>(indent), ' ');
  if (IsScalar(value)) {
    out += margin + value.dump() + "\n";
  } else if (value.is_array()) {
    for (const Json& item : value) {
      std::string text;
      AppendYaml(item, indent + kYamlIndent, text);
      text[static_cast<std::size_t>(indent)] = '-';
      out += text;
    }
  } else {
    for (const auto& [key, item] : value.items()) {
      std::string text;
      AppendYaml(item, IsScalar(item) ? 0 : indent + kYamlIndent, text);
      out += margin;
      out += key;
      out += IsScalar(item) ? ": " : ":\n";
      out += text;
    }
  }
}

}  // namespace

int ExitCodeOf(ErrorCode code) noexcept {
  const std::string_view name = CodeName(code);
  if (name == "OK") return kExitOk;
  if (code == ErrorCode::kCfgNoDevices)
    return kExitRefused;  // the file is good, the fleet is not there
  if (name.starts_with("E_YAML_") || name.starts_with("E_CFG_")) return kExitUsage;
  if (name.starts_with("E_SIG_") || name.starts_with("E_KEY_")) return kExitRefused;
  if (code == ErrorCode::kRuleExpr || code == ErrorCode::kRuleAction || code == ErrorCode::kTopic)
    return kExitUsage;  // the file cannot be read
  if (code == ErrorCode::kRuleUnsafe || code == ErrorCode::kRuleLoop) return kExitRefused;
  switch (code) {
    case ErrorCode::kUsage:
    case ErrorCode::kBadId:
    case ErrorCode::kBadIdentity:
    case ErrorCode::kSnapshotInvalid:
      return kExitUsage;
    case ErrorCode::kNotFound:
    case ErrorCode::kNoSuchVersion:
      return kExitNotFound;
    case ErrorCode::kTimeout:
      return kExitTimeout;
    case ErrorCode::kConflict:
    case ErrorCode::kIdReused:
    case ErrorCode::kImmutable:
    case ErrorCode::kState:
    case ErrorCode::kRolloutActive:
    case ErrorCode::kDenyListed:
    case ErrorCode::kDenied:
    case ErrorCode::kLocked:
    case ErrorCode::kNotSigned:
    case ErrorCode::kRootChain:
    case ErrorCode::kExpired:
    case ErrorCode::kNotYet:
    case ErrorCode::kWrongFleet:
    case ErrorCode::kWrongModel:
    case ErrorCode::kRevoked:
    case ErrorCode::kRateLimited:
      return kExitRefused;
    default:
      return kExitOther;
  }
}

void Session::Finish(const Status& status) {
  if (status) return;
  err << status.error().Line() << "\n";
  exit_code = ExitCodeOf(status.error().code);
}

void AddOutputOption(CLI::App& command, Session& session) {
  static const std::map<std::string, OutputFormat> kFormats = {{"table", OutputFormat::kTable},
                                                               {"wide", OutputFormat::kWide},
                                                               {"json", OutputFormat::kJson},
                                                               {"yaml", OutputFormat::kYaml},
                                                               {"name", OutputFormat::kName}};
  command.add_option("-o,--output", session.output, "table, wide, json, yaml or name")
      ->transform(OneOf(kFormats));
}

Status PrintDocument(Session& session, std::string_view text) {
  SLUICE_ASSIGN(const Json json, ParseJson(text));
  if (session.output == OutputFormat::kJson) {
    session.out << json.dump(2) << "\n";
    return {};
  }
  std::string yaml;
  AppendYaml(json, 0, yaml);
  session.out << yaml;
  return {};
}

int RunSluice(int argc, const char* const* argv, Session& session) {
  CLI::App app("Ships machine-learning models to device fleets, in stages, and back.", "sluice");
  app.set_version_flag("--version", "sluice " SLUICE_VERSION);
  const char* from_environment = std::getenv("SLUICE_SOCKET");
  session.socket_path = from_environment != nullptr ? from_environment : kDefaultSocket;
  app.add_option("--socket", session.socket_path, "the engine's socket (or SLUICE_SOCKET)")
      ->capture_default_str();
  app.fallthrough();
  app.require_subcommand(1);
  AddKeyCommands(app, session);
  AddRootCommands(app, session);
  AddReleaseCommands(app, session);
  AddRolloutCommands(app, session);
  AddDeviceCommands(app, session);
  AddDeltaCommands(app, session);
  AddEngineCommands(app, session);
  AddRuleCommands(app, session);
  AddStoreCommands(app, session);
  AddBrokerCommands(app, session);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error, session.out, session.err);
    // CLI11 misses a subcommand before it looks at the word that stands in its place.
    const std::vector<std::string> unknown = app.remaining(true);
    const bool is_command =
        dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !unknown.empty() &&
        std::string_view(error.what()).find("subcommand") != std::string_view::npos;
    const std::string what =
        is_command ? "no command '" + Printable(unknown.front()) + "'" : error.what();
    session.err << Error{ErrorCode::kUsage, what}.Line() << "; see 'sluice --help'\n";
    return kExitUsage;
  }
  session.out.flush();
  return session.exit_code;
}

}  // namespace sluice
