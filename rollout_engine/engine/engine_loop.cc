#include "rollout_engine/engine/engine_loop.h"

#include <algorithm>
#include <chrono>

namespace sluice {
namespace {

Status Stopping() {
  return Fail(ErrorCode::kState, "the engine is stopping; ask again when it is back");
}

}  // namespace

void EngineLoop::Start(Engine& engine) {
  engine_ = &engine;
  stopping_ = false;
  thread_ = std::thread([this] { ThreadMain(); });
}

void EngineLoop::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
  for (Item& item : items_) {
    if (auto* call = std::get_if<Call>(&item)) call->done.set_value(Stopping());
  }
  items_.clear();
}

void EngineLoop::Wake() {
  {
    const std::lock_guard lock(mutex_);
    woken_ = true;
  }
  changed_.notify_one();
}

std::uint64_t EngineLoop::dropped_messages() const {
  const std::lock_guard lock(mutex_);
  return dropped_messages_;
}

void EngineLoop::OnConnected() { Push(Connection{true}); }

void EngineLoop::OnDisconnected(const Error&) { Push(Connection{false}); }

void EngineLoop::OnMessage(MqttMessage message) {
  {
    const std::lock_guard lock(mutex_);
    if (items_.size() >= limits::kInboxMax ||
        item_bytes_ + message.payload.size() > limits::kInboxBytesMax) {
      ++dropped_messages_;
      return;
    }
    item_bytes_ += message.payload.size();
  }
  Push(std::move(message));
}

Status EngineLoop::RunInTurn(std::function<void(Engine&)> work) {
  Call call{std::move(work), {}};
  std::future<Status> done = call.done.get_future();
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return Stopping();
    if (items_.size() >= limits::kInboxMax) {
      return Fail(ErrorCode::kQueueFull, "the engine has " + std::to_string(items_.size()) +
                                             " things to do; ask again later");
    }
    items_.emplace_back(std::move(call));
  }
  changed_.notify_one();
  return done.get();
}

void EngineLoop::Push(Item item) {
  {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
  }
  changed_.notify_one();
}

std::optional<std::deque<EngineLoop::Item>> EngineLoop::NextItems() {
  const std::optional<BootMs> deadline = engine_->NextDeadline();
  std::unique_lock lock(mutex_);
  const auto ready = [this] { return stopping_ || woken_ || !items_.empty(); };
  if (!deadline) {
    changed_.wait(lock, ready);
  } else if (const std::int64_t wait_ms = *deadline - engine_->Now(); wait_ms > 0) {
    changed_.wait_for(lock, std::chrono::milliseconds(wait_ms), ready);
  }
  if (stopping_) return std::nullopt;
  woken_ = false;
  std::deque<Item> taken;
  while (!items_.empty() && taken.size() < limits::kMessagesPerTurn) {
    if (const auto* message = std::get_if<MqttMessage>(&items_.front()))
      item_bytes_ -= message->payload.size();
    taken.push_back(std::move(items_.front()));
    items_.pop_front();
  }
  return taken;
}

void EngineLoop::ThreadMain() {
  while (auto items = NextItems()) RunTurn(std::move(*items));
}

void EngineLoop::RunTurn(std::deque<Item> items) {
  for (Item& item : items) {
    if (const auto* message = std::get_if<MqttMessage>(&item)) {
      engine_->HandleMessage(*message);
    } else if (const auto* connection = std::get_if<Connection>(&item)) {
      connection->up ? engine_->HandleConnected() : engine_->HandleDisconnected();
    } else {
      std::get<Call>(item).work(*engine_);
    }
  }
  const Status status = engine_->Tick();
  if (!status && !std::exchange(failure_told_, true)) on_failure_(status.error());
  for (Item& item : items) {
    if (auto* call = std::get_if<Call>(&item)) call->done.set_value(status);
  }
}

}  // namespace sluice
