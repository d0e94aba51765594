// One turn of the engine: all that it decides becomes durable together, and visible only after
// that.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "common/mqtt/transport.h"
#include "rollout_engine/store/store.h"

namespace sluice {

/// A message to publish once the batch is durable.
struct OutgoingMessage {
  std::string topic;
  Bytes payload;
  Qos qos = Qos::k1;
  bool retain = false;
};

struct Turn {
  /// Engine time: the boot clock, carried on over restarts, standing still while the engine is
  /// down.
  BootMs now;
  WallMs wall;
  WriteBatch batch;
  /// Something in the batch backs a promise; otherwise the write may be lost with power.
  bool must_sync = false;
  std::vector<OutgoingMessage> messages;

  void Publish(std::string topic, Bytes payload, Qos qos, bool retain) {
    messages.push_back({std::move(topic), std::move(payload), qos, retain});
  }
  void PublishText(std::string topic, std::string_view text, bool retain) {
    const ByteView bytes = AsBytes(text);
    Publish(std::move(topic), Bytes(bytes.begin(), bytes.end()), Qos::k1, retain);
  }
};

}  // namespace sluice
