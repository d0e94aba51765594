#include "tests/bench/report.h"

#include <cstdio>
#include <fstream>
#include <thread>

namespace sluice::bench {
namespace {

nlohmann::json Machine() {
  std::string cpu = "unknown";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) {
      cpu = line.substr(line.find(':') + 2);
      break;
    }
  }
  return {
      {"cpu", cpu}, {"threads", std::thread::hardware_concurrency()}, {"compiler", __VERSION__}};
}

}  // namespace

std::string MachineText() {
  const nlohmann::json machine = Machine();
  return machine.at("cpu").get<std::string>() + ", " +
         std::to_string(machine.at("threads").get<unsigned>()) + " threads, GCC " +
         machine.at("compiler").get<std::string>();
}

bool PrintGoals(const std::vector<Goal>& goals) {
  bool all = true;
  for (const Goal& goal : goals) {
    all = all && goal.IsReached();
    std::printf("%s %s: %.3g (goal: at %s %.3g)\n", goal.IsReached() ? "reached" : "MISSED ",
                goal.name.c_str(), goal.value, goal.bound == Bound::kAtMost ? "most" : "least",
                goal.goal);
  }
  return all;
}

Status WriteJson(const std::string& path, const std::vector<Goal>& goals,
                 const nlohmann::json& rows, const nlohmann::json& more) {
  nlohmann::json report = {
      {"goals", nlohmann::json::array()}, {"rows", rows}, {"machine", Machine()}};
  report["machine"].update(more);
  for (const Goal& goal : goals) {
    report["goals"].push_back({{"name", goal.name},
                               {"value", goal.value},
                               {"goal", goal.goal},
                               {"reached", goal.IsReached()}});
  }
  std::ofstream file(path);
  file << report.dump(2) << '\n';
  if (!file.flush()) return Fail(ErrorCode::kIo, "cannot write " + path);
  return {};
}

}  // namespace sluice::bench
