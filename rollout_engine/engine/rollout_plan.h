// What a rollout would do if it started now, for people to read before they start it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "rollout_engine/engine/offers.h"

namespace sluice {

struct RolloutPlan {
  struct Stage {
    std::string name;
    MilliPercent target = 0;
    std::int64_t duration_ms = 0;
    std::map<std::string, std::size_t> devices;  // by hardware
  };
  struct Payload {
    std::string hardware;
    std::string base;  // release, "" = full
    std::size_t devices = 0;
    std::uint64_t bytes = 0;  // per device; an estimate until the payload is built
    bool is_estimate = false;
  };
  std::string model;
  std::string release;
  std::size_t devices = 0;
  std::size_t without_base = 0;
  std::vector<Stage> stages;
  std::vector<Payload> payloads;
  std::vector<std::string> warnings;
};

/// `eligible` = the devices that it would take in.
Result<RolloutPlan> MakePlan(const RolloutSpec& spec, const Release& release,
                             const std::vector<const Device*>& eligible, Offers& offers,
                             const ObjectStore& objects);

}  // namespace sluice
