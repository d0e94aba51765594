// What every benchmark prints and writes: goals with what was reached, rows of figures, the
// machine.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/base/result.h"

namespace sluice::bench {

enum class Bound : std::uint8_t { kAtMost, kAtLeast };

struct Goal {
  std::string name;
  double value = 0;
  double goal = 0;
  Bound bound = Bound::kAtMost;
  [[nodiscard]] bool IsReached() const {
    return bound == Bound::kAtMost ? value <= goal : value >= goal;
  }
};

/// Prints a line per goal; returns whether all are reached.
bool PrintGoals(const std::vector<Goal>& goals);

/// The processor, its threads and the compiler, in one line.
std::string MachineText();

/// {"goals": [...], "rows": rows, "machine": {...} with `more` in it}. E_IO when it cannot be
/// written.
Status WriteJson(const std::string& path, const std::vector<Goal>& goals,
                 const nlohmann::json& rows, const nlohmann::json& more = nlohmann::json::object());

}  // namespace sluice::bench
