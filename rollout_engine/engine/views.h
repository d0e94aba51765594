// Keeps the retained topics of the operator plane up to date: what changed, not too often, and
// active rollouts again.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "rollout_engine/engine/rollout_runner.h"
#include "rollout_engine/engine/server_leases.h"

namespace sluice {

struct ViewSources;

/// The engine about itself.
struct EngineFacts {
  std::string id;
  std::string version;
  std::uint64_t epoch = 0;
  bool leader = true;  // no other engine has taken the fleet over
  bool broker_connected = false;
  ServerLeases::Shown servers;
  bool store_ok = true;
};

class Views {
 public:
  /// The devices and rollouts that changed since the last call.
  void NoteChanges(std::set<std::string> devices, const std::set<std::string>& rollouts);
  /// What the engine says about itself is not what it said last.
  void NoteOwnChange() { summary_changed_ = true; }
  /// A new connection: the broker may have forgotten everything.
  void PublishAllAgain();
  /// Puts what is due into the turn. Without a connection nothing is due.
  void Publish(const ViewSources& sources, const EngineFacts& facts, Turn& turn);
  /// Of all that only the engine's own state.
  void PublishEngine(const ViewSources& sources, const EngineFacts& facts, Turn& turn);
  [[nodiscard]] std::optional<BootMs> NextDeadline() const { return next_; }

 private:
  struct Shown {
    BootMs at;
    std::string state;
  };
  void PublishDevices(const ViewSources& sources, Turn& turn);
  void PublishDevice(const ViewSources& sources, const Device& device, const std::string& state,
                     Turn& turn);
  void PublishRollouts(const ViewSources& sources, Turn& turn);
  void PublishRollout(const ViewSources& sources, const RolloutEntry& entry, Turn& turn);
  /// Publishes `body` (an object that ends with its time) unless the topic shows the same already.
  void Show(const std::string& topic, const std::string& body, bool again, Turn& turn);
  void WakeAt(BootMs at);

  std::map<std::string, std::string> shown_;  // by topic, without its time
  std::set<std::string> changed_devices_;
  std::set<std::string> changed_rollouts_;
  std::map<std::string, Shown> device_shown_;
  std::map<std::string, Shown> rollout_shown_;
  BootMs passed_at_{INT64_MIN / 2};
  BootMs summary_at_{INT64_MIN / 2};
  bool summary_changed_ = true;
  bool all_again_ = false;
  std::optional<BootMs> next_;
};

}  // namespace sluice
