#include "rollout_engine/engine/rule_runner.h"

#include <utility>

#include "common/base/utf8.h"
#include "rollout_engine/engine/limits.h"
#include "rollout_engine/engine/stored_json.h"

namespace sluice {
namespace {

constexpr std::string_view kVia = "rule";
constexpr std::size_t kShownTopicMax = 256;

std::string ShownTopic(std::string_view topic) { return ToPrintableLine(topic, kShownTopicMax); }

RuleTime TimeOf(const Turn& turn) { return {turn.now, turn.wall}; }

/// What the rollout must be for `model: M` to mean it.
bool IsMeant(ActionKind kind, RolloutStatus status) {
  if (kind == ActionKind::kStart) return status == RolloutStatus::kScheduled;
  if (kind == ActionKind::kResume) return status == RolloutStatus::kPaused;
  if (kind == ActionKind::kPause && status == RolloutStatus::kPaused) return false;
  return IsOpen(status) && status != RolloutStatus::kRollingBack;
}

std::string Intention(const RuleAction& action) {
  std::string text(ActionName(action.kind));
  if (action.kind == ActionKind::kPublish) return text + " to " + ShownTopic(action.topic);
  if (action.kind == ActionKind::kLog) return text;
  if (action.target_kind == TargetKind::kModel) text += " model";
  return text + " " + action.target;
}

}  // namespace

std::vector<Subscription> RuleRunner::Subscriptions() const {
  std::vector<Subscription> subscriptions;
  for (std::string& filter : rules_.rules().Filters())
    subscriptions.push_back({.filter = std::move(filter), .qos = Qos::k1, .required = false});
  return subscriptions;
}

void RuleRunner::Take(const MqttMessage& message, Turn& turn) {
  RuleOutput output;
  rules_.Take(
      {.topic = message.topic, .payload = AsText(message.payload), .retained = message.retained},
      TimeOf(turn), output);
  CarryOut(std::move(output), turn);
}

void RuleRunner::FireDue(Turn& turn) {
  RuleOutput output;
  rules_.FireDue(TimeOf(turn), output);
  CarryOut(std::move(output), turn);
}

void RuleRunner::CarryOut(RuleOutput output, Turn& turn) {
  for (const RuleAction& action : output.actions) CarryOut(action, turn);
  for (const RuleProblem& problem : output.problems) TellProblem(problem, turn);
}

void RuleRunner::CarryOut(const RuleAction& action, Turn& turn) {
  if (action.dry_run)
    return Say(false, "rule " + action.rule + ", dry run: would " + Intention(action));
  if (action.kind == ActionKind::kLog) {
    return Say(false, "rule " + action.rule + ": " +
                          ToPrintableLine(action.text, limits::kOperationReasonMax));
  }
  if (action.kind == ActionKind::kPublish) {
    const ByteView bytes = AsBytes(action.payload);
    turn.Publish(action.topic, {bytes.begin(), bytes.end()}, Qos::k1, false);
    return Say(false, "rule " + action.rule + ": " + Intention(action));
  }
  if (action.target_kind == TargetKind::kDevice)
    return Operate(action, Subject::kDevice, action.target, turn);
  if (action.target_kind == TargetKind::kRollout)
    return Operate(action, Subject::kRollout, action.target, turn);
  const std::vector<std::string> rollouts = RolloutsOf(action);
  for (const std::string& rollout : rollouts) Operate(action, Subject::kRollout, rollout, turn);
  if (rollouts.empty()) {
    Say(false, "rule " + action.rule + ": " + Intention(action) +
                   ": no rollout of it that this could be done to");
  }
}

std::vector<std::string> RuleRunner::RolloutsOf(const RuleAction& action) const {
  std::vector<std::string> rollouts;
  for (const auto& [id, entry] : log_.all()) {
    if (entry.model == action.target && IsMeant(action.kind, entry.rollout.status))
      rollouts.push_back(id);
  }
  return rollouts;
}

void RuleRunner::Operate(const RuleAction& action, Subject subject, const std::string& object,
                         Turn& turn) {
  if (action.kind == ActionKind::kResume && !paused_by_rules_.contains(object)) {
    return Complain(action,
                    {ErrorCode::kDenied, "rollout " + object +
                                             " was not paused by a rule, or somebody has operated "
                                             "on it since; a person resumes it"},
                    turn);
  }
  const Operation operation{.id = OperationIdOf(action.id, object),
                            .subject = subject,
                            .object = object,
                            .op = std::string(OperationName(action.kind)),
                            .arguments = {},
                            .by = "rule:" + action.rule,
                            .via = std::string(kVia),
                            .reason = "a message on " + ShownTopic(action.trigger_topic),
                            .expect_rev = std::nullopt};
  const Outcome outcome = execute_(operation);
  if (!outcome.ok()) return Complain(action, {outcome.code, outcome.message}, turn);
  Say(false,
      "rule " + action.rule + ": " + std::string(ActionName(action.kind)) + ": " + outcome.message);
}

void RuleRunner::NoteOperation(const Operation& operation, bool ok) {
  if (operation.subject != Subject::kRollout) return;
  // Even what was refused shows that a person wants something of it.
  paused_by_rules_.erase(operation.object);
  if (ok && operation.via == kVia && operation.op == OperationName(ActionKind::kPause))
    paused_by_rules_.insert(operation.object);
}

void RuleRunner::Complain(const RuleAction& action, const Error& error, Turn& turn) {
  if (!rules_.CountProblem(action.rule, turn.now)) return;
  TellProblem(
      {action.rule, error.With(ActionName(action.kind)), action.trigger_topic, action.on_error},
      turn);
}

void RuleRunner::TellProblem(const RuleProblem& problem, Turn& turn) {
  const std::string topic = ShownTopic(problem.trigger_topic);
  Say(true, "rule " + problem.rule + ", a message on " + topic + ": " + problem.error.Line());
  if (problem.on_error != OnRuleError::kPublish) return;
  const Json event = {{"ts", turn.wall.ms},
                      {"rule", problem.rule},
                      {"topic", topic},
                      {"code", CodeName(problem.error.code)},
                      {"why", problem.error.text}};
  turn.PublishText("sluice/v1/rule/" + problem.rule + "/error", DumpJson(event), false);
}

void RuleRunner::Say(bool is_problem, std::string text) const {
  if (tell_) tell_({is_problem, std::move(text)});
}

}  // namespace sluice
