// One device, one engine and a broker on a virtual clock, in one thread.
#pragma once

#include <memory>

#include "common/mqtt/memory_transport.h"
#include "device_sdk/agent/agent.h"
#include "device_sdk/slots/file_slot_store.h"
#include "device_sdk/slots/posix_file_system.h"
#include "tests/support/temporary_directory.h"
#include "tests/unit/device_sdk/agent/fake_engine.h"
#include "tests/unit/device_sdk/agent/scripted_runner.h"

namespace sluice::device {

class VirtualClock final : public Clock {
 public:
  [[nodiscard]] WallMs Wall() const override { return {kStartMs + wall_error_ms + boot_ms}; }
  [[nodiscard]] BootMs Boot() const override { return {boot_ms}; }
  [[nodiscard]] std::int64_t MonotonicUs() const override { return boot_ms * 1'000; }
  std::int64_t boot_ms = 1'000;
  std::int64_t wall_error_ms = 0;
};

class AgentWorld final : private TransportEvents {
 public:
  explicit AgentWorld(int slots = 2);
  ~AgentWorld() override { Stop(); }

  /// Puts a first release on the disk, as `init --model` does. REQUIRES: off.
  void InstallFirst(const PublishedRelease& release);
  /// Opens the store and the agent, and connects.
  void Start();
  /// As a power cut: nothing is said to anybody.
  void Stop();
  void Restart() {
    Stop();
    Start();
  }
  /// Lets everything happen that is due in the next `ms`; the serving model makes `rate` inferences
  /// a second.
  void Run(std::int64_t ms);
  /// Runs until the device is in `state`, at most for `patience_ms`; true if it got there.
  bool RunUntil(UpdateState state, std::int64_t patience_ms = 120'000);
  bool RunUntilReport(const std::string& name, std::int64_t patience_ms = 120'000);

  [[nodiscard]] AgentStatus Inspect() const { return agent->Inspect(); }

  int rate = 50;  // inferences a second
  int errors_percent = 0;
  std::int64_t latency_us = 5'000;
  AgentOptions options;
  VirtualClock clock;
  MemoryBroker broker;
  FakeEngine engine{broker};
  ScriptedRunner runner;
  std::vector<std::string> log;
  test_support::TemporaryDirectory directory;
  PosixFileSystem files;
  SeededRandom random{7};
  InProcessModelHost host{runner};
  std::unique_ptr<FileSlotStore> store;
  std::unique_ptr<MemoryTransport> transport;
  std::unique_ptr<Agent> agent;

 private:
  void OnConnected() override { agent->HandleConnected(); }
  void OnDisconnected(const Error&) override { agent->HandleDisconnected(); }
  void OnMessage(MqttMessage message) override { agent->HandleMessage(message); }
  void OnPublished(std::uint64_t id, bool ok) override { agent->HandlePublished(id, ok); }
  void Infer();

  std::int64_t next_inference_ms_ = 0;
};

}  // namespace sluice::device
