// The delta benchmark as Markdown and as a plot.
#pragma once

#include <string>

#include "tests/bench/delta/delta_results.h"

namespace sluice::bench {

/// `command` is what printed it, `machine` where.
std::string DeltaMarkdown(const DeltaResults& results, const std::string& command,
                          const std::string& machine);

/// A bar for each pair and tool, percent of the full artifact.
std::string DeltaPlot(const DeltaResults& results);

}  // namespace sluice::bench
