#include "broker_plugin/broker.h"

#include <algorithm>
#include <utility>

namespace sluice::plugin {

bool Broker::PublishCopy(std::string_view topic, ByteView payload, int qos, bool retain) {
  BrokerBuffer buffer = Allocate(payload.size());
  if (!buffer) return false;
  std::copy(payload.begin(), payload.end(), buffer.data());
  return Publish(topic, std::move(buffer), qos, retain);
}

}  // namespace sluice::plugin
