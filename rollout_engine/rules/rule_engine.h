// The rules at work: messages and time in, intended actions out. Pure: no clock, no I/O.
//
// State lives in memory only. After a restart a `for` starts anew and a repeat of a trigger is
// recognised by the operation id that it leads to, not here.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/base/clock.h"
#include "rollout_engine/rules/firing_book.h"
#include "rollout_engine/rules/rule_evaluation.h"
#include "rollout_engine/rules/topic_trie.h"

namespace sluice {

struct RuleTime {
  BootMs now;   // durations
  WallMs wall;  // what expressions call `now`
};

/// Something that kept a rule from acting.
struct RuleProblem {
  std::string rule;
  Error error;
  std::string trigger_topic;
  OnRuleError on_error = OnRuleError::kLog;
};

struct RuleOutput {
  std::vector<RuleAction> actions;    // in order
  std::vector<RuleProblem> problems;  // at most 6 a minute and rule; all are counted
};

/// Since the rules were made; for people and metrics.
struct RuleCounters {
  std::uint64_t messages = 0;
  std::uint64_t retained = 0;  // ignored: old news
  std::uint64_t echoes = 0;    // ignored: Sluice's own topics
  std::uint64_t matched = 0;   // rule and message
  std::uint64_t fired = 0;
  std::uint64_t duplicates = 0;  // the same trigger again
  std::uint64_t once_per = 0;    // held back
  std::uint64_t problems = 0;
};

/// Not thread-safe. Time does not go back.
class RuleEngine {
 public:
  RuleEngine() = default;
  explicit RuleEngine(RuleSet set) { Replace(std::move(set)); }

  /// Other rules from now on. What was done lately is remembered for rules that stayed as they are;
  /// conditions that wait for their `for` start anew.
  void Replace(RuleSet set);

  void Take(const RuleMessage& message, RuleTime time, RuleOutput& output);
  /// Fires every condition that has held long enough.
  void FireDue(RuleTime time, RuleOutput& output);
  [[nodiscard]] std::optional<BootMs> NextDeadline() const;
  /// For a problem that shows only when an action is carried out: whether it is told.
  bool CountProblem(const std::string& rule, BootMs now);

  [[nodiscard]] const RuleSet& rules() const { return set_; }
  [[nodiscard]] const RuleCounters& counters() const { return counters_; }
  [[nodiscard]] std::size_t holds() const { return holds_.size(); }

 private:
  struct Firing {
    std::uint32_t rule = 0;
    Digest trigger;  // rule, key, topic, and id or content
    bool has_id = false;
    Digest once_key;
    std::vector<RuleAction> actions;
  };
  struct Hold {
    BootMs due;
    bool spent = false;  // fired; the condition has not been false since
    Firing firing;
  };

  void TakeFor(std::uint32_t rule, MessageView& view, RuleTime time, RuleOutput& output);
  Result<std::optional<Firing>> Begin(std::uint32_t rule, MessageView& view, RuleTime time);
  Result<std::optional<Firing>> BeginHold(std::uint32_t rule, const Scope& scope, bool holds,
                                          Firing firing, RuleTime time);
  void Fire(Firing firing, RuleTime time, RuleOutput& output);
  void Tell(const Rule& rule, const Error& error, std::string_view topic, BootMs now,
            RuleOutput& output);
  void Spend(std::map<Digest, Hold>::iterator hold);

  RuleSet set_;
  TopicTrie trie_;
  FiringBook book_;
  std::map<Digest, Hold> holds_;  // by rule, topic and key
  std::multimap<BootMs, Digest> due_;
  std::vector<std::uint32_t> matched_;  // of one message; kept for its memory
  RuleCounters counters_;
};

/// The operation id of one action on one object: the same trigger gives the same id.
std::string OperationIdOf(const Digest& action, std::string_view object);

}  // namespace sluice
