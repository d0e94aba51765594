// /v1/devices
#include <algorithm>

#include "rollout_engine/api/http_routes.h"

namespace sluice::http {
namespace {

std::string_view ArmOf(const Engine& engine, const Device& device) {
  const RolloutEntry* entry = engine.rollouts().Covering(device.id);
  if (entry == nullptr) return "";
  const Member& member = entry->rollout.members.at(device.id);
  return member.activated_at ? "test" : member.control ? "control" : "";
}

Json ToJson(Engine& engine, const Device& device) {
  Json json = {{"id", device.id}};
  json.update(DeviceJson(SourcesOf(engine), device));
  Json attributes = Json::object();
  if (device.hello) {
    for (const auto& [key, value] : device.hello->attributes) attributes[key] = value;
  }
  json["online"] = device.online;
  json["hardware"] = device.hardware();
  json["agent"] = device.hello ? device.hello->agent_version : "";
  json["artifact"] = device.active_artifact.IsZero() ? "" : device.active_artifact.Hex();
  json["rollout"] = device.directive ? device.directive->value.rollout : "";
  json["arm"] = ArmOf(engine, device);
  json["attributes"] = std::move(attributes);
  json["last_seen"] = device.last_seen_ms;
  return json;
}

/// "hardware=jetson,site=a": E_USAGE for anything else.
Result<std::vector<SelectorTerm>> ParseSelector(const std::string& text) {
  std::vector<SelectorTerm> terms;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string pair = text.substr(at, end - at);
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0) {
      return Fail(ErrorCode::kUsage,
                  "selector '" + text + "': allowed key=value, more of them after commas");
    }
    terms.push_back({pair.substr(0, equals), pair.substr(equals + 1)});
    at = end + 1;
  }
  return terms;
}

bool Fits(const std::vector<SelectorTerm>& selector, const Device& device) {
  return std::all_of(selector.begin(), selector.end(), [&](const SelectorTerm& term) {
    if (term.key == "hardware") return device.hardware() == term.value;
    if (term.key == "model") return device.model() == term.value;
    if (!device.hello) return false;
    const auto& attributes = device.hello->attributes;
    return std::find(attributes.begin(), attributes.end(), std::pair(term.key, term.value)) !=
           attributes.end();
  });
}

void ListDevices(const Context& context, const httplib::Request& request,
                 httplib::Response& response) {
  const auto limit = LimitOf(request);
  if (!limit) return SendError(response, limit.error());
  const auto selector = ParseSelector(request.get_param_value("selector"));
  if (!selector) return SendError(response, selector.error());
  Answer(context, response, [&](Engine& engine) -> Result<Json> {
    const auto& devices = engine.devices().all();
    Json items = Json::array();
    std::string last;
    for (auto device = devices.upper_bound(request.get_param_value("cursor"));
         device != devices.end(); ++device) {
      if (!Fits(*selector, device->second)) continue;
      if (items.size() == *limit) return ListJson(std::move(items), last);
      items.push_back(ToJson(engine, device->second));
      last = device->first;
    }
    return ListJson(std::move(items), "");
  });
}

Result<const Device*> FindDevice(const Engine& engine, const std::string& id) {
  if (const Device* device = engine.devices().Find(id)) return device;
  return Fail(ErrorCode::kNotFound, "no device " + id);
}

void History(const Context& context, const httplib::Request& request, httplib::Response& response) {
  const auto limit = LimitOf(request);
  if (!limit) return SendError(response, limit.error());
  Answer(context, response, [&](Engine& engine) -> Result<Json> {
    SLUICE_ASSIGN(const Device* device, FindDevice(engine, request.matches[1]));
    SLUICE_ASSIGN(const std::vector<HistoryLine> lines,
                  DeviceDirectory::History(engine.store(), device->id, *limit));
    Json items = Json::array();
    for (const HistoryLine& line : lines) {
      items.push_back({{"ts", line.ts_ms},
                       {"state", line.state},
                       {"release", line.release},
                       {"rollout", line.rollout},
                       {"stage", line.stage},
                       {"code", line.code},
                       {"text", line.text},
                       {"bytes", line.bytes}});
    }
    return ListJson(std::move(items), "");
  });
}

}  // namespace

void AddDeviceRoutes(httplib::Server& server, const Context& context) {
  server.Get("/v1/devices", [context](const auto& request, auto& response) {
    ListDevices(context, request, response);
  });
  server.Get(R"(/v1/devices/([^/]+))",
             [context](const httplib::Request& request, httplib::Response& response) {
               Answer(context, response, [&](Engine& engine) -> Result<Json> {
                 SLUICE_ASSIGN(const Device* device, FindDevice(engine, request.matches[1]));
                 return ToJson(engine, *device);
               });
             });
  server.Get(R"(/v1/devices/([^/]+)/history)", [context](const auto& request, auto& response) {
    History(context, request, response);
  });
  AddPost(server, R"(/v1/devices/([^/]+)/operations)",
          [context](const httplib::Request& request, const std::string& body,
                    httplib::Response& response) {
            AnswerOperation(context, body, response, Subject::kDevice, request.matches[1]);
          });
}

}  // namespace sluice::http
