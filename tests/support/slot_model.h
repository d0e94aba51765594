// Small models with their manifests, for tests that write slots.
#pragma once

#include "common/base/random.h"
#include "common/crypto/digest.h"
#include "device_sdk/core/state_record.h"

namespace sluice::test_support {

/// Bytes that no other `seed` gives.
inline Bytes SeededBytes(std::uint64_t seed, std::size_t size_bytes) {
  Bytes bytes(size_bytes);
  SeededRandom(seed).Fill(bytes);
  return bytes;
}

struct SlotModel {
  static constexpr std::uint32_t kBlockBytes = 1024;

  Bytes artifact;
  Bytes manifest;           // stands for the manifest's envelope
  device::SlotRecord slot;  // names both; EMPTY
  Digest head_digest;

  [[nodiscard]] std::uint32_t BlockCount() const {
    return static_cast<std::uint32_t>((artifact.size() + kBlockBytes - 1) / kBlockBytes);
  }
  [[nodiscard]] ByteView Block(std::uint32_t index) const {
    const std::size_t from = std::size_t{index} * kBlockBytes;
    return ByteView(artifact).subspan(from,
                                      std::min<std::size_t>(kBlockBytes, artifact.size() - from));
  }
};

/// Three blocks and a short one, unless `size_bytes` says otherwise. Its release is
/// "model-v<seed>".
inline SlotModel MakeSlotModel(std::uint64_t seed,
                               std::size_t size_bytes = 3 * SlotModel::kBlockBytes + 100) {
  SlotModel model;
  model.artifact = SeededBytes(seed, size_bytes);
  model.manifest = SeededBytes(seed + 1000, 300);
  model.slot.artifact = Sha256(model.artifact);
  model.slot.manifest = Sha256(model.manifest);
  model.slot.size_bytes = size_bytes;
  model.slot.release = "model-v" + std::to_string(seed);
  model.head_digest = Sha256(model.slot.artifact.View());
  return model;
}

}  // namespace sluice::test_support
