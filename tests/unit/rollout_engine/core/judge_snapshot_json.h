// Reads decision snapshots of vectors/ for the tests, member by member.
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "rollout_engine/core/judge_snapshot.h"

namespace sluice {

nlohmann::json ReadJson(const std::filesystem::path& path);
JudgeInput JudgeInputFromJson(const nlohmann::json& json);
/// With exactly the members that a snapshot's `expected` has.
nlohmann::json JsonFromJudgeOutput(const JudgeOutput& output);

/// The path of the first difference, or "". Reals may differ by `tolerance` relative.
std::string FirstDifference(const nlohmann::json& expected, const nlohmann::json& actual,
                            double tolerance, const std::string& path = "");

}  // namespace sluice
