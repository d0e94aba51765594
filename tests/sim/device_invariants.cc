#include "tests/sim/device_invariants.h"

#include <fmt/format.h>

#include <algorithm>

#include "common/contract/codec.h"
#include "common/contract/envelope.h"
#include "common/contract/topics.h"

namespace sluice::sim {
namespace {

/// Beyond its budget a device may have on the way what it asked for before, doubled by the broker.
constexpr std::uint64_t kBudgetSlack = limits::kWindowBytesMax;

std::string Text(const SequenceNumber& number) {
  return fmt::format("{}.{}", number.epoch, number.seq);
}

}  // namespace

void DeviceInvariants::OnLoad(const std::string& device, const Digest& loaded) {
  const std::string& hardware = hardware_[device];
  if (!signed_.contains({hardware, loaded}))
    violations_.Add(fmt::format("S1: {} was given bytes {} that nobody signed for {}", device,
                                loaded.Short(), hardware));
}

void DeviceInvariants::OnSent(const MqttMessage& message) {
  const bool to_all = message.topic == BuildTopic(AllKind::kOrder);
  const auto topic = ParseDownTopic(message.topic);
  if (!to_all && (!topic || topic->kind != DownKind::kDirective)) return;
  const auto envelope = ParseEnvelope(message.payload);
  if (!envelope) return;
  if (envelope->type == PayloadType::kOrder) {
    if (auto order = Decode<Order>(envelope->payload)) orders_[order->number] = std::move(*order);
  } else if (envelope->type == PayloadType::kAnswer) {
    const auto answer = Decode<Answer>(envelope->payload);
    if (!answer) return;
    named_.insert({topic->device, answer->directive});
    orders_named_.insert({topic->device, answer->held.order});
  } else if (envelope->type == PayloadType::kDirective) {
    const auto directive = Decode<Directive>(envelope->payload);
    if (!directive) return;
    std::uint64_t& budget = budgets_[{topic->device, directive->manifest}];
    budget = std::max(budget, directive->byte_budget);
  }
}

void DeviceInvariants::AfterEvent(const std::string& device, const device::AgentStatus& status,
                                  const std::vector<Digest>& served) {
  const Digest serving = served.back();
  if (status.loaded != serving) {
    violations_.Add(fmt::format("S9: {} says that {} serves, it is {}", device,
                                status.loaded.Short(), serving.Short()));
  }
  Former& former = former_[device];
  const device::StateRecord& now = status.record;
  if (former.record == now) return;
  CheckNumbers(device, former.record, now);
  CheckObeyed(device, former.record, now);
  CheckSlots(device, former, now);
  CheckSwitch(device, former.record, now);
  CheckBudget(device, now);
  former.record = now;
}

void DeviceInvariants::CheckNumbers(const std::string& device, const device::StateRecord& before,
                                    const device::StateRecord& now) {
  const auto fell = [&](const char* what) {
    violations_.Add(fmt::format("I4: the {} of {} fell", what, device));
  };
  if (now.gen < before.gen) fell("record's generation");
  if (now.directive < before.directive) fell("Directive's number");
  if (now.order < before.order) fell("Order's number");
  if (now.freshness < before.freshness) fell("Freshness' number");
  if (now.engine_epoch < before.engine_epoch) fell("engine epoch");
  if (now.floor_epoch < before.floor_epoch) fell("floor");
  if (now.secure_time_floor_ms < before.secure_time_floor_ms) fell("secure time");
  if (now.root_version < before.root_version) fell("Root's version");
  if (now.activation < before.activation) fell("activation");
  if (now.boot < before.boot) fell("boot");
  // Bytes spent are counted in memory between two records.
  device::StateRecord written = now;
  written.work.bytes_spent = before.work.bytes_spent;
  if (now.gen == before.gen && !(written == before))
    violations_.Add("I4: the record of " + device + " changed under one generation");
}

/// A number of an engine that is gone counts only if an Answer has named it, whatever epoch was
/// seen since (docs/protocol.md, E_STALE_ENGINE).
void DeviceInvariants::CheckObeyed(const std::string& device, const device::StateRecord& before,
                                   const device::StateRecord& now) {
  const auto check = [&](const char* what, const SequenceNumber& held, const SequenceNumber& taken,
                         const auto& named) {
    if (taken == held || taken.epoch >= before.engine_epoch || named.contains({device, taken}))
      return;
    violations_.Add(fmt::format("S5: {} obeys {} {} after epoch {}", device, what, Text(taken),
                                before.engine_epoch));
  };
  check("Directive", before.directive, now.directive, named_);
  check("Order", before.order, now.order, orders_named_);
}

void DeviceInvariants::CheckSlots(const std::string& device, Former& former,
                                  const device::StateRecord& now) {
  const bool good = std::any_of(now.slots.begin(), now.slots.end(),
                                [](const auto& slot) { return slot.state == SlotState::kGood; });
  if (former.ever_good && !good) violations_.Add("I2: " + device + " has no GOOD slot any more");
  former.ever_good = former.ever_good || good;
  if (!now.active) return;
  const SlotState state = now.slots[*now.active].state;
  if (state != SlotState::kReady && state != SlotState::kGood)
    violations_.Add(fmt::format("I1: the active slot of {} is {}", device, SlotStateName(state)));
}

/// No Order that it holds stands against the release that it begins a trial of.
void DeviceInvariants::CheckSwitch(const std::string& device, const device::StateRecord& before,
                                   const device::StateRecord& now) {
  const bool begins = now.phase == device::Phase::kTrial && now.active &&
                      (before.phase != device::Phase::kTrial || before.active != now.active);
  const auto order = orders_.find(before.order);
  if (!begins || order == orders_.end()) return;
  const device::SlotRecord& slot = now.slots[*now.active];
  const auto word = device::OrderFor(order->second, slot.rollout, slot.stage, hardware_[device]);
  if (word)
    violations_.Add(fmt::format("S10: {} switches to {} under the order {}", device, slot.release,
                                OrderActionName(*word)));
}

void DeviceInvariants::CheckBudget(const std::string& device, const device::StateRecord& now) {
  const auto budget = budgets_.find({device, now.work.manifest});
  if (budget == budgets_.end() || budget->second == 0) return;
  if (now.work.bytes_spent > budget->second + kBudgetSlack)
    violations_.Add(fmt::format("S4: {} has spent {} of {} bytes", device, now.work.bytes_spent,
                                budget->second));
}

void DeviceInvariants::OnReport(const std::string& device, const Report& report,
                                const std::vector<Digest>& served) {
  if (std::find(served.begin(), served.end(), report.active_artifact) != served.end()) return;
  violations_.Add(fmt::format("S9: {} reports {} as active, which did not serve", device,
                              report.active_artifact.Short()));
}

void DeviceInvariants::OnGoodSlot(const std::string& device, const device::SlotRecord& slot,
                                  const std::optional<Digest>& bytes_on_disk) {
  if (bytes_on_disk == slot.artifact) return;
  violations_.Add(fmt::format("I2: a GOOD slot of {} holds {} instead of {}", device,
                              bytes_on_disk ? bytes_on_disk->Short() : "nothing readable",
                              slot.artifact.Short()));
}

}  // namespace sluice::sim
