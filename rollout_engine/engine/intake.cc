#include "rollout_engine/engine/intake.h"

#include <utility>

#include "common/crypto/digest.h"
#include "rollout_engine/engine/server_leases.h"

namespace sluice {
namespace {

Result<Presence> DecodePresence(ByteView payload) {
  const std::string_view text = AsText(payload);
  if (text == "online") return Presence{true};
  if (text == "offline") return Presence{false};
  return Fail(ErrorCode::kFbRange, "presence is neither 'online' nor 'offline'");
}

template <class T>
tl::expected<DeviceMessage, Refusal> Wrap(const std::string& device, Result<T> word) {
  if (!word) return tl::unexpected<Refusal>({device, std::move(word).error()});
  return DeviceMessage{device, std::move(*word)};
}

}  // namespace

tl::expected<DeviceMessage, Refusal> ParseDeviceMessage(const MqttMessage& message) {
  const auto topic = ParseUpTopic(message.topic);
  if (!topic) return tl::unexpected<Refusal>({"", topic.error()});
  const std::string& device = topic->device;
  if (topic->partition != PartitionOf(device)) {
    return tl::unexpected<Refusal>(
        {"",
         {ErrorCode::kBadIdentity,
          "device " + device + " does not belong to the partition of its topic"}});
  }
  switch (topic->kind) {
    case UpKind::kHello:
      return Wrap(device, Decode<Hello>(message.payload));
    case UpKind::kReport:
      return Wrap(device, Decode<Report>(message.payload));
    case UpKind::kTelemetry:
      return Wrap(device, Decode<Telemetry>(message.payload));
    case UpKind::kPresence:
      return Wrap(device, DecodePresence(message.payload));
    case UpKind::kFetch:
      return Wrap(device, Decode<FetchRequest>(message.payload));
  }
  return tl::unexpected<Refusal>({"", {ErrorCode::kTopic, "unknown kind of topic"}});
}

std::vector<Subscription> EngineSubscriptions() {
  return {{UpFilter(UpKind::kHello), Qos::k1},       {UpFilter(UpKind::kReport), Qos::k1},
          {UpFilter(UpKind::kTelemetry), Qos::k0},   {UpFilter(UpKind::kPresence), Qos::k1},
          {UpFilter(UpKind::kFetch), Qos::k0},       {BuildTopic(AllKind::kFreshness), Qos::k1},
          {std::string(kServerLeaseFilter), Qos::k1}};
}

}  // namespace sluice
