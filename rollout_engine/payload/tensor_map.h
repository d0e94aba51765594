// Where an artifact's tensors lie, and where the base holds their old elements: what the encoder
// subtracts.
#pragma once

#include <optional>

#include "rollout_engine/payload/tensor.h"
#include "rollout_engine/payload/tensor_extent.h"

namespace sluice {

/// The tensors of `artifact`, each matched with one of `base` or with none. One that grew or shrank
/// is matched as far as its old elements go, the rest follows as an extent of its own. Files that
/// no walker knows get a guess from their bytes instead (headerless.h). Never fails: empty is the
/// map of a file in which nothing was found, and a wrong one costs bytes, not correctness.
TensorExtentList MapTensors(std::optional<ByteView> base, ByteView artifact);

/// Pairs each tensor of `artifact_tensors` with at most one old tensor of the same kind and length:
/// by name where the elements are related, by content, by likeness among the first few of its
/// shape, then in order among what is left. Returns for each the index into `base_tensors`.
/// REQUIRES: the tensors lie inside their files.
std::vector<std::optional<std::size_t>> MatchTensors(ByteView base, const TensorList& base_tensors,
                                                     ByteView artifact,
                                                     const TensorList& artifact_tensors);

}  // namespace sluice
