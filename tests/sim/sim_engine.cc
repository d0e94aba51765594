#include "tests/sim/sim_engine.h"

#include "common/base/check.h"
#include "rollout_engine/engine/intake.h"

namespace sluice::sim {
namespace {

ObjectStore OpenObjects(const test_support::TemporaryDirectory& directory) {
  Result<ObjectStore> objects = ObjectStore::Open(directory.path().string());
  SLUICE_CHECK(objects.has_value());
  return std::move(*objects);
}

}  // namespace

SimEngine::SimEngine(const VirtualClock& clock, MemoryBroker& broker, const SimPublisher& publisher)
    : clock_(clock), broker_(broker), publisher_(publisher), objects_(OpenObjects(directory_)) {}

Status SimEngine::Start() {
  payloads_ = std::make_unique<InlinePayloadBuilder>(objects_);
  transport_ = std::make_unique<MemoryTransport>(broker_, kEngineClientId);
  SLUICE_ASSIGN(engine_, Engine::Open({}, {clock_, store_, objects_, *transport_, *payloads_},
                                      publisher_.director(), {publisher_.root()}));
  has_input_ = true;
  return transport_->Start(engine_->MakeWill(), EngineSubscriptions(), *this);
}

void SimEngine::Crash() {
  broker_.Kick(kEngineClientId);
  transport_.reset();
  engine_.reset();
  payloads_.reset();
  store_.Crash();
}

std::int64_t SimEngine::NextWorkMs() const {
  if (has_input_) return clock_.now_ms();
  const std::optional<BootMs> deadline = engine_->NextDeadline();
  if (!deadline) return INT64_MAX;
  return clock_.now_ms() + std::max<std::int64_t>(0, *deadline - engine_->Now());
}

Status SimEngine::Turn() {
  has_input_ = false;
  return engine_->Tick();
}

void SimEngine::OnConnected() {
  engine_->HandleConnected();
  has_input_ = true;
}
void SimEngine::OnDisconnected(const Error&) {
  engine_->HandleDisconnected();
  has_input_ = true;
}
void SimEngine::OnMessage(MqttMessage message) {
  engine_->HandleMessage(message);
  has_input_ = true;
}

}  // namespace sluice::sim
