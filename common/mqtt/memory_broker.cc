#include "common/mqtt/memory_broker.h"

#include <algorithm>
#include <utility>

#include "common/base/check.h"
#include "common/mqtt/topic_filter.h"

namespace sluice {
namespace {

bool HasWildcard(std::string_view filter) {
  return filter.find_first_of("+#") != std::string_view::npos;
}

}  // namespace

MemoryBroker::MemoryBroker(MemoryBrokerOptions options) : options_(options) {
  SLUICE_CHECK(options.reconnect_delay_ms > 0);
}

void MemoryBroker::SetFaultPolicy(FaultPolicy policy) {
  const std::lock_guard lock(mutex_);
  policy_ = std::move(policy);
}

std::int64_t MemoryBroker::NowMs() const {
  const std::lock_guard lock(mutex_);
  return now_ms_;
}

std::optional<std::int64_t> MemoryBroker::NextDueMs() const {
  const std::lock_guard lock(mutex_);
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first.first;
}

std::size_t MemoryBroker::DeliverUntil(std::int64_t now_ms) {
  const std::lock_guard delivering(delivering_);
  std::unique_lock lock(mutex_);
  SLUICE_CHECK(now_ms >= now_ms_);
  std::size_t delivered = 0;
  while (!due_.empty() && due_.begin()->first.first <= now_ms) {
    auto next = due_.extract(due_.begin());
    now_ms_ = std::max(now_ms_, next.key().first);
    ++delivered;
    if (Upcall upcall = Take(std::move(next.mapped()))) {
      lock.unlock();
      upcall();
      lock.lock();
    }
  }
  now_ms_ = std::max(now_ms_, now_ms);
  return delivered;
}

MemoryBroker::Upcall MemoryBroker::Take(Due due) {
  Session* session = Find(due.session);
  if (session == nullptr || session->events == nullptr) return nullptr;
  TransportEvents* const events = session->events;
  if (due.kind == Due::Kind::kConnect) return TakeConnect(due.session, *session);
  if (due.kind == Due::Kind::kLost) {
    return [events, why = std::move(due.why), failed = std::move(due.failed)] {
      for (const std::uint64_t id : failed) events->OnPublished(id, false);
      events->OnDisconnected(why);
    };
  }
  if (due.connection != session->connection) return nullptr;
  if (due.kind == Due::Kind::kRefused) {
    return [events, filter = std::move(due.filter)] { events->OnSubscriptionRefused(filter); };
  }
  if (due.kind == Due::Kind::kPublish) return TakePublish(*session, std::move(due));
  if (due.kind == Due::Kind::kMessage) return TakeMessage(*session, std::move(due));
  if (!session->window.Release(due.publish_id)) return nullptr;  // the second of two PUBACKs
  return [events, id = due.publish_id] { events->OnPublished(id, true); };
}

MemoryBroker::Upcall MemoryBroker::TakeConnect(SessionId id, Session& session) {
  if (session.connection != 0 || cut_links_.contains(session.client_id)) return nullptr;
  LoseClient(session.client_id, "another connection took over the client id");
  connected_[session.client_id] = id;
  session.connection = ++last_connection_;
  for (const Subscription& subscription : session.subscriptions) {
    if (Grant(id, session, subscription) || !subscription.required) continue;
    Lose(id, {ErrorCode::kBrokerRefused, "the broker refused a subscription"}, false);
    return nullptr;
  }
  return [events = session.events] { events->OnConnected(); };
}

bool MemoryBroker::Grant(SessionId id, Session& session, const Subscription& subscription) {
  if (refused_filters_.contains(subscription.filter)) {
    Schedule(0, {.kind = Due::Kind::kRefused,
                 .session = id,
                 .connection = session.connection,
                 .filter = subscription.filter});
    return false;
  }
  auto& filters = HasWildcard(subscription.filter) ? wildcard_ : exact_;
  filters[subscription.filter][id] = subscription.qos;
  for (const auto& [topic, message] : retained_) {
    if (TopicMatches(subscription.filter, topic)) SendTo(id, session, message, subscription.qos);
  }
  return true;
}

void MemoryBroker::Revoke(SessionId id, const std::string& filter) {
  auto& filters = HasWildcard(filter) ? wildcard_ : exact_;
  const auto granted = filters.find(filter);
  if (granted == filters.end()) return;
  granted->second.erase(id);
  if (granted->second.empty()) filters.erase(granted);
}

void MemoryBroker::SetSubscriptions(SessionId id, std::vector<Subscription> subscriptions) {
  const std::lock_guard lock(mutex_);
  Session* session = Find(id);
  if (session == nullptr || session->events == nullptr) return;
  const std::vector<Subscription> before = std::exchange(session->subscriptions, subscriptions);
  if (session->connection == 0) return;
  for (const Subscription& old : before) {
    const auto same = [&](const Subscription& other) { return other.filter == old.filter; };
    if (std::none_of(subscriptions.begin(), subscriptions.end(), same)) Revoke(id, old.filter);
  }
  for (const Subscription& subscription : subscriptions) {
    if (std::find(before.begin(), before.end(), subscription) != before.end()) continue;
    if (Grant(id, *session, subscription) || !subscription.required) continue;
    return Lose(id, {ErrorCode::kBrokerRefused, "the broker refused a subscription"}, false);
  }
}

void MemoryBroker::RefuseFilter(const std::string& filter) {
  const std::lock_guard lock(mutex_);
  refused_filters_.insert(filter);
}

MemoryBroker::Upcall MemoryBroker::TakePublish(Session& session, Due due) {
  Route(due.message, due.retain);
  if (due.message.qos == Qos::k0) {
    session.window.Release(due.publish_id);
    return nullptr;
  }
  due.kind = Due::Kind::kPuback;
  Schedule(0, std::move(due));
  return nullptr;
}

MemoryBroker::Upcall MemoryBroker::TakeMessage(Session& session, Due due) {
  --session.queued_messages;
  session.used.bytes_down += LinkBytes(due.message.topic, due.message.payload);
  return [events = session.events, message = std::move(due.message)]() mutable {
    events->OnMessage(std::move(message));
  };
}

void MemoryBroker::Schedule(std::int64_t delay_ms, Due due) {
  due_.emplace(std::pair{now_ms_ + delay_ms, ++last_sequence_}, std::move(due));
}

bool MemoryBroker::SendHop(Hop::Direction direction, Session& session, const Due& due) {
  Fate fate;
  if (policy_) fate = policy_(Hop{direction, session.client_id, due.message, now_ms_});
  std::int64_t at_ms = now_ms_ + std::max<std::int64_t>(fate.delay_ms, 0);
  const std::pair key{direction, due.message.topic};
  if (const auto before = session.not_before_ms.find(key); before != session.not_before_ms.end()) {
    at_ms = std::max(at_ms, before->second);
    session.not_before_ms.erase(before);
  }
  if (at_ms > now_ms_) session.not_before_ms.emplace(key, at_ms);
  for (int copy = 0; copy < fate.copies; ++copy) {
    if (direction == Hop::Direction::kDown) ++session.queued_messages;
    Schedule(at_ms - now_ms_, due);
  }
  return fate.copies > 0;
}

void MemoryBroker::Route(const MqttMessage& message, bool retain) {
  if (retain && message.payload.empty()) {
    retained_.erase(message.topic);
  } else if (retain) {
    MqttMessage& kept = retained_[message.topic] = message;
    kept.retained = true;
  }
  // A client with several filters that match gets one copy, with the highest QoS granted.
  std::map<SessionId, Qos> receivers;
  const auto gather = [&receivers](const std::map<SessionId, Qos>& granted) {
    for (const auto& [id, qos] : granted) {
      const auto [entry, is_new] = receivers.emplace(id, qos);
      if (!is_new) entry->second = std::max(entry->second, qos);
    }
  };
  if (const auto found = exact_.find(message.topic); found != exact_.end()) gather(found->second);
  for (const auto& [filter, granted] : wildcard_) {
    if (TopicMatches(filter, message.topic)) gather(granted);
  }
  for (const auto& [id, qos] : receivers) SendTo(id, *Find(id), message, qos);
}

void MemoryBroker::SendTo(SessionId id, Session& session, const MqttMessage& message, Qos granted) {
  if (session.queued_messages >= options_.queue_messages_max) {
    ++dropped_messages_;
    return;
  }
  Due due{.kind = Due::Kind::kMessage,
          .session = id,
          .connection = session.connection,
          .message = message};
  due.message.qos = std::min(message.qos, granted);
  SendHop(Hop::Direction::kDown, session, due);
}

std::vector<std::uint64_t> MemoryBroker::EndConnection(SessionId id, Session& session) {
  connected_.erase(session.client_id);
  session.connection = 0;
  session.queued_messages = 0;
  session.not_before_ms.clear();
  for (const Subscription& subscription : session.subscriptions) Revoke(id, subscription.filter);
  return session.window.Abandon();
}

void MemoryBroker::Lose(SessionId id, Error why, bool publish_will) {
  Session& session = *Find(id);
  Schedule(0, {.kind = Due::Kind::kLost,
               .session = id,
               .why = std::move(why),
               .failed = EndConnection(id, session)});
  Schedule(options_.reconnect_delay_ms, {.kind = Due::Kind::kConnect, .session = id});
  const Will& will = session.will;
  if (!publish_will || will.topic.empty()) return;
  Route({will.topic, will.payload, will.qos, false}, will.retain);
}

void MemoryBroker::LoseClient(const std::string& client_id, const char* why) {
  const auto connected = connected_.find(client_id);
  if (connected != connected_.end()) Lose(connected->second, {ErrorCode::kNotConnected, why}, true);
}

void MemoryBroker::CutLink(const std::string& client_id) {
  const std::lock_guard lock(mutex_);
  cut_links_.insert(client_id);
  LoseClient(client_id, "the link was cut");
}

void MemoryBroker::RestoreLink(const std::string& client_id) {
  const std::lock_guard lock(mutex_);
  if (cut_links_.erase(client_id) == 0) return;
  for (const auto& [id, session] : sessions_) {
    if (session.client_id != client_id) continue;
    Schedule(0, {.kind = Due::Kind::kConnect, .session = id});
  }
}

void MemoryBroker::Kick(const std::string& client_id) {
  const std::lock_guard lock(mutex_);
  LoseClient(client_id, "the broker ended the connection");
}

void MemoryBroker::Restart(bool keep_retained) {
  const std::lock_guard lock(mutex_);
  if (!keep_retained) retained_.clear();
  while (!connected_.empty()) {
    Lose(connected_.begin()->second, {ErrorCode::kNotConnected, "the broker went away"}, false);
  }
}

bool MemoryBroker::IsConnected(const std::string& client_id) const {
  const std::lock_guard lock(mutex_);
  return connected_.contains(client_id);
}

std::optional<MqttMessage> MemoryBroker::Retained(const std::string& topic) const {
  const std::lock_guard lock(mutex_);
  const auto found = retained_.find(topic);
  if (found == retained_.end()) return std::nullopt;
  return found->second;
}

std::uint64_t MemoryBroker::DroppedMessages() const {
  const std::lock_guard lock(mutex_);
  return dropped_messages_;
}

MemoryBroker::SessionId MemoryBroker::Attach(std::string client_id, Will will,
                                             std::vector<Subscription> subscriptions,
                                             TransportEvents& events) {
  const std::lock_guard lock(mutex_);
  const SessionId id = ++last_session_;
  Session& session = sessions_[id];
  session.client_id = std::move(client_id);
  session.will = std::move(will);
  session.subscriptions = std::move(subscriptions);
  session.events = &events;
  Schedule(0, {.kind = Due::Kind::kConnect, .session = id});
  return id;
}

void MemoryBroker::Detach(SessionId id) {
  // An event that runs now in another thread ends first.
  const std::lock_guard delivering(delivering_);
  const std::lock_guard lock(mutex_);
  Session* session = Find(id);
  if (session == nullptr || session->events == nullptr) return;
  if (session->connection != 0) EndConnection(id, *session);
  // The session stays for Used(); without events nothing reaches it again.
  session->events = nullptr;
}

void MemoryBroker::Forget(SessionId id) {
  const std::lock_guard lock(mutex_);
  sessions_.erase(id);
}

Result<std::uint64_t> MemoryBroker::Publish(SessionId id, std::string_view topic, ByteView payload,
                                            Qos qos, bool retain) {
  const std::lock_guard lock(mutex_);
  Session* session = Find(id);
  if (session == nullptr || session->connection == 0) {
    return Fail(ErrorCode::kNotConnected, "no broker connection; wait for it");
  }
  const std::size_t bytes = LinkBytes(topic, payload);
  SLUICE_ASSIGN(const std::uint64_t publish_id, session->window.Admit(qos, bytes));
  session->used.bytes_up += bytes;
  Due due{.kind = Due::Kind::kPublish,
          .session = id,
          .connection = session->connection,
          .publish_id = publish_id,
          .message = {std::string(topic), Bytes(payload.begin(), payload.end()), qos, false},
          .retain = retain};
  // A lost QoS 0 message is off the publisher's hands; a lost QoS 1 message waits for its PUBACK in
  // vain.
  if (!SendHop(Hop::Direction::kUp, *session, due) && qos == Qos::k0) {
    session->window.Release(publish_id);
  }
  return publish_id;
}

void MemoryBroker::Reconnect(SessionId id) {
  const std::lock_guard lock(mutex_);
  Session* session = Find(id);
  if (session == nullptr || session->connection == 0) return;
  Lose(id, {ErrorCode::kNotConnected, "a new connection was asked for"}, false);
}

LinkUse MemoryBroker::Used(SessionId id) const {
  const std::lock_guard lock(mutex_);
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? LinkUse{} : found->second.used;
}

MemoryBroker::Session* MemoryBroker::Find(SessionId id) {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : &found->second;
}

}  // namespace sluice
