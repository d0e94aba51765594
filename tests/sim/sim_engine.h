// The real engine on a simulated store, link and clock; dies and comes back.
#pragma once

#include "common/mqtt/memory_transport.h"
#include "rollout_engine/engine/engine.h"
#include "tests/sim/sim_publisher.h"
#include "tests/sim/virtual_clock.h"
#include "tests/support/memory_store.h"
#include "tests/support/temporary_directory.h"

namespace sluice::sim {

inline constexpr char kEngineClientId[] = "sluice-engine";

class SimEngine final : public TransportEvents {
 public:
  SimEngine(const VirtualClock& clock, MemoryBroker& broker, const SimPublisher& publisher);

  /// REQUIRES: down. An engine that does not start from its own store is a finding.
  Status Start();
  /// kill -9: what was not synced is gone, no good-bye is said.
  void Crash();
  [[nodiscard]] bool is_up() const { return engine_ != nullptr; }

  /// World time at which Turn has something to do. REQUIRES: up.
  [[nodiscard]] std::int64_t NextWorkMs() const;
  /// Ends the turn. After an error the engine must be crashed and started again.
  Status Turn();
  /// The `nth` write from now fails.
  void FailWrite(std::size_t nth) { store_.FailWrite(nth); }

  [[nodiscard]] Engine& engine() { return *engine_; }
  [[nodiscard]] const Store& store() const { return store_; }
  [[nodiscard]] const ObjectStore& objects() const { return objects_; }

  void OnConnected() override;
  void OnDisconnected(const Error&) override;
  void OnMessage(MqttMessage message) override;
  void OnPublished(std::uint64_t, bool) override {}

 private:
  const VirtualClock& clock_;
  MemoryBroker& broker_;
  const SimPublisher& publisher_;
  test_support::TemporaryDirectory directory_;
  ObjectStore objects_;
  MemoryStore store_;
  std::unique_ptr<InlinePayloadBuilder> payloads_;
  std::unique_ptr<MemoryTransport> transport_;
  std::unique_ptr<Engine> engine_;
  bool has_input_ = false;
};

}  // namespace sluice::sim
