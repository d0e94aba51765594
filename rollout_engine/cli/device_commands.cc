#include <CLI/CLI.hpp>

#include "common/contract/topics.h"
#include "rollout_engine/cli/commands.h"
#include "rollout_engine/cli/engine_client.h"
#include "rollout_engine/cli/json_text.h"
#include "rollout_engine/cli/operation_call.h"
#include "rollout_engine/cli/table.h"

namespace sluice {
namespace {

struct DeviceOptions {
  std::string id;
  std::string selector;
  OperationOptions operation;
  bool lift = false;
};

std::string ProgressOf(const Json& device) {
  const auto busy = device.find("busy");
  if (busy == device.end() || !busy->is_boolean() || !busy->get<bool>()) return "";
  return NumberText(NumberAt(device, "progress")) + "%";
}

std::string OnlineOf(const Json& device) {
  const auto online = device.find("online");
  return online != device.end() && online->is_boolean() && online->get<bool>() ? "yes" : "no";
}

Table DeviceTable(const Json& devices, bool wide) {
  std::vector<std::string> header = {"ID",      "MODEL", "HARDWARE", "ONLINE",   "REPORTED",
                                     "DESIRED", "STATE", "WAITING",  "PROGRESS", "ERROR"};
  if (wide) header.insert(header.end(), {"SLOT", "ROLLOUT", "ARM", "AGENT", "ARTIFACT"});
  Table table(std::move(header));
  for (const Json& device : devices) {
    std::vector<std::string> cells = {TextAt(device, "id"),       TextAt(device, "model"),
                                      TextAt(device, "hardware"), OnlineOf(device),
                                      TextAt(device, "reported"), TextAt(device, "desired"),
                                      TextAt(device, "state"),    TextAt(device, "waiting"),
                                      ProgressOf(device),         TextAt(device, "error")};
    if (wide) {
      for (const char* key : {"slot", "rollout", "arm", "agent", "artifact"})
        cells.push_back(TextAt(device, key));
    }
    table.Add(std::move(cells));
  }
  return table;
}

Status Print(Session& session, const Json& devices) {
  if (session.output == OutputFormat::kName) {
    for (const Json& device : devices) session.out << Printable(TextAt(device, "id")) << "\n";
    return {};
  }
  session.out << DeviceTable(devices, session.output == OutputFormat::kWide).Render();
  return {};
}

Status List(Session& session, const DeviceOptions& options) {
  SLUICE_ASSIGN(
      const std::string list,
      EngineClient(session.socket_path).GetAll("/v1/devices", {{"selector", options.selector}}));
  if (session.WantsDocument()) return PrintDocument(session, list);
  SLUICE_ASSIGN(const Json json, ParseJson(list));
  return Print(session, ItemsAt(json, "items"));
}

Status Get(Session& session, const DeviceOptions& options) {
  SLUICE_TRY(CheckIdentity("device", options.id));
  SLUICE_ASSIGN(const std::string device,
                EngineClient(session.socket_path).Get("/v1/devices/" + options.id));
  if (session.WantsDocument()) return PrintDocument(session, device);
  SLUICE_ASSIGN(Json json, ParseJson(device));
  return Print(session, Json::array({std::move(json)}));
}

Status History(Session& session, const DeviceOptions& options) {
  SLUICE_TRY(CheckIdentity("device", options.id));
  SLUICE_ASSIGN(const std::string list,
                EngineClient(session.socket_path).GetAll("/v1/devices/" + options.id + "/history"));
  if (session.WantsDocument()) return PrintDocument(session, list);
  SLUICE_ASSIGN(const Json json, ParseJson(list));
  Table table({"TIME", "STATE", "RELEASE", "ROLLOUT", "STAGE", "CODE", "BYTES", "TEXT"});
  for (const Json& line : ItemsAt(json, "items")) {
    table.Add({TimeText(IntegerAt(line, "ts")), TextAt(line, "state"), TextAt(line, "release"),
               TextAt(line, "rollout"), TextAt(line, "stage"), TextAt(line, "code"),
               SizeText(static_cast<std::uint64_t>(IntegerAt(line, "bytes"))),
               TextAt(line, "text")});
  }
  session.out << table.Render();
  return {};
}

Status Quarantine(Session& session, const DeviceOptions& options) {
  SLUICE_TRY(CheckIdentity("device", options.id));
  return CallOperation(session, "/v1/devices/" + options.id, options.id,
                       options.lift ? "lift" : "quarantine", options.operation);
}

}  // namespace

void AddDeviceCommands(CLI::App& app, Session& session) {
  CLI::App* noun = app.add_subcommand("device", "what runs where, and what became of its updates");
  noun->require_subcommand(1);
  auto options = std::make_shared<DeviceOptions>();
  const auto add = [&](const char* name, const char* help, auto run) {
    CLI::App* command = noun->add_subcommand(name, help);
    AddOutputOption(*command, session);
    command->callback([&session, options, run] { session.Finish(run(session, *options)); });
    return command;
  };
  add("list", "all devices, or those of a selector", List)
      ->add_option("-l,--selector", options->selector,
                   "hardware=jetson,site=a: every pair must hold");
  add("get", "one device", Get)->add_option("DEVICE", options->id)->required();
  add("history", "what it reported, newest first", History)
      ->add_option("DEVICE", options->id)
      ->required();
  CLI::App* quarantine =
      add("quarantine", "leave it alone: no offer, no permit, no arm", Quarantine);
  quarantine->add_option("DEVICE", options->id)->required();
  quarantine->add_flag("--lift", options->lift, "let it take part again");
  AddOperationOptions(*quarantine, options->operation);
}

}  // namespace sluice
