// A program run to its end, and what that took.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace sluice::bench {

struct ProcessCost {
  double wall_s = 0;
  double cpu_s = 0;  // user and system, of all threads
  std::uint64_t peak_rss_bytes = 0;

  /// One after the other: times add up, memory does not.
  ProcessCost& operator+=(const ProcessCost& other);
};

/// Runs `argv`; what it prints goes to `log_path`. E_NOT_FOUND (no such program), E_STATE with the
/// end of the log (it failed). The kernel counts the memory of a child from the fork on, so that no
/// peak is below what this process itself holds: keep it small.
Result<ProcessCost> RunMeasured(const std::vector<std::string>& argv, const std::string& log_path);

}  // namespace sluice::bench
