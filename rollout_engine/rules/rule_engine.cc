#include "rollout_engine/rules/rule_engine.h"

#include <algorithm>
#include <set>

#include "common/crypto/digest.h"
#include "rollout_engine/rules/limits.h"

namespace sluice {
namespace {

constexpr double kMsPerSecond = 1'000;
constexpr std::size_t kOperationIdHex = 48;

/// Each part with its length, so that no two lists of parts look alike.
Digest DigestOf(std::initializer_list<std::string_view> parts) {
  Sha256Stream stream;
  for (const std::string_view part : parts) {
    Bytes length;
    AppendLe<std::uint64_t>(length, part.size());
    stream.Update(length);
    stream.Update(AsBytes(part));
  }
  return stream.Finish();
}

std::string_view TextOf(const Digest& digest) { return AsText(digest.View()); }

}  // namespace

std::string OperationIdOf(const Digest& action, std::string_view object) {
  return "rule-" + DigestOf({TextOf(action), object}).Hex().substr(0, kOperationIdHex);
}

void RuleEngine::Replace(RuleSet set) {
  set_ = std::move(set);
  trie_ = TopicTrie();
  holds_.clear();
  due_.clear();
  std::set<std::string> names;
  for (std::uint32_t i = 0; i < set_.rules.size(); ++i) {
    const Rule& rule = set_.rules[i];
    names.insert(rule.name);
    if (rule.mode != RuleMode::kOff) trie_.Add(rule.topic.filter, i);
  }
  book_.Keep(names);
}

void RuleEngine::Take(const RuleMessage& message, RuleTime time, RuleOutput& output) {
  FireDue(time, output);  // what has held long enough by now is not undone by this message
  ++counters_.messages;
  matched_.clear();
  trie_.Match(message.topic, matched_);
  if (matched_.empty()) return;
  if (message.retained) {
    ++counters_.retained;
    return;
  }
  if (IsOwnTopic(message.topic)) {
    ++counters_.echoes;
    return;
  }
  MessageView view(message, static_cast<double>(time.wall.ms) / kMsPerSecond);
  for (const std::uint32_t rule : matched_) TakeFor(rule, view, time, output);
}

void RuleEngine::TakeFor(std::uint32_t index, MessageView& view, RuleTime time,
                         RuleOutput& output) {
  ++counters_.matched;
  Result<std::optional<Firing>> firing = Begin(index, view, time);
  if (!firing) {
    return Tell(set_.rules[index], firing.error(), view.message().topic, time.now, output);
  }
  if (*firing) Fire(std::move(**firing), time, output);
}

/// What fires now, if anything does.
Result<std::optional<RuleEngine::Firing>> RuleEngine::Begin(std::uint32_t index, MessageView& view,
                                                            RuleTime time) {
  const Rule& rule = set_.rules[index];
  const RuleMessage& message = view.message();
  SLUICE_ASSIGN(const Scope scope, view.ScopeFor(rule.format));
  const bool holds = !rule.when || rule.when->IsTrue(scope);
  if (!holds && rule.for_ms == 0) return std::nullopt;
  const Result<std::string> key = RenderOnceKey(rule, scope);
  if (!key && !holds) return std::nullopt;  // of no key: it ends nothing
  SLUICE_TRY(key);
  Firing firing{.rule = index};
  firing.once_key = DigestOf({TextOf(rule.digest), *key});
  const std::string id = MessageView::IdOf(scope, rule.format);
  firing.has_id = !id.empty();
  if (rule.for_ms == 0 || holds) {
    firing.trigger = DigestOf({TextOf(firing.once_key), message.topic, firing.has_id ? "id" : "",
                               firing.has_id ? std::string_view(id) : message.payload});
  }
  if (rule.for_ms > 0) {
    return BeginHold(index, scope, holds, std::move(firing), time);
  }
  SLUICE_ASSIGN(firing.actions, RenderActions(rule, scope, message.topic));
  return firing;
}

/// A condition that must hold for a while begins to, goes on or ends. Nothing fires here.
Result<std::optional<RuleEngine::Firing>> RuleEngine::BeginHold(std::uint32_t index,
                                                                const Scope& scope, bool holds,
                                                                Firing firing, RuleTime time) {
  const Rule& rule = set_.rules[index];
  std::string topic;
  for (const std::string_view level : scope.levels)
    topic += (topic.empty() ? "" : "/") + std::string(level);
  const Digest instance = DigestOf({TextOf(firing.once_key), topic});
  const auto found = holds_.find(instance);
  if (!holds) {
    if (found != holds_.end()) {
      Spend(found);
      holds_.erase(found);
    }
    return std::nullopt;
  }
  if (found != holds_.end()) return std::nullopt;
  if (holds_.size() >= limits::kHoldsMax) {
    // What has fired waits for nothing: the first of these makes room.
    const auto spent = std::ranges::find_if(holds_, [](const auto& h) { return h.second.spent; });
    if (spent == holds_.end()) {
      return Fail(ErrorCode::kQueueFull, std::to_string(holds_.size()) +
                                             " conditions wait for their `for`; write fewer rules "
                                             "with it, or filters that cover less");
    }
    holds_.erase(spent);
  }
  SLUICE_ASSIGN(firing.actions, RenderActions(rule, scope, topic));
  const BootMs due = time.now + rule.for_ms;
  holds_.emplace(instance, Hold{.due = due, .firing = std::move(firing)});
  due_.emplace(due, instance);
  return std::nullopt;
}

/// Takes its deadline away, if it still has one.
void RuleEngine::Spend(std::map<Digest, Hold>::iterator hold) {
  const auto [first, last] = due_.equal_range(hold->second.due);
  const auto deadline =
      std::find_if(first, last, [&](const auto& due) { return due.second == hold->first; });
  if (deadline != last) due_.erase(deadline);
  hold->second.spent = true;
}

void RuleEngine::FireDue(RuleTime time, RuleOutput& output) {
  while (!due_.empty() && due_.begin()->first <= time.now) {
    const auto hold = holds_.find(due_.begin()->second);
    Spend(hold);
    Fire(std::exchange(hold->second.firing, Firing{}), time, output);
  }
}

std::optional<BootMs> RuleEngine::NextDeadline() const {
  if (due_.empty()) return std::nullopt;
  return due_.begin()->first;
}

void RuleEngine::Fire(Firing firing, RuleTime time, RuleOutput& output) {
  const Rule& rule = set_.rules[firing.rule];
  if (rule.once_per && book_.once_per.Contains(firing.once_key, time.now)) {
    ++counters_.once_per;
    return;
  }
  if (book_.triggers.Contains(firing.trigger, time.now)) {
    ++counters_.duplicates;
    return;
  }
  const bool dry_run = rule.mode == RuleMode::kDryRun;
  if (!book_.MayAct(rule.name, firing.actions.size(), dry_run, time.now)) {
    const std::string topic = firing.actions[0].trigger_topic;
    return Tell(
        rule,
        {ErrorCode::kRateLimited, "more than " + std::to_string(limits::kActionsPerRuleWindow) +
                                      " actions a minute of this rule, or " +
                                      std::to_string(limits::kActionsPerWindow) +
                                      " of all; say once_per, or a narrower `when`"},
        topic, time.now, output);
  }
  book_.NoteActions(rule.name, firing.actions.size(), dry_run, time.now);
  if (rule.once_per) book_.once_per.Add(firing.once_key, time.now, rule.once_per->every_ms);
  book_.triggers.Add(firing.trigger, time.now,
                     firing.has_id ? limits::kTriggerIdKept : limits::kRepeatWindow);
  ++counters_.fired;
  // Equal content is a new trigger after a minute: the minute is part of its id.
  const std::string minute =
      firing.has_id ? "" : std::to_string(time.wall.ms / limits::kRepeatWindow);
  for (std::size_t i = 0; i < firing.actions.size(); ++i) {
    firing.actions[i].id = DigestOf({TextOf(firing.trigger), minute, std::to_string(i)});
    output.actions.push_back(std::move(firing.actions[i]));
  }
}

bool RuleEngine::CountProblem(const std::string& rule, BootMs now) {
  ++counters_.problems;
  return book_.MayTell(rule, now);
}

void RuleEngine::Tell(const Rule& rule, const Error& error, std::string_view topic, BootMs now,
                      RuleOutput& output) {
  if (!CountProblem(rule.name, now)) return;
  output.problems.push_back({rule.name, error, std::string(topic), rule.on_error});
}

}  // namespace sluice
