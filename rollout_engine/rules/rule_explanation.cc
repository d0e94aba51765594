#include "rollout_engine/rules/rule_explanation.h"

#include "rollout_engine/rules/topic_trie.h"

namespace sluice {
namespace {

RuleExplanation Explain(const Rule& rule, MessageView& view) {
  RuleExplanation explanation{.rule = &rule};
  const auto scope = view.ScopeFor(rule.format);
  if (!scope) {
    explanation.problem = Fail(scope.error());
    return explanation;
  }
  for (const Capture& capture : rule.topic.captures) {
    explanation.captures.push_back({capture.name, std::string(scope->levels[capture.level])});
  }
  if (rule.when) {
    for (const Expression::Reference& reference : rule.when->References(*scope))
      explanation.values.push_back({reference.text, JsonText(reference.value)});
  }
  explanation.holds = !rule.when || rule.when->IsTrue(*scope);
  if (!explanation.holds) return explanation;
  explanation.problem = [&]() -> Status {
    SLUICE_ASSIGN(explanation.once_key, RenderOnceKey(rule, *scope));
    SLUICE_ASSIGN(explanation.actions, RenderActions(rule, *scope, view.message().topic));
    return {};
  }();
  return explanation;
}

}  // namespace

Result<std::vector<RuleExplanation>> ExplainRules(const RuleSet& set, const RuleMessage& message,
                                                  double now_s) {
  if (message.retained) {
    return Fail(ErrorCode::kState, "a retained message is old news and triggers nothing");
  }
  if (IsOwnTopic(message.topic)) {
    return Fail(ErrorCode::kState, "what Sluice itself says triggers nothing");
  }
  TopicTrie trie;
  for (std::uint32_t i = 0; i < set.rules.size(); ++i) trie.Add(set.rules[i].topic.filter, i);
  std::vector<std::uint32_t> matched;
  trie.Match(message.topic, matched);
  MessageView view(message, now_s);
  std::vector<RuleExplanation> explanations;
  explanations.reserve(matched.size());
  for (const std::uint32_t rule : matched) explanations.push_back(Explain(set.rules[rule], view));
  return explanations;
}

}  // namespace sluice
