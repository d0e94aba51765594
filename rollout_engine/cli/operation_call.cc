#include "rollout_engine/cli/operation_call.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "common/base/bytes.h"
#include "rollout_engine/cli/engine_client.h"
#include "rollout_engine/cli/json_text.h"
#include "rollout_engine/cli/table.h"

namespace sluice {
namespace {

/// A label for the log; whoever may open the socket may say anything here.
std::string CallerName() {
  const char* user = std::getenv("USER");
  return user != nullptr && *user != '\0' ? user : "uid-" + std::to_string(::getuid());
}

}  // namespace

void AddOperationOptions(CLI::App& command, OperationOptions& options) {
  command.add_option("--reason", options.reason, "goes into the log");
  command.add_option("--id", options.id, "operation id: the same one again has no second effect");
}

std::string OperationId(Session& session, const OperationOptions& options) {
  if (!options.id.empty()) return options.id;
  Bytes bytes(8);
  session.random.Fill(bytes);
  return "cli-" + ToHex(bytes);
}

Status CallOperation(Session& session, const std::string& path, const std::string& object,
                     const std::string& op, const OperationOptions& options,
                     const std::string& to) {
  Json body = {{"op", op}, {"id", OperationId(session, options)}, {"by", CallerName()}};
  if (!options.reason.empty()) body["reason"] = options.reason;
  if (!to.empty()) body["to"] = to;
  if (options.has_expect_rev) body["expect_rev"] = options.expect_rev;
  const std::string text = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  SLUICE_ASSIGN(
      const std::string answer,
      EngineClient(session.socket_path).Post(path + "/operations", {}, text, "application/json"));
  if (session.WantsDocument()) return PrintDocument(session, answer);
  SLUICE_ASSIGN(const Json outcome, ParseJson(answer));
  session.out << object << " " << op << ": " << Printable(TextAt(outcome, "message", "done"))
              << "\n";
  return {};
}

}  // namespace sluice
