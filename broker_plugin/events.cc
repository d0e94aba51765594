#include "broker_plugin/events.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "broker_plugin/limits.h"

namespace sluice::plugin {

std::string_view EventTypeName(EventType type) noexcept {
  constexpr std::array<std::string_view, kEventTypeCount> kNames = {
      "disconnect", "will", "denied", "malformed", "rate", "quarantined", "fault"};
  return kNames[static_cast<std::size_t>(type)];
}

Events::Events(Broker& broker, const Clock& clock, std::string boot)
    : broker_(broker),
      clock_(clock),
      boot_(std::move(boot)),
      all_devices_(limits::kEventsPerS, limits::kEventsBurst, clock.Boot()) {}

void Events::SetServer(std::string_view server) {
  server_ = server;
  topic_ = "sluice/v1/server/" + server_ + "/event";
}

bool Events::Emit(EventType type, std::string_view device, std::string_view why) {
  if (topic_.empty()) return false;
  device = device.substr(0, limits::kShownTextMax);
  Recent* const recent = Admit(type, device, clock_.Boot());
  if (recent == nullptr) {
    ++suppressed_;
    return false;
  }
  const nlohmann::ordered_json event = {
      {"server", server_},
      {"boot", boot_},
      {"seq", ++seq_},
      {"type", EventTypeName(type)},
      {"device", device},
      {"why", why.substr(0, limits::kShownTextMax * 4)},
      {"suppressed", std::exchange(recent->suppressed, 0)},
      {"ts", clock_.Wall().ms},
  };
  // A client's name may hold any bytes.
  const std::string text = event.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return broker_.PublishCopy(topic_, AsBytes(text), 1, false);
}

Events::Recent* Events::Admit(EventType type, std::string_view device, BootMs now) {
  RecentByDevice& devices = recent_[static_cast<std::size_t>(type)];
  const auto found = devices.find(device);
  if (found != devices.end()) {
    Recent& recent = found->second;
    if (now - recent.at < limits::kEventInterval || !all_devices_.TryTake(1, now)) {
      ++recent.suppressed;
      return nullptr;
    }
    recent.at = now;
    return &recent;
  }
  if (recent_count_ >= limits::kEventKeysMax) ForgetOld(now);
  if (recent_count_ >= limits::kEventKeysMax || !all_devices_.TryTake(1, now)) return nullptr;
  ++recent_count_;
  return &devices.emplace(device, Recent{now}).first->second;
}

void Events::ForgetOld(BootMs now) {
  if (now < sweep_not_before_) return;  // it looks at every entry
  sweep_not_before_ = now + limits::kSecond;
  recent_count_ = 0;
  for (RecentByDevice& devices : recent_) {
    std::erase_if(devices, [now](const auto& entry) {
      return now - entry.second.at >= limits::kEventInterval;
    });
    recent_count_ += devices.size();
  }
}

}  // namespace sluice::plugin
