#include "common/mqtt/memory_transport.h"

#include <utility>

namespace sluice {

MemoryTransport::~MemoryTransport() {
  Stop();
  broker_.Forget(session_);
}

Status MemoryTransport::Start(Will will, std::vector<Subscription> subscriptions,
                              TransportEvents& events) {
  SLUICE_TRY(CheckSession(will, subscriptions));
  if (started_) return Fail(ErrorCode::kState, "this transport was started before; make a new one");
  started_ = true;
  session_ = broker_.Attach(client_id_, std::move(will), std::move(subscriptions), events);
  return {};
}

Status MemoryTransport::SetSubscriptions(std::vector<Subscription> subscriptions) {
  SLUICE_TRY(CheckSession({}, subscriptions));
  if (!started_) return Fail(ErrorCode::kState, "this transport is not started; start it first");
  broker_.SetSubscriptions(session_, std::move(subscriptions));
  return {};
}

void MemoryTransport::Stop() { broker_.Detach(session_); }

Result<std::uint64_t> MemoryTransport::Publish(std::string_view topic, ByteView payload, Qos qos,
                                               bool retain) {
  SLUICE_TRY(CheckPublish(topic, payload));
  return broker_.Publish(session_, topic, payload, qos, retain);
}

void MemoryTransport::Reconnect() { broker_.Reconnect(session_); }

LinkUse MemoryTransport::Used() const { return broker_.Used(session_); }

}  // namespace sluice
