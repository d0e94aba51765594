// What must hold of each device at every moment, whatever is broken. A finding names its rule:
//   S1  no bytes are loaded that nobody signed for that hardware
//   S4  a download stays within its byte budget
//   S5  a number of a former engine is obeyed only if an Answer named it
//   S9  it reports what serves
//   S10 it switches to nothing that an Order it holds stands against
//   I1  the active slot is whole   I2  a GOOD slot stays, untouched   I4  its numbers never fall
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "common/mqtt/transport.h"
#include "device_sdk/agent/agent.h"
#include "tests/sim/violations.h"

namespace sluice::sim {

class DeviceInvariants {
 public:
  explicit DeviceInvariants(Violations& violations) : violations_(violations) {}

  void AddDevice(const std::string& id, const std::string& hardware) { hardware_[id] = hardware; }
  /// A signed artifact for that hardware.
  void AddRelease(const std::string& hardware, const Digest& artifact) {
    signed_.insert({hardware, artifact});
  }

  /// The runner was given these bytes, for whatever purpose.
  void OnLoad(const std::string& device, const Digest& loaded);
  /// What the engine says: the numbers that its Answers name, and the budgets of its Directives.
  void OnSent(const MqttMessage& message);
  /// After every event of a device. `served`: what its runner has served since the event before,
  /// oldest first; the last one serves.
  void AfterEvent(const std::string& device, const device::AgentStatus& status,
                  const std::vector<Digest>& served);
  /// A new report, at the end of the event that made it.
  void OnReport(const std::string& device, const Report& report, const std::vector<Digest>& served);
  /// The power is back: a slot that the record calls GOOD holds exactly its artifact.
  void OnGoodSlot(const std::string& device, const device::SlotRecord& slot,
                  const std::optional<Digest>& bytes_on_disk);

 private:
  struct Former {
    device::StateRecord record;
    bool ever_good = false;
  };
  void CheckNumbers(const std::string& device, const device::StateRecord& before,
                    const device::StateRecord& now);
  void CheckObeyed(const std::string& device, const device::StateRecord& before,
                   const device::StateRecord& now);
  void CheckSlots(const std::string& device, Former& former, const device::StateRecord& now);
  void CheckSwitch(const std::string& device, const device::StateRecord& before,
                   const device::StateRecord& now);
  void CheckBudget(const std::string& device, const device::StateRecord& now);

  Violations& violations_;
  std::set<std::pair<std::string, Digest>> signed_;         // hardware, artifact
  std::map<std::string, Former> former_;                    // by device
  std::set<std::pair<std::string, SequenceNumber>> named_;  // Directives, by the device's Answers
  std::set<std::pair<std::string, SequenceNumber>> orders_named_;
  std::map<SequenceNumber, Order> orders_;
  std::map<std::string, std::string> hardware_;                      // by device
  std::map<std::pair<std::string, Digest>, std::uint64_t> budgets_;  // by device and manifest
};

}  // namespace sluice::sim
