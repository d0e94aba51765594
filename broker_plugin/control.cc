#include "broker_plugin/control.h"

#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "broker_plugin/limits.h"
#include "common/contract/topics.h"

namespace sluice::plugin {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

/// What a command answers with: an object for "data", or null for none.
using Answer = Result<ordered_json>;
using Command = Answer (*)(const json& command, ControlActions& actions);

tl::unexpected<Error> BadField(std::string_view field, std::string_view rule) {
  return Fail(ErrorCode::kUsage, std::string(field) + ": " + std::string(rule));
}

/// The whole number of a field; nothing when it is absent.
Result<std::optional<std::uint64_t>> Number(const json& command, const char* field,
                                            std::uint64_t low, std::uint64_t high) {
  const auto found = command.find(field);
  if (found == command.end()) return std::optional<std::uint64_t>{};
  if (!found->is_number_unsigned() || found->get<std::uint64_t>() < low ||
      found->get<std::uint64_t>() > high) {
    return BadField(field,
                    "a whole number from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return std::optional<std::uint64_t>{found->get<std::uint64_t>()};
}

Result<std::string> Device(const json& command) {
  const auto found = command.find("device");
  if (found == command.end() || !found->is_string()) return BadField("device", "give its identity");
  const auto& device = found->get_ref<const std::string&>();
  SLUICE_TRY(CheckIdentity("device", device));
  return device;
}

Result<ChunkService*> Chunks(ControlActions& actions) {
  if (ChunkService* const chunks = actions.Chunks()) return chunks;
  return Fail(ErrorCode::kState, "no chunks are served in this broker");
}

Answer GetStatus(const json& /*command*/, ControlActions& actions) {
  const StatusReport report = actions.Report();
  ordered_json data = ordered_json::object();
  for (const auto& [key, text] : report.texts) data[key] = text;
  for (const auto& [key, number] : report.numbers) data[key] = number;
  return data;
}

Answer ListJobs(const json& /*command*/, ControlActions& actions) {
  SLUICE_ASSIGN(const ChunkService* const chunks, Chunks(actions));
  ordered_json jobs = ordered_json::array();
  for (const ServingJob& job : chunks->Jobs(limits::kListedJobsMax)) {
    if (jobs.size() >= limits::kListedJobsMax) break;
    jobs.push_back(
        {{"device", job.device}, {"object", job.object.Hex()}, {"bytesLeft", job.bytes_left}});
  }
  return ordered_json{{"pending", chunks->PendingJobs()}, {"jobs", std::move(jobs)}};
}

Answer SetBudget(const json& command, ControlActions& actions) {
  constexpr std::uint64_t kBytesMax = std::uint64_t{1} << 40;
  SLUICE_ASSIGN(ChunkService* const chunks, Chunks(actions));
  SLUICE_ASSIGN(const auto turn,
                Number(command, "turnBytes", limits::kTurnBytesMin, limits::kTurnBytesMax));
  SLUICE_ASSIGN(const auto all, Number(command, "bytesPerS", 0, kBytesMax));
  SLUICE_ASSIGN(const auto device, Number(command, "deviceBytesPerS", 0, kBytesMax));
  if (!turn && !all && !device) return BadField("turnBytes", "name a budget to set");
  ServingBudget budget;
  if (turn) budget.turn_bytes = static_cast<std::uint32_t>(*turn);
  budget.bytes_per_s = all;
  budget.device_bytes_per_s = device;
  if (!chunks->SetBudget(budget)) return Fail(ErrorCode::kState, "this budget cannot be changed");
  return ordered_json{};
}

Answer PauseServing(const json& /*command*/, ControlActions& actions) {
  SLUICE_ASSIGN(ChunkService* const chunks, Chunks(actions));
  chunks->Pause();
  return ordered_json{};
}

Answer ResumeServing(const json& /*command*/, ControlActions& actions) {
  SLUICE_ASSIGN(ChunkService* const chunks, Chunks(actions));
  chunks->Resume();
  return ordered_json{};
}

Answer BlockObjects(const json& command, ControlActions& actions) {
  SLUICE_TRY(Chunks(actions));
  const auto found = command.find("objects");
  if (found == command.end() || !found->is_array() ||
      found->size() > limits::kBlockedPerCommandMax) {
    return BadField("objects", "a list of at most 900 SHA-256s");
  }
  SLUICE_ASSIGN(const auto seq, Number(command, "seq", 1, UINT64_MAX));
  std::set<Digest> objects;
  for (const json& entry : *found) {
    if (!entry.is_string()) return BadField("objects", "a list of at most 900 SHA-256s");
    SLUICE_ASSIGN(const Digest digest, DigestFromHex(entry.get_ref<const std::string&>()));
    objects.insert(digest);
  }
  SLUICE_TRY(actions.BlockObjects(objects, seq));
  return ordered_json{};
}

Answer SetDevicePolicy(const json& command, ControlActions& actions) {
  SLUICE_ASSIGN(const std::string device, Device(command));
  SLUICE_ASSIGN(const auto seconds, Number(command, "seconds", 1, limits::kQuarantineSecondsMax));
  const auto found = command.find("quarantined");
  if (found == command.end() || !found->is_boolean()) {
    return BadField("quarantined", "true or false");
  }
  SLUICE_TRY(actions.SetQuarantine(device, found->get<bool>(),
                                   static_cast<std::uint32_t>(seconds.value_or(0))));
  return ordered_json{};
}

Answer KickDevice(const json& command, ControlActions& actions) {
  SLUICE_ASSIGN(const std::string device, Device(command));
  actions.KickDevice(device);
  return ordered_json{};
}

Answer ReloadConfig(const json& /*command*/, ControlActions& actions) {
  SLUICE_TRY(actions.ReloadConfig());
  return ordered_json{};
}

const std::map<std::string_view, Command>& Commands() {
  static const std::map<std::string_view, Command> commands = {
      {"getStatus", &GetStatus},
      {"listJobs", &ListJobs},
      {"setBudget", &SetBudget},
      {"pauseServing", &PauseServing},
      {"resumeServing", &ResumeServing},
      {"blockObjects", &BlockObjects},
      {"setDevicePolicy", &SetDevicePolicy},
      {"kickDevice", &KickDevice},
      {"reloadConfig", &ReloadConfig},
  };
  return commands;
}

Answer RunCommand(const json& command, ControlActions& actions) {
  const auto name = command.find("command");
  if (name == command.end() || !name->is_string()) return BadField("command", "name one");
  const auto known = Commands().find(name->get_ref<const std::string&>());
  if (known == Commands().end()) return Fail(ErrorCode::kUsage, "no such command");
  return known->second(command, actions);
}

/// A short text of the command, to be said back.
void EchoText(const json& command, const char* field, std::size_t bytes_max, ordered_json& to) {
  if (!command.is_object()) return;
  const auto found = command.find(field);
  if (found == command.end() || !found->is_string()) return;
  const auto& text = found->get_ref<const std::string&>();
  if (text.size() <= bytes_max) to[field] = text;
}

ordered_json Respond(const json& command, ControlActions& actions) {
  ordered_json response = ordered_json::object();
  EchoText(command, "command", limits::kShownTextMax, response);
  Answer answer = command.is_object() ? RunCommand(command, actions)
                                      : Answer(BadField("commands", "a list of objects"));
  if (!answer) {
    response["error"] = answer.error().Line();
  } else if (!answer->is_null()) {
    response["data"] = std::move(*answer);
  }
  EchoText(command, "correlationData", limits::kCorrelationBytesMax, response);
  return response;
}

/// Discarded when it is no JSON, or nested deeper than any command is.
json ParseBounded(ByteView message) {
  bool too_deep = false;
  const auto watch = [&too_deep](int depth, json::parse_event_t event, const json&) {
    const bool opens =
        event == json::parse_event_t::object_start || event == json::parse_event_t::array_start;
    if (opens && depth >= limits::kControlDepthMax) too_deep = true;
    return !too_deep;
  };
  json parsed = json::parse(message.begin(), message.end(), watch, false);
  return too_deep ? json(json::value_t::discarded) : parsed;
}

std::string Dump(const ordered_json& responses) {
  const ordered_json reply = {{"responses", responses}};
  return reply.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string Refusal(const Error& error) {
  return Dump(ordered_json::array({{{"command", ""}, {"error", error.Line()}}}));
}

}  // namespace

std::string RunControl(ByteView message, ControlActions& actions) {
  if (message.size() > limits::kControlBytesMax) {
    return Refusal({ErrorCode::kTooBig, "the message is longer than 64 KiB"});
  }
  const json parsed = ParseBounded(message);
  const auto commands = parsed.is_object() ? parsed.find("commands") : parsed.end();
  if (!parsed.is_object() || commands == parsed.end() || !commands->is_array()) {
    return Refusal({ErrorCode::kUsage, "write {\"commands\":[{\"command\":...}]}"});
  }
  if (commands->size() > limits::kControlCommandsMax) {
    return Refusal({ErrorCode::kTooBig, "more than 64 commands in one message"});
  }
  ordered_json responses = ordered_json::array();
  for (const json& command : *commands) responses.push_back(Respond(command, actions));
  std::string reply = Dump(responses);
  if (reply.size() <= limits::kControlReplyBytesMax) return reply;
  return Refusal({ErrorCode::kTooBig, "done, but the reply is longer than 64 KiB; ask for less"});
}

}  // namespace sluice::plugin
