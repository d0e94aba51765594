// How often a rule is wrong, and how late, on simulated fleets: the evidence rule beside the point
// estimate.
#pragma once

#include "tests/bench/report.h"

namespace sluice::bench {

struct DecisionQuality {
  std::vector<Goal> goals;
  nlohmann::json rows = nlohmann::json::array();
};

/// `quick`: few runs, so that the figures say little; for a smoke test.
DecisionQuality MeasureDecisions(bool quick);

}  // namespace sluice::bench
