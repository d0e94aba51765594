// Another build of the ELEM codec, measured beside ours: `PROGRAM e OLD NEW MAP OUT KIB` and
// `PROGRAM d OLD OUT NEW`.
#pragma once

#include "tests/bench/delta/delta_results.h"

namespace sluice::bench {

/// Runs it on each pair of 1 MiB or more whose tensors have old ones, and `sluice` with the ELEM
/// codec alone on the same pairs; the time that `sluice --version` takes does not count. What
/// RunTool returns.
Result<PrototypeSpeed> MeasurePrototype(const std::vector<PairResult>& pairs,
                                        const std::string& program, const std::string& sluice,
                                        const std::string& work);

}  // namespace sluice::bench
