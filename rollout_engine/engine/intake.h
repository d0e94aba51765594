// From MQTT messages to checked words of devices: topic grammar, partition, size and content. Keeps
// nothing.
#pragma once

#include <string>
#include <variant>

#include "common/contract/codec.h"
#include "common/contract/topics.h"
#include "common/mqtt/transport.h"

namespace sluice {

struct Presence {
  bool online = false;
};

/// One checked message of one device.
struct DeviceMessage {
  std::string device;
  std::variant<Hello, Report, Telemetry, Presence, FetchRequest> word;
};

/// Why a message was refused. `device` is known as soon as the topic parsed and its partition fits,
/// so that whoever sends rubbish can be told apart from whom somebody else names.
struct Refusal {
  std::string device;  // "" = nobody to blame
  Error error;
};

/// E_TOPIC, E_BAD_IDENTITY for a wrong partition, E_TOO_BIG, E_FB_INVALID, E_FB_RANGE, E_TM_RANGE.
tl::expected<DeviceMessage, Refusal> ParseDeviceMessage(const MqttMessage& message);

/// What the engine subscribes to.
std::vector<Subscription> EngineSubscriptions();

}  // namespace sluice
