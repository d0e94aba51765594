#include <CLI/CLI.hpp>

#include "rollout_engine/cli/commands.h"
#include "rollout_engine/cli/engine_client.h"
#include "rollout_engine/cli/json_text.h"
#include "rollout_engine/cli/operation_call.h"
#include "rollout_engine/cli/table.h"

namespace sluice {
namespace {

std::string YesNo(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_boolean() && found->get<bool>() ? "yes" : "no";
}

/// Who answers the fetches of devices.
std::string ChunkServerName(const Json& engine) {
  const std::string server = Printable(TextAt(engine, "server"));
  if (YesNo(engine, "server_serving") == "yes") return server;
  const std::string lease = TextAt(engine, "server_lease");
  if (lease == "lapsed") return "engine (" + server + " is silent)";
  return lease == "live" ? "engine (" + server + " is paused)" : "engine";
}

Status ShowStatus(Session& session) {
  SLUICE_ASSIGN(const std::string engine, EngineClient(session.socket_path).Get("/v1/engine"));
  if (session.WantsDocument()) {
    return PrintDocument(session, engine);
  }
  SLUICE_ASSIGN(const Json json, ParseJson(engine));
  if (session.output == OutputFormat::kName) {
    session.out << Printable(TextAt(json, "id")) << "\n";
    return {};
  }
  Table table(
      {"ID", "FLEET", "VERSION", "EPOCH", "BROKER", "STORE", "CHUNKS", "DEVICES", "ONLINE"});
  table.Add({TextAt(json, "id"), TextAt(json, "fleet"), TextAt(json, "version"),
             std::to_string(IntegerAt(json, "epoch")), YesNo(json, "broker_connected"),
             TextAt(json, "store"), ChunkServerName(json),
             std::to_string(IntegerAt(json, "devices")),
             std::to_string(IntegerAt(json, "online"))});
  session.out << table.Render();
  return {};
}

}  // namespace

void AddEngineCommands(CLI::App& app, Session& session) {
  CLI::App* noun = app.add_subcommand("engine", "the engine itself");
  noun->require_subcommand(1);
  CLI::App* status = noun->add_subcommand("status", "version, broker, store, devices");
  AddOutputOption(*status, session);
  status->callback([&session] { session.Finish(ShowStatus(session)); });

  auto options = std::make_shared<OperationOptions>();
  CLI::App* accept = noun->add_subcommand(
      "accept-clock", "sign by the machine's clock again after it was found wrong (E_CLOCK)");
  AddOperationOptions(*accept, *options);
  AddOutputOption(*accept, session);
  accept->callback([&session, options] {
    session.Finish(CallOperation(session, "/v1/engine", "engine", "accept_clock", *options));
  });
}

}  // namespace sluice
