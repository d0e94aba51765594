#include "device_sdk/agent/device_runtime.h"

#include <algorithm>

namespace sluice::device {
namespace {

std::string_view PhaseName(Phase phase) {
  switch (phase) {
    case Phase::kStable:
      return "STABLE";
    case Phase::kTrial:
      return "TRIAL";
    case Phase::kReverted:
      return "REVERTED";
  }
  return "?";
}

}  // namespace

sdk::Status ToSdk(const Status& status) {
  if (status) return {};
  return {std::string(CodeName(status.error().code)), status.error().text};
}

sdk::DeviceStatus ToSdk(const AgentStatus& from) {
  const StateRecord& record = from.record;
  sdk::DeviceStatus status;
  status.state = UpdateStateName(from.state);
  status.phase = PhaseName(record.phase);
  status.gen = record.gen;
  for (std::size_t i = 0; i < static_cast<std::size_t>(from.slot_count); ++i) {
    const SlotRecord& slot = record.slots[i];
    status.slots.push_back({std::string(SlotStateName(slot.state)), slot.release,
                            slot.artifact.IsZero() ? std::string() : slot.artifact.Hex()});
  }
  status.active = record.active ? static_cast<int>(*record.active) : -1;
  status.loaded_sha256 = from.loaded.IsZero() ? std::string() : from.loaded.Hex();
  status.loaded_release = from.loaded_release;
  status.floor_epoch = record.floor_epoch;
  status.boot = record.boot;
  status.activation = record.activation;
  status.directive_epoch = record.directive.epoch;
  status.directive_seq = record.directive.seq;
  status.engine_epoch = record.engine_epoch;
  status.starts_left = record.starts_left;
  status.bytes_down = from.link.bytes_down;
  status.bytes_up = from.link.bytes_up;
  status.connected = from.connected;
  status.clock_untrusted = from.clock_untrusted;
  if (!from.last_error.text.empty()) status.last_error = from.last_error.Line();
  return status;
}

Result<std::unique_ptr<DeviceRuntime>> DeviceRuntime::Open(AgentOptions options,
                                                           Foundation foundation) {
  std::unique_ptr<DeviceRuntime> device(new DeviceRuntime(std::move(foundation)));
  const Foundation& on = device->foundation_;
  SLUICE_ASSIGN(device->agent_, Agent::Open(std::move(options), {*on.clock, *on.random, *on.store,
                                                                 *on.transport, *on.host}));
  device->RefreshStatus();
  return device;
}

void DeviceRuntime::RecordInference(std::chrono::microseconds latency, bool ok) noexcept {
  agent_->counters().RecordInference(latency.count(), ok);
}

void DeviceRuntime::RecordOutcome(double score) noexcept {
  agent_->counters().RecordOutcome(score);
}

void DeviceRuntime::Push(QueuedEvent event) {
  std::unique_lock lock(mutex_);
  room_.wait(lock, [this] { return queue_.size() < kEventQueueMax || !running_; });
  if (!running_) return;
  queue_.push_back(std::move(event));
  news_.notify_one();
}

std::optional<DeviceRuntime::QueuedEvent> DeviceRuntime::Pop(const std::stop_token& stop,
                                                             std::int64_t wait_ms) {
  std::unique_lock lock(mutex_);
  news_.wait_for(lock, stop, std::chrono::milliseconds(wait_ms),
                 [this] { return !queue_.empty(); });
  if (queue_.empty()) return std::nullopt;
  QueuedEvent event = std::move(queue_.front());
  queue_.pop_front();
  room_.notify_one();
  return event;
}

void DeviceRuntime::Handle(QueuedEvent& event) {
  if (std::holds_alternative<Connected>(event)) return agent_->HandleConnected();
  if (std::holds_alternative<Disconnected>(event)) return agent_->HandleDisconnected();
  if (const auto* message = std::get_if<MqttMessage>(&event))
    return agent_->HandleMessage(*message);
  if (const auto* done = std::get_if<PublishDone>(&event))
    return agent_->HandlePublished(done->id, done->ok);
  auto& revert = std::get<RevertRequest>(event);
  revert.done.set_value(agent_->Revert(revert.reason));
}

sdk::Status DeviceRuntime::Run(std::stop_token stop) {
  {
    const std::lock_guard lock(mutex_);
    if (running_) return {std::string(CodeName(ErrorCode::kState)), "Run was called before"};
    running_ = true;
  }
  const Status started =
      foundation_.transport->Start(agent_->LastWill(), agent_->Subscriptions(), *this);
  while (started && !stop.stop_requested()) {
    const std::int64_t wait_ms =
        std::max<std::int64_t>(0, agent_->NextDeadline() - foundation_.clock->Boot());
    if (wait_ms > 0) RefreshStatus();
    if (auto event = Pop(stop, wait_ms)) Handle(*event);
    agent_->Poll();
  }
  EndRun();
  return ToSdk(started);
}

void DeviceRuntime::EndRun() {
  agent_->HandleStop();
  {
    const std::lock_guard lock(mutex_);
    running_ = false;
  }
  room_.notify_all();
  foundation_.transport->Stop();
  std::deque<QueuedEvent> left;
  {
    const std::lock_guard lock(mutex_);
    left.swap(queue_);
  }
  for (QueuedEvent& event : left) {
    if (auto* revert = std::get_if<RevertRequest>(&event)) {
      revert->done.set_value(Fail(ErrorCode::kState, "the device is stopping"));
    }
  }
  RefreshStatus();
}

sdk::Status DeviceRuntime::Revert(std::string_view reason) {
  std::unique_lock lock(mutex_);
  if (!running_) {
    // Nobody else uses the agent, and the lock keeps a Run from beginning meanwhile.
    const Status reverted = agent_->Revert(reason);
    status_ = agent_->Inspect();
    return ToSdk(reverted);
  }
  room_.wait(lock, [this] { return queue_.size() < kEventQueueMax || !running_; });
  RevertRequest request{std::string(reason), {}};
  std::future<Status> done = request.done.get_future();
  queue_.push_back(std::move(request));
  lock.unlock();
  news_.notify_one();
  return ToSdk(done.get());
}

void DeviceRuntime::RefreshStatus() {
  AgentStatus status = agent_->Inspect();
  const std::lock_guard lock(mutex_);
  status_ = std::move(status);
}

sdk::DeviceStatus DeviceRuntime::Inspect() const {
  const std::lock_guard lock(mutex_);
  return ToSdk(status_);
}

}  // namespace sluice::device
