// Carries out what the rules want: operations through the one operations layer, messages, lines for
// people.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/mqtt/transport.h"
#include "rollout_engine/engine/operations.h"
#include "rollout_engine/engine/rollout_log.h"
#include "rollout_engine/rules/rule_engine.h"

namespace sluice {

/// One line about the rules, for people.
struct RuleNews {
  bool is_problem = false;
  std::string text;
};

class RuleRunner {
 public:
  using Execute = std::function<Outcome(const Operation&)>;
  using Tell = std::function<void(const RuleNews&)>;

  /// `log` outlives it. `execute` runs in the turn that is open; `tell` may be null.
  RuleRunner(const RolloutLog& log, Execute execute, Tell tell)
      : log_(log), execute_(std::move(execute)), tell_(std::move(tell)) {}

  /// Other rules from now on.
  void Replace(RuleSet set) { rules_.Replace(std::move(set)); }
  /// The filters of the rules. Optional ones: a rule that may not listen ends no connection.
  [[nodiscard]] std::vector<Subscription> Subscriptions() const;

  void Take(const MqttMessage& message, Turn& turn);
  /// Conditions that have held long enough by now.
  void FireDue(Turn& turn);
  [[nodiscard]] std::optional<BootMs> NextDeadline() const { return rules_.NextDeadline(); }
  /// Somebody has operated on a rollout: rules resume only what rules have paused since.
  void NoteOperation(const Operation& operation, bool ok);

  [[nodiscard]] const RuleSet& rules() const { return rules_.rules(); }
  [[nodiscard]] const RuleCounters& counters() const { return rules_.counters(); }

 private:
  void CarryOut(RuleOutput output, Turn& turn);
  void CarryOut(const RuleAction& action, Turn& turn);
  void Operate(const RuleAction& action, Subject subject, const std::string& object, Turn& turn);
  [[nodiscard]] std::vector<std::string> RolloutsOf(const RuleAction& action) const;
  /// Counts the problem and tells it, unless it comes too often.
  void Complain(const RuleAction& action, const Error& error, Turn& turn);
  void TellProblem(const RuleProblem& problem, Turn& turn);
  void Say(bool is_problem, std::string text) const;

  const RolloutLog& log_;
  const Execute execute_;
  const Tell tell_;
  RuleEngine rules_;
  std::set<std::string> paused_by_rules_;  // rollouts that nobody has operated on since
};

}  // namespace sluice
