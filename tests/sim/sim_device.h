// One simulated device: the real agent on a simulated disk, link, clock and model, with a power
// switch.
#pragma once

#include "common/mqtt/memory_transport.h"
#include "device_sdk/agent/agent.h"
#include "device_sdk/slots/file_slot_store.h"
#include "tests/sim/sim_model.h"
#include "tests/sim/virtual_clock.h"
#include "tests/support/sim_file_system.h"

namespace sluice::sim {

class SimDevice final : public TransportEvents {
 public:
  struct Setup {
    std::string id, hardware;
    int slots = 2;
    std::int64_t wall_error_ms = 0;
    std::uint64_t seed = 0;
  };
  /// Lays out its disk with `root` installed; off.
  SimDevice(const Setup& setup, const VirtualClock& world, MemoryBroker& broker, ByteView root,
            SimRunner::Observer observer);

  /// REQUIRES: off. The agent recovers from disk; a failure is a finding.
  Status PowerUp();
  /// The power goes: of what was not synced a seeded part survives. REQUIRES: on.
  void PowerCut();
  [[nodiscard]] bool is_on() const { return agent_ != nullptr; }

  /// World time at which Work has something to do. REQUIRES: on.
  [[nodiscard]] std::int64_t NextWorkMs() const;
  void Work() { agent_->Poll(); }
  /// `count` inferences of whatever serves.
  void Infer(int count);

  [[nodiscard]] const std::string& id() const { return setup_.id; }
  [[nodiscard]] const std::string& hardware() const { return setup_.hardware; }
  [[nodiscard]] device::AgentStatus Inspect() const { return agent_->Inspect(); }

  void OnConnected() override { agent_->HandleConnected(); }
  void OnDisconnected(const Error&) override { agent_->HandleDisconnected(); }
  void OnMessage(MqttMessage message) override { agent_->HandleMessage(message); }
  void OnPublished(std::uint64_t publish_id, bool ok) override {
    agent_->HandlePublished(publish_id, ok);
  }

 private:
  const Setup setup_;
  MemoryBroker& broker_;
  SeededRandom random_;
  DeviceClock clock_;
  test_support::SimFileSystem disk_;
  SimRunner runner_;
  device::InProcessModelHost host_;
  std::unique_ptr<device::FileSlotStore> store_;
  std::unique_ptr<MemoryTransport> transport_;
  std::unique_ptr<device::Agent> agent_;
};

}  // namespace sluice::sim
