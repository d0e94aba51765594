#include "rollout_engine/engine/views.h"

#include "common/contract/topics.h"
#include "rollout_engine/engine/view_json.h"

namespace sluice {
namespace {

constexpr std::string_view kPlane = "sluice/v1/";

std::string Topic(std::string_view kind, const std::string& id, std::string_view what) {
  return std::string(kPlane).append(kind).append("/").append(id).append("/").append(what);
}

}  // namespace

void Views::NoteChanges(std::set<std::string> devices, const std::set<std::string>& rollouts) {
  summary_changed_ = summary_changed_ || !devices.empty() || !rollouts.empty();
  changed_devices_.merge(devices);
  changed_rollouts_.insert(rollouts.begin(), rollouts.end());
}

void Views::PublishAllAgain() {
  all_again_ = true;
  summary_changed_ = true;
  passed_at_ = summary_at_ = {INT64_MIN / 2};
  shown_.clear();
  device_shown_.clear();
  rollout_shown_.clear();
}

void Views::Publish(const ViewSources& sources, const EngineFacts& facts, Turn& turn) {
  next_.reset();
  if (!facts.broker_connected) return;
  if (turn.now - passed_at_ < limits::kViewPassInterval)
    return WakeAt(passed_at_ + limits::kViewPassInterval);
  passed_at_ = turn.now;
  if (all_again_) {
    for (const auto& [id, device] : sources.devices.all()) changed_devices_.insert(id);
    for (const auto& [id, entry] : sources.log.all()) changed_rollouts_.insert(id);
    all_again_ = false;
  }
  PublishDevices(sources, turn);
  PublishRollouts(sources, turn);
  if (!summary_changed_) return;
  if (turn.now - summary_at_ < limits::kSummaryViewInterval)
    return WakeAt(summary_at_ + limits::kSummaryViewInterval);
  summary_changed_ = false;
  summary_at_ = turn.now;
  PublishEngine(sources, facts, turn);
  Show(std::string(kPlane) + "fleet/state", DumpJson(FleetJson(sources)), false, turn);
}

void Views::PublishEngine(const ViewSources& sources, const EngineFacts& facts, Turn& turn) {
  Show(Topic("engine", facts.id, "state"), DumpJson(EngineJson(facts, sources)), false, turn);
}

void Views::PublishDevices(const ViewSources& sources, Turn& turn) {
  if (sources.devices.all().size() > limits::kDeviceViewsMax) return changed_devices_.clear();
  for (auto it = changed_devices_.begin(); it != changed_devices_.end();) {
    const Device* device = sources.devices.Find(*it);
    if (device == nullptr || !device->hello) {
      it = changed_devices_.erase(it);
      continue;
    }
    std::string state =
        std::string(DeviceStateName(StateOf(sources, *device))) + (device->online ? "+" : "-");
    const auto shown = device_shown_.find(*it);
    if (shown != device_shown_.end() && shown->second.state == state &&
        turn.now - shown->second.at < limits::kDeviceViewInterval) {
      WakeAt(shown->second.at + limits::kDeviceViewInterval);
      ++it;
      continue;
    }
    PublishDevice(sources, *device, state, turn);
    it = changed_devices_.erase(it);
  }
}

void Views::PublishDevice(const ViewSources& sources, const Device& device,
                          const std::string& state, Turn& turn) {
  device_shown_[device.id] = {turn.now, state};
  const std::string online = Topic("device", device.id, "online");
  const std::string_view presence = device.online ? "online" : "offline";
  if (shown_[online] != presence) {
    shown_[online] = presence;
    turn.PublishText(online, presence, true);
  }
  Show(Topic("device", device.id, "state"), DumpJson(DeviceJson(sources, device)), false, turn);
  Show(Topic("device", device.id, "metrics"), DumpJson(DeviceMetricsJson(sources, device)), false,
       turn);
}

void Views::PublishRollouts(const ViewSources& sources, Turn& turn) {
  for (const auto& [id, entry] : sources.log.all()) {
    const RolloutStatus status = entry.rollout.status;
    const std::string state =
        std::string(RolloutStatusName(status)) + "/" + std::to_string(CurrentStage(entry.rollout));
    const auto shown = rollout_shown_.find(id);
    const bool is_new = shown == rollout_shown_.end() || shown->second.state != state;
    const bool changed = changed_rollouts_.contains(id);
    if (!is_new) {
      const std::int64_t interval =
          changed ? limits::kSummaryViewInterval : limits::kActiveViewRepeat;
      if (!changed && !IsOpen(status)) continue;
      if (turn.now - shown->second.at < interval) {
        WakeAt(shown->second.at + interval);
        continue;
      }
    }
    rollout_shown_[id] = {turn.now, state};
    changed_rollouts_.erase(id);
    PublishRollout(sources, entry, turn);
  }
}

void Views::PublishRollout(const ViewSources& sources, const RolloutEntry& entry, Turn& turn) {
  const std::string& id = entry.rollout.id;
  const bool again = IsOpen(entry.rollout.status);
  Show(Topic("rollout", id, "state"), DumpJson(RolloutJson(sources, entry)), again, turn);
  const auto stages = static_cast<std::int32_t>(entry.rollout.spec.stages.size());
  for (std::int32_t stage = 0; stage < stages; ++stage) {
    const std::string& name = entry.rollout.spec.stages[static_cast<std::size_t>(stage)].name;
    // A name with a dot is a name, but no level of a topic.
    const std::string level = IsTopicLevel(name) ? name : std::to_string(stage + 1);
    Show(Topic("rollout", id, "stage/" + level + "/state"),
         DumpJson(StageJson(sources, entry, stage)), again && stage == CurrentStage(entry.rollout),
         turn);
  }
  for (std::size_t i = 0; i < entry.rollout.spec.variants.size(); ++i) {
    Show(Topic("rollout", id, "variant/" + std::to_string(i + 1) + "/state"),
         DumpJson(VariantJson(sources, entry, static_cast<std::int32_t>(i))), again, turn);
  }
  if (const LookSummary* look = sources.runner.LastLook(entry.rollout)) {
    Show(Topic("rollout", id, "ab"), DumpJson(ComparisonJson(entry, *look)), again, turn);
  }
}

void Views::Show(const std::string& topic, const std::string& body, bool again, Turn& turn) {
  const std::string without_time = body.substr(0, body.rfind(",\"ts\":"));
  std::string& shown = shown_[topic];
  if (!again && shown == without_time) return;
  shown = without_time;
  turn.PublishText(topic, body, true);
}

void Views::WakeAt(BootMs at) {
  if (!next_ || at < *next_) next_ = at;
}

}  // namespace sluice
