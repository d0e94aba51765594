#include "common/mqtt/paho_transport.h"

#include <mqtt/async_client.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <variant>

#include "common/base/check.h"
#include "common/contract/limits.h"
#include "common/mqtt/paho_errors.h"
#include "common/mqtt/paho_settings.h"
#include "common/mqtt/publish_window.h"

namespace sluice {
namespace {

using SteadyClock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::size_t kInboxMessagesMax = 4'096;
constexpr std::size_t kInboxBytesMax = std::size_t{16} << 20;
constexpr milliseconds kDrainWait{2'000};
constexpr milliseconds kDisconnectWait{2'000};
// Paho reports its own connect timeout; ours is the net below it.
constexpr milliseconds kTimeoutGrace{2'000};
// How often an idle connection is asked whether it is still there, should Paho fail to say so.
constexpr milliseconds kLivenessInterval{30'000};

/// One object for Paho's two calls about the end of an action.
class ActionListener final : public mqtt::iaction_listener {
 public:
  using Ended = std::function<void(const mqtt::token& token, bool ok)>;
  explicit ActionListener(Ended ended) : ended_(std::move(ended)) {}
  void on_success(const mqtt::token& token) override { ended_(token, true); }
  void on_failure(const mqtt::token& token) override { ended_(token, false); }

 private:
  Ended ended_;
};

struct Acknowledged {
  std::uint64_t publish_id;
  bool ok;
};
struct Refused {
  std::string filter;
};
using InboxItem = std::variant<MqttMessage, Acknowledged, Refused>;

// SUBACK's word for a filter that the broker does not grant.
constexpr int kSubackRefused = 0x80;

}  // namespace

class PahoTransport::Impl {
 public:
  Impl(PahoOptions options, std::unique_ptr<Random> random)
      : options_(std::move(options)), random_(std::move(random)) {
    SLUICE_CHECK(random_ != nullptr);
  }

  Status Start(const Will& will, std::vector<Subscription> subscriptions, TransportEvents& events);
  Status SetSubscriptions(std::vector<Subscription> subscriptions);
  void Stop();
  Result<std::uint64_t> Publish(std::string_view topic, ByteView payload, Qos qos, bool retain);
  void Reconnect();
  LinkUse Used() const;
  std::uint64_t DroppedMessages() const;

 private:
  struct Connection;

  // The transport's thread.
  void Run();
  Status Connect();
  Status AwaitConnack(Connection& connection);
  Status Subscribe(Connection& connection);
  Status ChangeSubscriptions(Connection& connection);
  /// Makes the connection ask for what it has not, and takes back what is wanted no more. Returns
  /// how many answers that brings.
  std::size_t AskFor(Connection& connection, const std::vector<Subscription>& wanted);
  Error Serve();
  void EndConnection();
  void Deliver(InboxItem item);
  Error ConnectFailure(Connection& connection);

  // Paho's threads. Each takes the lock, notes what happened and leaves.
  void OnConnectEnded(Connection& connection, int return_code, bool ok);
  void OnSubscribeEnded(Connection& connection, const mqtt::token& token, bool ok);
  void OnPublishEnded(std::uint64_t publish_id, bool ok);
  void OnConnectionLost(Connection& connection);
  void OnMessageArrived(Connection& connection, const mqtt::message& message);

  const PahoOptions options_;
  const std::unique_ptr<Random> random_;
  TransportEvents* events_ = nullptr;
  mqtt::connect_options connect_options_;  // stays where it is: a copy keeps pointers into it

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // All below are guarded by mutex_, which is never held while Paho is called.
  bool started_ = false;
  bool stopping_ = false;
  bool reconnect_asked_ = false;
  bool serving_ = false;  // every SUBACK is there, Publish may
  std::vector<Subscription> subscriptions_;
  bool subscriptions_changed_ = false;  // the connection does not know yet
  std::shared_ptr<Connection> connection_;
  PublishWindow window_;
  std::deque<InboxItem> inbox_;
  std::size_t inbox_messages_ = 0;
  std::size_t inbox_bytes_ = 0;
  LinkUse used_;
  std::uint64_t dropped_messages_ = 0;

  std::thread thread_;
};

/// One MQTT connection from CONNECT to its end. Each has a Paho client of its own, so that nothing
/// that a former one left behind can show up in the next.
struct PahoTransport::Impl::Connection {
  explicit Connection(Impl& owner)
      : connect_listener([this, &owner](const mqtt::token& token, bool ok) {
          owner.OnConnectEnded(*this, token.get_return_code(), ok);
        }),
        subscribe_listener([this, &owner](const mqtt::token& token, bool ok) {
          owner.OnSubscribeEnded(*this, token, ok);
        }),
        publish_listener([&owner](const mqtt::token& token, bool ok) {
          owner.OnPublishEnded(reinterpret_cast<std::uintptr_t>(token.get_user_context()), ok);
        }),
        client(owner.options_.broker_url, owner.options_.client_id,
               mqtt::create_options(MQTTVERSION_3_1_1,
                                    2 * static_cast<int>(kOutstandingMessagesMax))) {
    // Before connect; and never set_callback, which holds a lock that Paho's receive thread wants.
    client.set_connection_lost_handler(
        [this, &owner](const std::string&) { owner.OnConnectionLost(*this); });
    client.set_message_callback([this, &owner](const mqtt::const_message_ptr& message) {
      if (message) owner.OnMessageArrived(*this, *message);
    });
  }

  // The transport's thread only. A subscription that is asked for never moves: its answer points
  // to it.
  std::vector<Subscription> subscribed;
  std::deque<Subscription> asked;

  // Guarded by the owner's mutex.
  bool connect_ended = false;
  int connect_code = 0;
  std::size_t subacks = 0;
  bool subscribe_refused = false;
  bool lost = false;

  ActionListener connect_listener;
  ActionListener subscribe_listener;
  ActionListener publish_listener;
  mqtt::token_ptr connect_token;
  mqtt::async_client client;  // last: gone before what it calls
};

Status PahoTransport::Impl::Start(const Will& will, std::vector<Subscription> subscriptions,
                                  TransportEvents& events) {
  SLUICE_TRY(CheckPahoOptions(options_));
  SLUICE_TRY(CheckSession(will, subscriptions));
  const std::lock_guard lock(mutex_);
  if (started_) return Fail(ErrorCode::kState, "this transport was started before; make a new one");
  try {
    SetConnectOptions(options_, will, connect_options_);
  } catch (const std::exception& error) {
    return Fail(ErrorCode::kUsage, std::string("MQTT connect options: ") + error.what());
  }
  subscriptions_ = std::move(subscriptions);
  events_ = &events;
  started_ = true;
  thread_ = std::thread([this] { Run(); });
  return {};
}

Status PahoTransport::Impl::SetSubscriptions(std::vector<Subscription> subscriptions) {
  SLUICE_TRY(CheckSession({}, subscriptions));
  {
    const std::lock_guard lock(mutex_);
    if (!started_) return Fail(ErrorCode::kState, "this transport is not started; start it first");
    subscriptions_ = std::move(subscriptions);
    subscriptions_changed_ = true;
  }
  changed_.notify_all();
  return {};
}

void PahoTransport::Impl::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (!thread_.joinable()) return;
  SLUICE_CHECK(thread_.get_id() != std::this_thread::get_id());
  thread_.join();
}

Result<std::uint64_t> PahoTransport::Impl::Publish(std::string_view topic, ByteView payload,
                                                   Qos qos, bool retain) {
  SLUICE_TRY(CheckPublish(topic, payload));
  const std::size_t bytes = LinkBytes(topic, payload);
  std::shared_ptr<Connection> connection;
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(mutex_);
    if (!serving_) return Fail(ErrorCode::kNotConnected, "no broker connection; wait for it");
    SLUICE_ASSIGN(id, window_.Admit(qos, bytes));
    connection = connection_;
    used_.bytes_up += bytes;
  }
  // The id is in the window before Paho knows the message: its end may be told before publish()
  // returns.
  try {
    connection->client.publish(
        mqtt::string(topic), payload.data(), payload.size(), static_cast<int>(qos), retain,
        reinterpret_cast<void*>(static_cast<std::uintptr_t>(id)), connection->publish_listener);
  } catch (const mqtt::exception& error) {
    const std::lock_guard lock(mutex_);
    window_.Release(id);
    used_.bytes_up -= bytes;
    return Fail(PublishError(error));
  }
  return id;
}

void PahoTransport::Impl::Reconnect() {
  {
    const std::lock_guard lock(mutex_);
    reconnect_asked_ = true;
  }
  changed_.notify_all();
}

LinkUse PahoTransport::Impl::Used() const {
  const std::lock_guard lock(mutex_);
  return used_;
}

std::uint64_t PahoTransport::Impl::DroppedMessages() const {
  const std::lock_guard lock(mutex_);
  return dropped_messages_;
}

void PahoTransport::Impl::Run() {
  ReconnectBackoff backoff(options_.reconnect);
  while (true) {
    Error why;
    if (Status connected = Connect(); connected.has_value()) {
      const auto up_since = SteadyClock::now();
      why = Serve();
      backoff.ConnectionLasted(
          std::chrono::duration_cast<milliseconds>(SteadyClock::now() - up_since).count());
    } else {
      why = std::move(connected).error();
    }
    EndConnection();
    std::unique_lock lock(mutex_);
    if (stopping_) return;
    lock.unlock();
    events_->OnDisconnected(why);
    lock.lock();
    changed_.wait_for(lock, milliseconds(backoff.NextMs(*random_)), [this] { return stopping_; });
    if (stopping_) return;
  }
}

Status PahoTransport::Impl::Connect() {
  std::shared_ptr<Connection> connection;
  try {
    connection = std::make_shared<Connection>(*this);
    {
      const std::lock_guard lock(mutex_);
      connection_ = connection;
      reconnect_asked_ = false;
    }
    connection->connect_token =
        connection->client.connect(connect_options_, nullptr, connection->connect_listener);
    SLUICE_TRY(AwaitConnack(*connection));
    return Subscribe(*connection);
  } catch (const mqtt::exception& error) {
    return Fail(ErrorCode::kNotConnected, options_.broker_url + ": " + error.to_string());
  }
}

Status PahoTransport::Impl::AwaitConnack(Connection& connection) {
  std::unique_lock lock(mutex_);
  const bool in_time = changed_.wait_for(lock, options_.connect_timeout + kTimeoutGrace,
                                         [&] { return stopping_ || connection.connect_ended; });
  if (stopping_) return Fail(ErrorCode::kState, "stopping");
  if (!in_time) {
    return Fail(ErrorCode::kTimeout, options_.broker_url + " did not answer CONNECT in time");
  }
  const bool connected = connection.connect_code == MQTTASYNC_SUCCESS;
  lock.unlock();
  if (!connected) return Fail(ConnectFailure(connection));
  return {};
}

Error PahoTransport::Impl::ConnectFailure(Connection& connection) {
  std::string detail = "no connection";
  try {
    connection.connect_token->try_wait();
  } catch (const mqtt::exception& error) {
    detail = error.to_string();
  }
  return ConnectError(options_, connection.connect_code, detail);
}

std::size_t PahoTransport::Impl::AskFor(Connection& connection,
                                        const std::vector<Subscription>& wanted) {
  std::size_t answers = 0;
  for (const Subscription& subscription : connection.subscribed) {
    const bool stays = std::ranges::any_of(
        wanted, [&](const Subscription& other) { return other.filter == subscription.filter; });
    if (!stays) connection.client.unsubscribe(subscription.filter);
  }
  for (const Subscription& subscription : wanted) {
    if (std::ranges::find(connection.subscribed, subscription) != connection.subscribed.end())
      continue;
    Subscription& asked = connection.asked.emplace_back(subscription);
    connection.client.subscribe(asked.filter, static_cast<int>(asked.qos), &asked,
                                connection.subscribe_listener);
    ++answers;
  }
  connection.subscribed = wanted;
  return answers;
}

Status PahoTransport::Impl::ChangeSubscriptions(Connection& connection) {
  std::vector<Subscription> wanted;
  {
    const std::lock_guard lock(mutex_);
    wanted = subscriptions_;
    subscriptions_changed_ = false;
  }
  try {
    AskFor(connection, wanted);
  } catch (const mqtt::exception& error) {
    return Fail(ErrorCode::kNotConnected, options_.broker_url + ": " + error.to_string());
  }
  return {};
}

Status PahoTransport::Impl::Subscribe(Connection& connection) {
  std::vector<Subscription> wanted;
  {
    const std::lock_guard lock(mutex_);
    wanted = subscriptions_;
    subscriptions_changed_ = false;
  }
  const std::size_t answers = AskFor(connection, wanted);
  std::unique_lock lock(mutex_);
  const bool in_time = changed_.wait_for(lock, options_.connect_timeout, [&] {
    return stopping_ || connection.lost || connection.subscribe_refused ||
           connection.subacks == answers;
  });
  if (stopping_) return Fail(ErrorCode::kState, "stopping");
  if (!in_time) return Fail(ErrorCode::kTimeout, options_.broker_url + ": no SUBACK in time");
  if (connection.lost) {
    return Fail(ErrorCode::kNotConnected, options_.broker_url + " hung up before every SUBACK");
  }
  if (connection.subscribe_refused) {
    return Fail(ErrorCode::kBrokerRefused, options_.broker_url + " refused a subscription");
  }
  serving_ = true;
  return {};
}

Error PahoTransport::Impl::Serve() {
  events_->OnConnected();
  std::unique_lock lock(mutex_);
  Connection& connection = *connection_;
  while (true) {
    const bool woken = changed_.wait_for(lock, kLivenessInterval, [&] {
      return stopping_ || reconnect_asked_ || subscriptions_changed_ || connection.lost ||
             connection.subscribe_refused || !inbox_.empty();
    });
    if (stopping_) return {};
    if (!inbox_.empty()) {
      InboxItem item = std::move(inbox_.front());
      inbox_.pop_front();
      if (const auto* message = std::get_if<MqttMessage>(&item)) {
        --inbox_messages_;
        inbox_bytes_ -= LinkBytes(message->topic, message->payload);
      }
      lock.unlock();
      Deliver(std::move(item));
      lock.lock();
      continue;
    }
    if (connection.lost) {
      return {ErrorCode::kNotConnected, options_.broker_url + ": the connection was lost"};
    }
    if (reconnect_asked_) return {ErrorCode::kNotConnected, "a new connection was asked for"};
    if (connection.subscribe_refused) {
      return {ErrorCode::kBrokerRefused, options_.broker_url + " refused a subscription"};
    }
    if (subscriptions_changed_) {
      lock.unlock();
      if (const Status changed = ChangeSubscriptions(connection); !changed) return changed.error();
      lock.lock();
      continue;
    }
    if (woken) continue;
    lock.unlock();
    const bool alive = connection.client.is_connected();
    lock.lock();
    if (!alive) connection.lost = true;
  }
}

void PahoTransport::Impl::Deliver(InboxItem item) {
  if (auto* message = std::get_if<MqttMessage>(&item)) {
    events_->OnMessage(std::move(*message));
  } else if (const auto* refused = std::get_if<Refused>(&item)) {
    events_->OnSubscriptionRefused(refused->filter);
  } else {
    const auto& acknowledged = std::get<Acknowledged>(item);
    events_->OnPublished(acknowledged.publish_id, acknowledged.ok);
  }
}

void PahoTransport::Impl::EndConnection() {
  std::shared_ptr<Connection> connection;
  bool alive = false;
  {
    std::unique_lock lock(mutex_);
    connection = connection_;
    alive = serving_ && !connection->lost;
    serving_ = false;
    // The last words before Stop ("offline") should arrive; a Reconnect is asked for when they do
    // not.
    if (alive && stopping_) {
      changed_.wait_for(lock, kDrainWait, [&] { return connection->lost || window_.IsEmpty(); });
    }
  }
  if (alive) {
    // Says DISCONNECT, so that the broker keeps the will to itself.
    try {
      connection->client.disconnect()->wait_for(kDisconnectWait);
    } catch (const mqtt::exception&) {
      // The connection ended in its own way meanwhile; nothing is left to do for it.
    }
  }
  std::vector<std::uint64_t> lost;
  std::deque<InboxItem> inbox;
  bool stopping = false;
  {
    const std::lock_guard lock(mutex_);
    connection_.reset();  // from here on its callbacks are strangers
    lost = window_.Abandon();
    inbox.swap(inbox_);
    inbox_messages_ = 0;
    inbox_bytes_ = 0;
    stopping = stopping_;
  }
  connection.reset();
  if (stopping) return;
  for (InboxItem& item : inbox) Deliver(std::move(item));
  for (const std::uint64_t id : lost) events_->OnPublished(id, false);
}

void PahoTransport::Impl::OnConnectEnded(Connection& connection, int return_code, bool ok) {
  {
    const std::lock_guard lock(mutex_);
    connection.connect_ended = true;
    // A failure always has a code of its own, even if Paho names none.
    connection.connect_code = ok ? MQTTASYNC_SUCCESS : return_code;
    if (!ok && return_code == MQTTASYNC_SUCCESS) connection.connect_code = MQTTASYNC_FAILURE;
  }
  changed_.notify_all();
}

void PahoTransport::Impl::OnSubscribeEnded(Connection& connection, const mqtt::token& token,
                                           bool ok) {
  const auto& asked = *static_cast<const Subscription*>(token.get_user_context());
  const bool refused = !ok && token.get_return_code() == kSubackRefused;
  {
    const std::lock_guard lock(mutex_);
    if (refused && !asked.required) inbox_.emplace_back(Refused{asked.filter});
    if (ok || (refused && !asked.required)) {
      ++connection.subacks;
    } else if (refused) {
      connection.subscribe_refused = true;
    } else {
      connection.lost = true;  // it fails for no other reason
    }
  }
  changed_.notify_all();
}

void PahoTransport::Impl::OnPublishEnded(std::uint64_t publish_id, bool ok) {
  {
    const std::lock_guard lock(mutex_);
    const std::optional<Qos> qos = window_.Release(publish_id);
    if (qos == Qos::k1) inbox_.emplace_back(Acknowledged{publish_id, ok});
  }
  changed_.notify_all();
}

void PahoTransport::Impl::OnConnectionLost(Connection& connection) {
  {
    const std::lock_guard lock(mutex_);
    connection.lost = true;
    if (connection_.get() == &connection) serving_ = false;
  }
  changed_.notify_all();
}

void PahoTransport::Impl::OnMessageArrived(Connection& connection, const mqtt::message& message) {
  const ByteView payload = AsBytes(message.get_payload());
  const std::string& topic = message.get_topic();
  const std::size_t bytes = LinkBytes(topic, payload);
  {
    const std::lock_guard lock(mutex_);
    if (connection_.get() != &connection) return;
    used_.bytes_down += bytes;
    if (payload.size() > limits::kMqttPayloadMax || inbox_messages_ == kInboxMessagesMax ||
        inbox_bytes_ + bytes > kInboxBytesMax) {
      ++dropped_messages_;
      return;
    }
    ++inbox_messages_;
    inbox_bytes_ += bytes;
    inbox_.emplace_back(MqttMessage{topic, Bytes(payload.begin(), payload.end()),
                                    message.get_qos() == 0 ? Qos::k0 : Qos::k1,
                                    message.is_retained()});
  }
  changed_.notify_all();
}

PahoTransport::PahoTransport(PahoOptions options, std::unique_ptr<Random> random)
    : impl_(std::make_unique<Impl>(std::move(options), std::move(random))) {}

PahoTransport::~PahoTransport() { impl_->Stop(); }

Status PahoTransport::Start(Will will, std::vector<Subscription> subscriptions,
                            TransportEvents& events) {
  return impl_->Start(will, std::move(subscriptions), events);
}
Status PahoTransport::SetSubscriptions(std::vector<Subscription> subscriptions) {
  return impl_->SetSubscriptions(std::move(subscriptions));
}
void PahoTransport::Stop() { impl_->Stop(); }
Result<std::uint64_t> PahoTransport::Publish(std::string_view topic, ByteView payload, Qos qos,
                                             bool retain) {
  return impl_->Publish(topic, payload, qos, retain);
}
void PahoTransport::Reconnect() { impl_->Reconnect(); }
LinkUse PahoTransport::Used() const { return impl_->Used(); }
std::uint64_t PahoTransport::DroppedMessages() const { return impl_->DroppedMessages(); }

}  // namespace sluice
