#include "device_sdk/daemon/status_text.h"

#include <nlohmann/json.hpp>

namespace sluice::device {

using nlohmann::json;

std::string StatusAsJson(const sdk::DeviceStatus& status, bool running) {
  json slots = json::array();
  for (const sdk::SlotStatus& slot : status.slots) {
    slots.push_back({{"state", slot.state}, {"release", slot.release}, {"sha256", slot.sha256}});
  }
  const json object = {{"running", running},
                       {"state", status.state},
                       {"phase", status.phase},
                       {"gen", status.gen},
                       {"slots", slots},
                       {"active", status.active},
                       {"loaded_sha256", status.loaded_sha256},
                       {"loaded_release", status.loaded_release},
                       {"floor_epoch", status.floor_epoch},
                       {"directive_epoch", status.directive_epoch},
                       {"directive_seq", status.directive_seq},
                       {"engine_epoch", status.engine_epoch},
                       {"starts_left", status.starts_left},
                       {"boot", status.boot},
                       {"activation", status.activation},
                       {"bytes_down", status.bytes_down},
                       {"bytes_up", status.bytes_up},
                       {"connected", status.connected},
                       {"clock", status.clock_untrusted ? "W_CLOCK_UNTRUSTED" : "ok"},
                       {"last_error", status.last_error}};
  // Texts may come from hooks: bytes that are no UTF-8 must not end the agent.
  return object.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string StatusForPeople(const std::string& status_json) {
  const json status = json::parse(status_json, nullptr, false);
  if (!status.is_object()) return {};
  const std::string loaded = status.value("loaded_sha256", "");
  std::string text = status.value("state", "") + " (" + status.value("phase", "") + "), " +
                     (!status.value("running", false)    ? "agent not running"
                      : status.value("connected", false) ? "connected"
                                                         : "not connected") +
                     "\n";
  text += loaded.empty()
              ? "serves nothing\n"
              : "serves " + status.value("loaded_release", "") + " " + loaded.substr(0, 12) + "\n";
  char name = 'a';
  const int active = status.value("active", -1);
  for (const json& slot : status.value("slots", json::array())) {
    const bool is_active = name - 'a' == active;
    text += std::string("slot ") + name + (is_active ? " *" : "  ") + slot.value("state", "") +
            " " + slot.value("release", "") + " " + slot.value("sha256", "").substr(0, 12) + "\n";
    ++name;
  }
  const std::string error = status.value("last_error", "");
  if (!error.empty()) text += "last error " + error + "\n";
  return text;
}

}  // namespace sluice::device
