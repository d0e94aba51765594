#include "rollout_engine/core/delta_plan.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sluice {
namespace {

constexpr std::uint64_t kWindowsAllowed =
    2;  // what is in flight when a server changes is sent twice

/// What a device fetches besides the payload.
std::uint64_t SideBytes(const DeliveryNeed& need) {
  return need.manifest_bytes + need.hash_list_bytes + need.validation_set_bytes;
}

bool LeavesRoomForFull(const DeliveryNeed& need, const TransferSpec& transfer) {
  return transfer.max_bytes_per_device >= need.artifact_bytes + SideBytes(need);
}

std::uint64_t BudgetFor(std::uint64_t payload_bytes, const DeliveryNeed& need,
                        const TransferSpec& transfer) {
  if (transfer.max_bytes_per_device > 0) return transfer.max_bytes_per_device;
  const double wanted =
      transfer.budget_factor * static_cast<double>(payload_bytes + SideBytes(need));
  return static_cast<std::uint64_t>(std::ceil(wanted)) + kWindowsAllowed * need.window_bytes;
}

}  // namespace

std::vector<PayloadRequest> PlanPayloads(const DeliveryNeed& need, const TransferSpec& transfer) {
  const PayloadRequest full{
      .base = {}, .memory_class = need.memory_class, .codec_mask = need.codec_mask};
  if (need.active_artifact.IsZero() || !need.base_known) return {full};
  PayloadRequest delta = full;
  delta.base = need.active_artifact;
  if (LeavesRoomForFull(need, transfer)) return {delta, full};
  return {delta};
}

Result<OfferPlan> PlanBudget(const DeliveryNeed& need, const TransferSpec& transfer,
                             std::span<const std::uint64_t> payload_bytes) {
  std::vector<std::size_t> order(payload_bytes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, {}, [&](std::size_t index) { return payload_bytes[index]; });
  if (order.empty()) return Fail(ErrorCode::kNoBase, "no payload was built for this device");

  // The smallest payload sets the budget, so that a larger one is a choice of the file and never an
  // accident.
  const std::uint64_t smallest = payload_bytes[order.front()];
  const std::uint64_t budget = BudgetFor(smallest, need, transfer);
  std::erase_if(order,
                [&](std::size_t index) { return payload_bytes[index] + SideBytes(need) > budget; });
  if (order.size() > limits::kOffersMax) order.resize(limits::kOffersMax);
  if (order.empty()) {
    return Fail(ErrorCode::kBudget, "the smallest payload needs " +
                                        std::to_string(smallest + SideBytes(need)) +
                                        " bytes, allowed " + std::to_string(budget) +
                                        "; raise transfer.max_bytes_per_device");
  }
  return OfferPlan{.order = std::move(order), .byte_budget = budget};
}

}  // namespace sluice
