// Which payloads a device is offered, in which order, and how many bytes it may spend on them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/base/result.h"
#include "common/contract/hello.h"
#include "rollout_engine/core/rollout_spec.h"

namespace sluice {

/// What is known of a device and of the artifact it shall run.
struct DeliveryNeed {
  Digest active_artifact;   // last reported; zero = none
  bool base_known = false;  // the engine holds the bytes of active_artifact
  MemoryClass memory_class = MemoryClass::kL;
  std::uint32_t codec_mask = 0;
  std::uint32_t window_bytes = 0;  // of the device; counted twice in the budget
  std::uint64_t artifact_bytes = 0;
  std::uint64_t manifest_bytes = 0;        // its envelope
  std::uint64_t hash_list_bytes = 0;       // SHA-256s of the artifact's blocks
  std::uint64_t validation_set_bytes = 0;  // 0 if the device holds it
};

/// One payload to ask the encoder for.
struct PayloadRequest {
  Digest base;  // zero = full
  MemoryClass memory_class = MemoryClass::kL;
  std::uint32_t codec_mask = 0;
  friend bool operator==(const PayloadRequest&, const PayloadRequest&) = default;
};

/// A delta when the base is known. The full one when there is no base, or beside a delta when the
/// file's max_bytes_per_device leaves room for it. Smallest expected size first, at most
/// limits::kOffersMax.
std::vector<PayloadRequest> PlanPayloads(const DeliveryNeed& need, const TransferSpec& transfer);

struct OfferPlan {
  std::vector<std::size_t> order;  // indices into the encoded sizes, the first is tried first
  std::uint64_t byte_budget = 0;   // total for the manifest, both directions
  friend bool operator==(const OfferPlan&, const OfferPlan&) = default;
};

/// `payload_bytes` as encoded (head included). Leaves out what does not fit the budget; E_BUDGET
/// with the numbers when nothing does.
Result<OfferPlan> PlanBudget(const DeliveryNeed& need, const TransferSpec& transfer,
                             std::span<const std::uint64_t> payload_bytes);

}  // namespace sluice
