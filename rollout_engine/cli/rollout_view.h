// How rollouts look on a terminal, and what exit code their state is.
#pragma once

#include <string>
#include <string_view>

#include "rollout_engine/cli/session.h"

namespace sluice {

/// "RolloutList" of schemas/openapi.yaml as a table.
Result<std::string> RolloutTable(std::string_view list_json, std::int64_t now_ms, bool wide);
/// "Rollout": its row, a row per stage with progress, soak and criteria, and what needs attention.
Result<std::string> RolloutScreen(std::string_view rollout_json, std::int64_t now_ms, bool wide);
/// "Rollout" in one line without an age: for logs, where each line that differs from the one before
/// is news.
Result<std::string> RolloutLine(std::string_view rollout_json);
/// "Explanation".
Result<std::string> ExplanationText(std::string_view explanation_json, std::int64_t now_ms);
/// "Plan".
Result<std::string> PlanText(std::string_view plan_json);
/// "EventList".
Result<std::string> EventTable(std::string_view list_json);

struct RolloutHealth {
  bool over = false;  // nothing will change any more without an operator
  int exit_code = kExitOk;
};
/// completed and whatever is under way: 0; paused, holding, awaiting approval: 6; rolling back,
/// rolled back, aborted: 7.
Result<RolloutHealth> HealthOf(std::string_view rollout_json);

}  // namespace sluice
