#include "rollout_engine/rules/rule_evaluation.h"

#include <algorithm>

#include "common/contract/topics.h"
#include "rollout_engine/config/yaml_reader.h"
#include "rollout_engine/rules/limits.h"

namespace sluice {
namespace {

/// What was one level in the file stays one level: the check against loops rests on it.
Status CheckRenderedTopic(std::string_view topic, std::string_view written) {
  const bool is_plain = std::ranges::none_of(
      topic, [](char c) { return c == '+' || c == '#' || static_cast<unsigned char>(c) < 0x20; });
  if (is_plain && !topic.empty() && topic.size() <= limits::kRuleTopicBytesMax &&
      std::ranges::count(topic, '/') == std::ranges::count(written, '/')) {
    return {};
  }
  return Fail(ErrorCode::kTopic, "publish to " + Shown(topic) +
                                     ": a value must fit into one level of a topic, without / + #");
}

Status CheckTarget(const RuleAction& action) {
  if (action.target_kind == TargetKind::kNone) return {};
  if (action.target_kind == TargetKind::kModel) return CheckRegistryId("model", action.target);
  return CheckIdentity(action.target_kind == TargetKind::kDevice ? "device" : "rollout",
                       action.target);
}

}  // namespace

MessageView::MessageView(const RuleMessage& message, double now_s)
    : message_(message), now_s_(now_s), levels_(LevelsOf(message.topic)) {}

Status MessageView::Read(RuleFormat format, std::optional<Result<Payload>>& payload) const {
  if (!payload) {
    if (message_.payload.size() > limits::kRulePayloadBytesMax) {
      payload = Result<Payload>(
          Fail(ErrorCode::kTooBig, "the payload has " + std::to_string(message_.payload.size()) +
                                       " bytes, allowed " +
                                       std::to_string(limits::kRulePayloadBytesMax)));
    } else {
      payload = format == RuleFormat::kJson ? Payload::ParseJson(message_.payload)
                                            : Payload::FromText(message_.payload);
    }
  }
  if (!*payload) return Fail(payload->error());
  return {};
}

Result<Scope> MessageView::ScopeFor(RuleFormat format) {
  std::optional<Result<Payload>>& payload = format == RuleFormat::kJson ? json_ : text_;
  SLUICE_TRY(Read(format, payload));
  Scope scope{.payload = &**payload, .levels = levels_, .now_s = now_s_};
  if (!IsServerEventTopic(message_.topic)) return scope;
  scope.client_id = message_.client_id;
  scope.client_name = message_.client_name;
  const auto named = [&](const char* key, std::optional<std::string_view>& into) {
    const Value value = Payload::Member(scope.payload->root(), key);
    if (!into && value.kind == Value::Kind::kText) into = value.text;
  };
  // To the plugin they are one: the guard holds every device to it.
  named("device", scope.client_id);
  named("device", scope.client_name);
  return scope;
}

std::string MessageView::IdOf(const Scope& scope, RuleFormat format) {
  if (format != RuleFormat::kJson) return "";
  const Value id = Payload::Member(scope.payload->root(), "id");
  if (id.kind != Value::Kind::kText && id.kind != Value::Kind::kNumber) return "";
  std::string text = ScalarText(id);
  return text.size() <= limits::kPayloadIdBytesMax ? text : "";
}

Result<std::vector<RuleAction>> RenderActions(const Rule& rule, const Scope& scope,
                                              std::string_view trigger_topic) {
  std::vector<RuleAction> actions;
  for (const ActionSpec& spec : rule.actions) {
    RuleAction action{.rule = rule.name,
                      .kind = spec.kind,
                      .dry_run = rule.mode == RuleMode::kDryRun,
                      .on_error = rule.on_error,
                      .target_kind = spec.target_kind,
                      .trigger_topic = std::string(trigger_topic)};
    SLUICE_ASSIGN(action.target, spec.target.Render(scope, limits::kRenderedKeyBytesMax));
    SLUICE_TRY(CheckTarget(action));
    if (spec.kind == ActionKind::kPublish) {
      SLUICE_ASSIGN(action.topic, spec.topic.Render(scope, limits::kRenderedBytesMax));
      SLUICE_TRY(CheckRenderedTopic(action.topic, spec.topic.With("")));
      SLUICE_ASSIGN(action.payload, spec.payload.Render(scope));
    } else if (spec.kind == ActionKind::kLog) {
      SLUICE_ASSIGN(action.text, spec.text.Render(scope, limits::kRenderedBytesMax));
    }
    actions.push_back(std::move(action));
  }
  return actions;
}

Result<std::string> RenderOnceKey(const Rule& rule, const Scope& scope) {
  if (!rule.once_per) return std::string();
  auto key = rule.once_per->key.Render(scope, limits::kRenderedKeyBytesMax);
  if (!key) return Fail(key.error().With("once_per.key"));
  return key;
}

}  // namespace sluice
