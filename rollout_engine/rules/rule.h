// The rules after reading: what each listens to, what must hold, and what it then does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/bytes.h"
#include "rollout_engine/rules/expression.h"
#include "rollout_engine/rules/payload_template.h"
#include "rollout_engine/rules/text_template.h"
#include "rollout_engine/rules/topic_pattern.h"

namespace sluice {

/// The closed list. There is no shell and no HTTP.
enum class ActionKind : std::uint8_t {
  kPause,
  kAbort,
  kRollBack,
  kResume,
  kStart,
  kQuarantine,
  kPublish,
  kLog,
};
/// As a file writes it: "rollout.pause".
std::string_view ActionName(ActionKind kind) noexcept;
/// On a rollout: its operation, "pause". On a device: "quarantine". "" for publish and log.
std::string_view OperationName(ActionKind kind) noexcept;
/// Only with `allow_start: true`: it makes devices change what they run.
bool NeedsAllowStart(ActionKind kind) noexcept;

enum class TargetKind : std::uint8_t { kNone, kModel, kRollout, kDevice };

struct ActionSpec {
  ActionKind kind = ActionKind::kLog;
  TargetKind target_kind = TargetKind::kNone;
  TextTemplate target;      // name of the model, id of the rollout or device
  TextTemplate topic;       // kPublish
  PayloadTemplate payload;  // kPublish
  TextTemplate text;        // kLog
};

enum class RuleMode : std::uint8_t { kEnforce, kDryRun, kOff };
enum class RuleFormat : std::uint8_t { kJson, kText };
enum class OnRuleError : std::uint8_t { kLog, kPublish };
std::string_view RuleModeName(RuleMode mode) noexcept;

struct OncePer {
  TextTemplate key;
  std::int64_t every_ms = 0;
};

struct Rule {
  std::string name;
  int line = 0;   // in its file
  Digest digest;  // of all that it says: another rule, other action ids
  std::string pattern;
  TopicPattern topic;
  RuleFormat format = RuleFormat::kJson;
  std::optional<Expression> when;  // nothing = always
  std::string when_text;
  std::int64_t for_ms = 0;  // 0 = at once
  std::optional<OncePer> once_per;
  std::vector<ActionSpec> actions;
  bool allow_start = false;
  OnRuleError on_error = OnRuleError::kLog;
  RuleMode mode = RuleMode::kEnforce;
};

struct RuleSet {
  std::vector<Rule> rules;  // in the order of the file
  /// The filters of all rules that are not off, each once.
  [[nodiscard]] std::vector<std::string> Filters() const;
};

/// Topics that the broker's plugin publishes its events on: sluice/v1/server/<server>/event.
bool IsServerEventTopic(std::string_view topic) noexcept;
/// What the engine itself says, and what devices say: never a trigger, whatever a filter covers.
bool IsOwnTopic(std::string_view topic) noexcept;

}  // namespace sluice
