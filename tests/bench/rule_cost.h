// What a message costs the rules: with 1,000 of them and none that listens, and with one that reads
// three fields, beside the same three fields read with nlohmann::json.
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "tests/bench/report.h"

namespace sluice::bench {

struct RuleCost {
  std::vector<Goal> goals;
  nlohmann::json rows;
};

/// Measures, and prints a line per row.
RuleCost MeasureRules();

}  // namespace sluice::bench
