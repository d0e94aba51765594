// What a rollout would do if it started now, for people to read before they start it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "rollout_engine/core/rehearsal.h"
#include "rollout_engine/engine/offers.h"

namespace sluice {

struct RolloutPlan {
  struct Stage {
    std::string name;
    MilliPercent target = 0;
    std::int64_t duration_ms = 0;
    std::map<std::string, std::size_t> devices;  // by hardware, all stages up to this one
    std::uint64_t bytes = 0;                     // to the devices that this stage adds
    std::vector<RehearsedCriterion> criteria;
    bool can_decide = false;  // it would be promoted if the release were as good as what runs
    std::string sentence;     // the judge's, of that
  };
  struct Payload {
    std::string release;
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
  std::uint64_t bytes = 0;  // of all devices
  std::vector<Stage> stages;
  std::vector<Payload> payloads;
  std::vector<std::string> warnings;
};

/// What a plan is made from. `releases` by variant; `started` as the rollout would start with it.
struct PlanInput {
  const RolloutSpec& spec;
  const std::vector<const Release*>& releases;
  const Started& started;
  const DeviceDirectory& devices;
  const FleetTelemetry& telemetry;
  const ObjectStore& objects;
  BootMs now;
};
/// E_CFG_NO_DEVICES.
Result<RolloutPlan> MakePlan(const PlanInput& input, Offers& offers);

}  // namespace sluice
