// One simulated device: the real agent on a simulated disk, link, clock and model, with a power
// switch.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

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
  /// What a world wants to see. Nothing is told of a device whose power is off.
  struct Observer {
    std::function<void(std::string_view line)> on_log;
    std::function<void(const Digest& loaded)> on_load;
    std::function<void(const Digest& serving, sdk::Purpose purpose)> on_serve;  // zero = nothing
    /// After every event. `served`: before it, and since; the last one serves.
    std::function<void(const device::AgentStatus& status, const std::vector<Digest>& served)>
        on_event;
    std::function<void(const Report& report, const std::vector<Digest>& served)> on_report;
    /// At each start, for each slot that the record calls GOOD: what the disk holds.
    std::function<void(const device::SlotRecord& slot, const std::optional<Digest>& on_disk)>
        on_good_slot;
  };
  /// Lays out its disk with `root` installed; off.
  SimDevice(const Setup& setup, const VirtualClock& world, MemoryBroker& broker, ByteView root,
            Observer observer);

  /// REQUIRES: off. The agent recovers from disk; a failure is a finding.
  Status PowerUp();
  /// The power goes: of what was not synced a seeded part survives. REQUIRES: on.
  void PowerCut();
  [[nodiscard]] bool is_on() const { return agent_ != nullptr; }
  /// One of its next `within` operations on the disk meets `fault`.
  void FailDisk(test_support::Fault fault, std::uint64_t within);
  /// The power went off inside an operation on the disk: PowerCut is due, and nothing that it says
  /// in the meantime is real.
  [[nodiscard]] bool has_lost_power() const {
    return fault_ == test_support::Fault::kPowerOff && disk_.fault_met();
  }

  /// World time at which Work has something to do. REQUIRES: on.
  [[nodiscard]] std::int64_t NextWorkMs() const { return next_work_ms_; }
  void Work();
  /// `count` inferences of whatever serves.
  void Infer(int count);

  [[nodiscard]] const std::string& id() const { return setup_.id; }
  [[nodiscard]] const std::string& hardware() const { return setup_.hardware; }
  [[nodiscard]] device::AgentStatus Inspect() const { return agent_->Inspect(); }
  /// Reports in its outbox with a higher number. One below may stay there: a disk that fails as it
  /// is dropped costs nothing.
  [[nodiscard]] std::size_t CountReportsAbove(std::uint64_t seq) const;

  void OnConnected() override;
  void OnDisconnected(const Error&) override;
  void OnMessage(MqttMessage message) override;
  void OnPublished(std::uint64_t publish_id, bool ok) override;

 private:
  void OnServe(const Digest& serving, sdk::Purpose purpose);
  void TellGoodSlots() const;
  void TellReports();
  /// After every event of this device.
  void AfterEvent();

  const Setup setup_;
  const Observer observer_;
  MemoryBroker& broker_;
  SeededRandom random_;
  DeviceClock clock_;
  test_support::SimFileSystem disk_;
  std::optional<test_support::Fault> fault_;  // injected since the last start
  SimRunner runner_;
  device::InProcessModelHost host_;
  std::unique_ptr<device::FileSlotStore> store_;
  std::unique_ptr<MemoryTransport> transport_;
  std::unique_ptr<device::Agent> agent_;
  std::vector<Digest> served_{Digest{}};  // before this event, and since
  std::uint64_t told_report_seq_ = 0;
  std::int64_t next_work_ms_ = 0;  // asked of the agent after each event, not at each world's step
};

}  // namespace sluice::sim
