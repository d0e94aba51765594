// The person of a simulated fleet: publishes releases, makes two rollouts of them, one after the
// other, and gives up on what only holds.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "rollout_engine/engine/engine.h"

namespace sluice::sim {

class Operator {
 public:
  /// What each rollout brings; several are its variants.
  using Releases = std::array<std::vector<Publication>, 2>;
  explicit Operator(Releases releases) : releases_(std::move(releases)) {}

  /// Does the next thing that it is time for. What was asked is asked again, under the same id,
  /// until it is committed.
  void Act(Engine& engine, std::int64_t now_ms);
  void OnCommitted();
  void OnEngineLost() { asked_ = false; }

  /// Both rollouts are over.
  [[nodiscard]] bool is_done() const { return done_; }
  [[nodiscard]] static RolloutStatus StatusOf(const Engine& engine, std::size_t rollout);
  /// What it brings, or would: of several variants the one that has won, else the first.
  [[nodiscard]] static std::string FinalReleaseOf(const Engine& engine, std::size_t rollout);
  [[nodiscard]] static std::string WhyOf(const Engine& engine, std::size_t rollout);
  /// A rollout has waited for an approval.
  [[nodiscard]] bool was_asked(std::size_t rollout) const { return was_asked_[rollout]; }
  /// One line that changes when something happened.
  [[nodiscard]] static std::string Story(const Engine& engine);

 private:
  enum class Plan : std::uint8_t { kPublish, kCreate, kStart, kWatch };

  void Ask(Engine& engine, const std::string& op, const std::string& argument = {});
  void Publish(Engine& engine);
  void Watch(Engine& engine, std::int64_t now_ms);

  Releases releases_;
  std::size_t rollout_ = 0;
  Plan plan_ = Plan::kPublish;
  bool asked_ = false;  // and not committed yet
  int operations_ = 0;  // committed
  int resumed_ = 0;
  std::array<bool, 2> was_asked_{};
  std::int64_t stuck_since_ms_ = -1;
  bool done_ = false;
};

}  // namespace sluice::sim
