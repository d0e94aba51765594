#include "rollout_engine/rules/action_file.h"

#include <algorithm>
#include <array>

#include "rollout_engine/config/yaml_reader.h"

namespace sluice {
namespace {

constexpr std::array<ActionKind, 8> kActions = {
    ActionKind::kPause, ActionKind::kAbort,      ActionKind::kRollBack, ActionKind::kResume,
    ActionKind::kStart, ActionKind::kQuarantine, ActionKind::kPublish,  ActionKind::kLog};
// Of the language, but this engine has no such operation: refused when the file is read, never at
// the moment that somebody counts on it.
constexpr std::array<std::string_view, 4> kNotInThisVersion = {"device.hold", "device.revert",
                                                               "device.tag", "device.offer"};

std::string At(const std::string& path, int line) {
  return path + ", line " + std::to_string(line);
}

Result<ActionKind> KindOf(const YamlEntry& entry, const std::string& path) {
  for (const ActionKind kind : kActions) {
    if (ActionName(kind) == entry.key) return kind;
  }
  if (std::ranges::find(kNotInThisVersion, entry.key) != kNotInThisVersion.end()) {
    return Fail(ErrorCode::kRuleAction,
                At(path, entry.line) + ": this version of the engine cannot do " + entry.key +
                    "; use device.quarantine or a rollout's pause, abort or roll_back");
  }
  const std::string_view nearest = NearestName(
      entry.key, {"rollout.pause", "rollout.abort", "rollout.roll_back", "rollout.resume",
                  "rollout.start", "device.quarantine", "publish", "log"});
  return Fail(ErrorCode::kRuleAction,
              At(path, entry.line) + ": no action " + Shown(entry.key) +
                  (nearest.empty() ? std::string("; docs/rules.md lists them")
                                   : "; did you mean " + std::string(nearest) + "?"));
}

Status ReadText(const YamlReader& reader, std::string_view key, const TemplateNames& names,
                TextTemplate& text) {
  std::string written;
  SLUICE_TRY(reader.Text(key, written));
  if (written.empty()) return reader.Complain(ErrorCode::kCfgRange, key, "empty; write a text");
  auto read = TextTemplate::Parse(written, names);
  if (!read) return reader.Complain(read.error().code, key, read.error().text);
  text = std::move(*read);
  return {};
}

Status ReadRolloutTarget(const YamlNode& node, const std::string& path, const TemplateNames& names,
                         ActionSpec& action) {
  SLUICE_ASSIGN(const YamlReader reader, YamlReader::Open(node, path, {"model", "rollout"}));
  const bool by_model = reader.Find("model") != nullptr;
  if (by_model == (reader.Find("rollout") != nullptr)) {
    return Fail(ErrorCode::kCfgIncomplete,
                At(path, node.line) +
                    ": name one of model, rollout; model means every rollout of "
                    "it that the action can be done to");
  }
  action.target_kind = by_model ? TargetKind::kModel : TargetKind::kRollout;
  return ReadText(reader, by_model ? "model" : "rollout", names, action.target);
}

Status ReadDevice(const YamlNode& node, const std::string& path, const TemplateNames& names,
                  ActionSpec& action) {
  SLUICE_ASSIGN(const YamlReader reader, YamlReader::Open(node, path, {"device"}));
  SLUICE_TRY(reader.Require("device"));
  action.target_kind = TargetKind::kDevice;
  return ReadText(reader, "device", names, action.target);
}

Status ReadPublish(const YamlNode& node, const std::string& path, const TemplateNames& names,
                   ActionSpec& action) {
  SLUICE_ASSIGN(const YamlReader reader, YamlReader::Open(node, path, {"topic", "payload"}));
  SLUICE_TRY(reader.Require("topic"));
  SLUICE_TRY(reader.Require("payload"));
  SLUICE_TRY(ReadText(reader, "topic", names, action.topic));
  auto payload = PayloadTemplate::Parse(reader.Find("payload")->value, names);
  if (!payload) return Fail(payload.error().With(reader.PathOf("payload")));
  action.payload = std::move(*payload);
  return {};
}

}  // namespace

Result<ActionSpec> ReadAction(const YamlNode& node, const std::string& path,
                              const TemplateNames& names, bool allow_start) {
  if (node.kind != YamlNode::Kind::kMap || node.entries.size() != 1) {
    return Fail(ErrorCode::kYamlType,
                At(path, node.line) + ": expected one action: rollout.pause: { model: NAME }");
  }
  const YamlEntry& entry = node.entries[0];
  ActionSpec action;
  SLUICE_ASSIGN(action.kind, KindOf(entry, path));
  if (NeedsAllowStart(action.kind) && !allow_start) {
    return Fail(ErrorCode::kRuleUnsafe, At(path, entry.line) + ": " + entry.key +
                                            " makes devices change what they run; say "
                                            "allow_start: true in this rule if that is wanted");
  }
  const std::string inner = path + "." + entry.key;
  if (action.kind == ActionKind::kPublish) {
    SLUICE_TRY(ReadPublish(entry.value, inner, names, action));
  } else if (action.kind == ActionKind::kLog) {
    SLUICE_ASSIGN(const YamlReader reader, YamlReader::Open(node, path, {"log"}));
    SLUICE_TRY(ReadText(reader, "log", names, action.text));
  } else if (action.kind == ActionKind::kQuarantine) {
    SLUICE_TRY(ReadDevice(entry.value, inner, names, action));
  } else {
    SLUICE_TRY(ReadRolloutTarget(entry.value, inner, names, action));
  }
  return action;
}

}  // namespace sluice
