// The four releases of the demo, one after the other: what each must come to, and what it cost.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "demo/world.h"

namespace sluice::demo {

/// One release and how its rollout must end.
struct Chapter {
  std::string release;
  std::string headline;
  std::string rollout_file;  // below the demo folder
  std::string ends_as;       // status of the rollout
  std::string
      held_then_aborted;    // why the demo's operator aborts it once it holds, "" = nobody does
  bool line_stops = false;  // somebody's production line stops meanwhile, and a rule pauses it
};

/// What was measured of one rollout, from the engine's own records.
struct Facts {
  Chapter chapter;
  std::string rollout_id;
  std::string status;
  std::string why;  // the engine's sentence
  int targeted = 0;
  int activations = 0;             // devices that ran the release, however shortly
  int reverted = 0;                // of these, the ones that said that they went back
  int exposed_outside_canary = 0;  // of these, taken by a later stage than the first
  bool paused_by_rule = false;
  std::int64_t bytes_sent = 0;            // that devices counted at their links for this release
  std::int64_t full_bytes = 0;            // the same devices with the whole artifact
  std::optional<std::int64_t> detect_ms;  // first activation -> decision to roll back
  std::optional<std::int64_t> revert_ms;  // decision -> last device reverted
  std::vector<std::string> problems;      // why this chapter did not end as it must
};

/// Called with a line of progress whenever something changed.
using Progress = std::function<void(const std::string& line)>;

std::vector<Chapter> Chapters();

/// Creates, signs and publishes the release, starts the rollout, watches it to its end and measures
/// it.
Result<Facts> Tell(World& world, const Chapter& chapter, const std::filesystem::path& rollout_dir,
                   const Progress& progress);

/// Creates, signs and publishes the release that was trained under that name.
Status Publish(const World& world, const std::string& release);

/// The chapter's rollout file: the plan of the demo folder under this release's name; its path.
Result<std::string> WriteRolloutFile(const World& world, const Chapter& chapter,
                                     const std::filesystem::path& rollout_dir);

/// The devices that do not run `artifact` of `release`, by name, after a short wait for the last
/// ones: by the engine's list and by the agents' own word.
Result<std::vector<std::string>> DevicesOff(const World& world, const std::string& release,
                                            const std::string& artifact);

nlohmann::json ToJson(const Facts& facts);
std::string FactsTable(const std::vector<Facts>& all);

}  // namespace sluice::demo
