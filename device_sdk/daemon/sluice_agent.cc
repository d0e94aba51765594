// sluice-agent: keeps one model beside an application up to date, with three executables as its
// hooks.
#include <CLI/CLI.hpp>

#include "device_sdk/daemon/agent_commands.h"

namespace {

using namespace sluice::device;  // NOLINT: the program is the namespace's own

struct Arguments {
  std::string config_path, state_dir;
  std::uint64_t seed = 0;
  InitArguments init;
  bool as_json = false;
  std::string type, path, reason;
};

/// The state directory alone is enough for commands that only look at a device.
sluice::Result<std::string> StateDir(const Arguments& arguments) {
  if (!arguments.state_dir.empty()) return arguments.state_dir;
  if (arguments.config_path.empty()) {
    return sluice::Fail(sluice::ErrorCode::kUsage,
                        "give --state-dir, or --config with state_dir in it");
  }
  SLUICE_ASSIGN(const AgentConfig config, LoadAgentConfig(arguments.config_path));
  if (!config.device.state_dir.empty()) return config.device.state_dir;
  return sluice::Fail(sluice::ErrorCode::kUsage,
                      "give --state-dir: the configuration has no state_dir");
}

sluice::Result<AgentConfig> Config(const Arguments& arguments) {
  if (arguments.config_path.empty())
    return sluice::Fail(sluice::ErrorCode::kUsage, "give --config");
  SLUICE_ASSIGN(AgentConfig config, LoadAgentConfig(arguments.config_path));
  SLUICE_ASSIGN(config.device.state_dir, StateDir(arguments));
  config.device.seed = arguments.seed;
  return config;
}

void AddCommon(CLI::App& command, Arguments& arguments) {
  command.add_option("--state-dir", arguments.state_dir, "the device's state directory");
  command.add_option("--config", arguments.config_path, "configuration file, key = value");
  command.add_option("--seed", arguments.seed, "seed of the backoff's jitter; 0 = from the kernel");
}

int WithConfig(const Arguments& arguments, int (*run)(const AgentConfig&, const Arguments&)) {
  const auto config = Config(arguments);
  return config ? run(*config, arguments) : FailWith(config.error());
}

int WithStateDir(const Arguments& arguments, int (*run)(const std::string&, const Arguments&)) {
  const auto state_dir = StateDir(arguments);
  return state_dir ? run(*state_dir, arguments) : FailWith(state_dir.error());
}

int Dispatch(const std::string& command, const Arguments& arguments) {
  if (command == "init") {
    return WithConfig(
        arguments, [](const AgentConfig& c, const Arguments& a) { return InitDevice(c, a.init); });
  }
  if (command == "run") {
    return WithConfig(arguments,
                      [](const AgentConfig& c, const Arguments&) { return RunAgent(c); });
  }
  if (command == "status") {
    return WithStateDir(arguments, [](const std::string& d, const Arguments& a) {
      return ShowStatus(d, a.as_json);
    });
  }
  if (command == "verify") {
    return WithStateDir(arguments, [](const std::string& d, const Arguments& a) {
      return VerifyDocument(d, a.type, a.path);
    });
  }
  if (command == "revert") {
    return WithStateDir(arguments, [](const std::string& d, const Arguments& a) {
      return RevertDevice(d, a.reason);
    });
  }
  return WithStateDir(arguments,
                      [](const std::string& d, const Arguments&) { return ScrubSlots(d); });
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "Keeps one model on this device up to date: signed, in two slots, reverted by itself");
  app.require_subcommand(1);
  Arguments arguments;

  CLI::App& init = *app.add_subcommand("init", "make a new device's state directory");
  init.add_option("--root", arguments.init.root_path, "the fleet's Root, in its envelope")
      ->required();
  init.add_option("--slots", arguments.init.slots, "2 or 3")->check(CLI::Range(2, 3));
  CLI::Option* model =
      init.add_option("--model", arguments.init.model_path, "a first model to serve");
  CLI::Option* manifest =
      init.add_option("--manifest", arguments.init.manifest_path, "its manifest, in its envelope");
  model->needs(manifest);
  manifest->needs(model);
  CLI::App& run = *app.add_subcommand("run", "serve, update and report until SIGTERM");
  CLI::App& status = *app.add_subcommand("status", "what the device runs and does");
  status.add_flag("--json", arguments.as_json, "one JSON object");
  CLI::App& verify = *app.add_subcommand("verify", "check a signed document as this device would");
  verify.add_option("--type", arguments.type, "what it is")
      ->required()
      ->check(CLI::IsMember(
          {"root", "manifest", "directive", "order", "freshness", "answer", "revocations"}));
  verify.add_option("file", arguments.path, "the envelope")->required();
  CLI::App& revert = *app.add_subcommand("revert", "go back to the fallback now");
  revert.add_option("--reason", arguments.reason, "one line for the engine's history")->required();
  CLI::App& scrub = *app.add_subcommand("scrub", "read every slot again and check it");
  for (CLI::App* command : {&init, &run, &status, &verify, &revert, &scrub})
    AddCommon(*command, arguments);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kExitOk : kExitUsage;
  }
  return Dispatch(app.get_subcommands().front()->get_name(), arguments);
}
