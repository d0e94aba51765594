// What must hold of engine and rollouts at every moment, whatever is broken. A finding names its
// rule:
//   S3  a device is exposed only within its stage's cut-off, which is chosen once
//   S5  epochs and numbers of Directives rise; what was sent is never forgotten
//   S6  a rollout goes along legal steps and never back
//   S7  the stored events replay to the same state
//   S10 after a rollout was given up nobody switches to its release but on a permit given before,
//       and while it stands still nobody gets one
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/mqtt/transport.h"
#include "device_sdk/include/sluice/device.h"
#include "rollout_engine/engine/engine.h"
#include "tests/sim/violations.h"

namespace sluice::sim {

class Invariants {
 public:
  explicit Invariants(Violations& violations) : violations_(violations) {}

  void AddDevice(const std::string& id, const std::string& hardware) { hardware_[id] = hardware; }
  /// A signed artifact of a published release; it may have several manifests.
  void AddRelease(const std::string& release, const Digest& artifact, const Digest& manifest);

  // ---- devices ----
  /// A device serves other bytes from now on. One that installs is in a cohort that its rollout
  /// has reached, and uses a permit that was given while the rollout stood.
  void OnServe(const std::string& device, const Digest& serving, sdk::Purpose purpose,
               std::int64_t now_ms);
  void OnPowerCut(const std::string& device) { serving_.erase(device); }

  // ---- engine ----
  /// A word of the engine on its way to the broker: all that it says is in the store.
  void OnSent(const MqttMessage& message, const Store& store, std::int64_t now_ms);
  /// After a turn was committed: no rollout regresses, and its stored events give the same state.
  void AfterCommit(const Engine& engine, const Store& store, std::int64_t now_ms);
  /// After a restart: every rollout is what it was when its last turn was committed.
  void AfterRestart(const Engine& engine);

 private:
  /// A rollout as of the last committed turn.
  struct Committed {
    std::uint64_t events = 0;
    std::int64_t given_up_ms = -1;  // when it was rolled back or aborted
    std::int64_t stopped_ms = -1;   // since when it holds, is paused or given up; -1 = it is not
    Rollout rollout;
    std::uint64_t replayed_events = 0;
    Rollout replayed;  // from the store alone
  };
  struct Permit {
    Digest manifest;
    std::int64_t sent_ms = 0;
  };
  const Committed* RolloutOf(const std::string& release) const;
  void CheckPermit(const std::string& device, const std::string& release,
                   const Committed& committed, std::int64_t now_ms);
  void CheckExposed(const std::string& release, const Committed& committed);
  void CheckOrder(const Bytes& envelope, const Store& store);
  void CheckDirective(const std::string& device, const Bytes& envelope, const Store& store);
  void CheckAnswer(const std::string& device, ByteView payload, const Store& store,
                   std::int64_t now_ms);
  void CheckNewPermits(std::int64_t now_ms);
  void CheckPath(const std::string& id, const Rollout& before, const Rollout& now);
  void CheckCutOffs(const Rollout& before, const Rollout& now);
  void CheckReplay(const std::string& id, Committed& committed, const Store& store);

  Violations& violations_;
  std::map<std::string, std::string> hardware_;  // by device
  std::map<Digest, std::string> releases_;       // by artifact
  std::map<Digest, std::string> manifests_;      // release by manifest
  std::map<std::string, Committed> rollouts_;
  std::map<std::string, SequenceNumber> sent_numbers_;       // newest Directive by device
  std::map<std::string, std::vector<Permit>> permits_;       // by device
  std::vector<std::pair<std::string, Digest>> new_permits_;  // device and manifest, of this turn
  std::map<std::string, Digest> serving_;                    // by device
  std::uint64_t epoch_ = 0;
};

}  // namespace sluice::sim
