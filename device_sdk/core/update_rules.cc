// Questions about a record and a plan that the machine and its shell both ask.
#include <algorithm>

#include "device_sdk/core/update.h"

namespace sluice::device {

bool HoldsWhole(const SlotRecord& slot, const Digest& artifact) {
  return slot.artifact == artifact &&
         (slot.state == SlotState::kReady || slot.state == SlotState::kGood);
}

SlotId ChooseStandby(const Update& update, const Digest& artifact) {
  const StateRecord& record = update.record;
  const auto first = [&](auto wanted) -> std::optional<SlotId> {
    for (SlotId i = 0; i < update.slot_count; ++i) {
      if (record.active != i && wanted(record.slots[i], i)) return i;
    }
    return std::nullopt;
  };
  if (const auto slot = first([&](const SlotRecord& s, SlotId) { return HoldsWhole(s, artifact); }))
    return *slot;
  const auto begun = first([&](const SlotRecord& s, SlotId) {
    return s.state == SlotState::kWriting && s.artifact == artifact;
  });
  if (begun) return *begun;
  if (const auto slot = first([&](const SlotRecord&, SlotId i) { return record.fallback != i; }))
    return *slot;
  return *first([](const SlotRecord&, SlotId) { return true; });
}

std::optional<OrderAction> OrderFor(const Order& order, std::string_view rollout,
                                    std::uint16_t stage, std::string_view hardware) {
  if (rollout.empty()) return std::nullopt;
  std::optional<OrderAction> strongest;
  for (const OrderEntry& entry : order.entries) {
    if (entry.rollout != rollout || stage < entry.lowest_stage) continue;
    const auto& names = entry.hardware;
    if (!names.empty() && std::find(names.begin(), names.end(), hardware) == names.end()) continue;
    if (!strongest || entry.action > *strongest) strongest = entry.action;
  }
  return strongest;
}

bool IsHeld(const Update& update) {
  const Plan& plan = update.plan;
  if (!plan.install) return true;
  if (plan.directive && plan.directive->action == DirectiveAction::kHold) return true;
  return OrderFor(plan.order, plan.install->rollout, plan.install->stage, update.hardware)
      .has_value();
}

bool IsModelsFault(ErrorCode code) {
  using enum ErrorCode;
  return code != kHookUnavailable && code != kAbi && code != kStoreIo && code != kIo;
}

std::uint32_t ServingLatencyLimitUs(const Plan& plan, const StateRecord& record) {
  const double manifest_us = plan.serving_limits.latency_p99_max_ms * 1000;
  const std::uint32_t own =
      manifest_us >= 1 && manifest_us < 4e9 ? static_cast<std::uint32_t>(manifest_us) : 0;
  if (!plan.directive || !record.active) return own;
  const bool about_this = plan.directive->action == DirectiveAction::kHold ||
                          plan.directive->manifest == record.slots[*record.active].manifest;
  const std::uint32_t asked = about_this ? plan.directive->latency_limit_us : 0;
  if (own == 0 || asked == 0) return std::max(own, asked);
  return std::min(own, asked);
}

}  // namespace sluice::device
