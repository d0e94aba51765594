// A payload applied by a program that is killed at every block.
#pragma once

#include "tests/bench/delta/delta_corpus.h"

namespace sluice::bench {

/// Makes a delta of `pair` and applies it with `sluice delta apply`, which the kernel kills where
/// the first block ends, then where the second does, and so on until the last run is left alone.
/// Returns how often it was killed. E_STATE when a run ended anywhere else, E_ARTIFACT_HASH when
/// the result is another file. `work`: a folder that may be filled.
Result<std::size_t> ApplyKilledAtEveryBlock(const ModelPair& pair, const std::string& sluice,
                                            const std::string& work);

}  // namespace sluice::bench
