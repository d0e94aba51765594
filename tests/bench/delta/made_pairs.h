// Pairs of models that nobody publishes, made by the benchmark itself: the same bytes on every
// machine.
#pragma once

#include "tests/bench/delta/delta_corpus.h"

namespace sluice::bench {

/// Updates that merge a LoRA of rank 8 into two matrices of 512 x 768, in f32, f16 and bf16; other
/// tensors stay as they are. Written into `folder`, which is made where it is missing. E_IO.
Result<std::vector<ModelPair>> MakePairs(const std::string& folder);

}  // namespace sluice::bench
