// What must hold in a simulated world at every moment, whatever is broken; collects what did not.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "device_sdk/include/sluice/device.h"
#include "rollout_engine/engine/engine.h"

namespace sluice::sim {

class Invariants {
 public:
  /// A signed artifact of a published release, and the rollout that may bring it ("" = not rolled
  /// out yet).
  void AddRelease(const std::string& release, const Digest& artifact) {
    releases_[artifact] = release;
  }

  // ---- devices ----
  /// No unverified byte is ever loaded.
  void OnLoad(const std::string& device, const Digest& loaded);
  /// A device that switches to a release is in a cohort that its rollout has reached, and has leave
  /// to.
  void OnServe(const std::string& device, const Digest& serving, sdk::Purpose purpose,
               std::int64_t now_ms);

  // ---- engine ----
  /// After a turn was committed: no rollout regresses, epochs and numbers rise.
  void AfterCommit(const Engine& engine, std::int64_t now_ms);
  /// After a restart: every rollout is what it was when its last turn was committed.
  void AfterRestart(const Engine& engine);

  void Violated(std::string what) { violations_.push_back(std::move(what)); }
  [[nodiscard]] const std::vector<std::string>& violations() const { return violations_; }

 private:
  /// A rollout as of the last committed turn.
  struct Committed {
    std::uint64_t events = 0;
    std::int64_t given_up_ms = -1;  // when it was rolled back or aborted
    Rollout rollout;
  };
  const Committed* RolloutOf(const std::string& release) const;

  std::map<Digest, std::string> releases_;
  std::map<std::string, Committed> rollouts_;
  std::map<std::string, SequenceNumber> directive_numbers_;  // by device
  std::uint64_t epoch_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace sluice::sim
