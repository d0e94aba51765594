// One message as the rules see it, and what a rule makes of it. Keeps nothing.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "rollout_engine/rules/rule.h"

namespace sluice {

/// Views into what the caller holds.
struct RuleMessage {
  std::string_view topic;
  std::string_view payload;
  bool retained = false;
  /// In the place of what an event of the broker's plugin says; for trying rules out. Of no use on
  /// other topics.
  std::optional<std::string_view> client_id{};
  std::optional<std::string_view> client_name{};
};

/// What a rule wants done, with every value in its place.
struct RuleAction {
  std::string rule;
  ActionKind kind = ActionKind::kLog;
  bool dry_run = false;
  OnRuleError on_error = OnRuleError::kLog;
  Digest id;  // of this action of this trigger; zero until it fires
  TargetKind target_kind = TargetKind::kNone;
  std::string target;         // model, rollout or device
  std::string topic;          // kPublish
  std::string payload;        // kPublish
  std::string text;           // kLog
  std::string trigger_topic;  // the message's
};

/// Reads the payload when the first rule asks for it, and once.
class MessageView {
 public:
  /// `message` and what it points to outlive the view.
  MessageView(const RuleMessage& message, double now_s);

  [[nodiscard]] const RuleMessage& message() const { return message_; }
  /// E_RULE_VALUE when the payload is not what the format says, E_TOO_BIG.
  Result<Scope> ScopeFor(RuleFormat format);
  /// The trigger's own id, or "": a text or number `id` in the payload.
  static std::string IdOf(const Scope& scope, RuleFormat format);

 private:
  Status Read(RuleFormat format, std::optional<Result<Payload>>& payload) const;

  const RuleMessage& message_;
  double now_s_;
  std::vector<std::string_view> levels_;
  std::optional<Result<Payload>> json_;
  std::optional<Result<Payload>> text_;
};

/// The actions of `rule` for one message. E_RULE_VALUE, E_BAD_ID, E_TOPIC for a value that cannot
/// stand where it must.
Result<std::vector<RuleAction>> RenderActions(const Rule& rule, const Scope& scope,
                                              std::string_view trigger_topic);
/// "" without once_per. E_RULE_VALUE.
Result<std::string> RenderOnceKey(const Rule& rule, const Scope& scope);

}  // namespace sluice
