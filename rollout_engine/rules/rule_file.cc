#include "rollout_engine/rules/rule_file.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "common/contract/topics.h"
#include "common/crypto/digest.h"
#include "rollout_engine/config/yaml_reader.h"
#include "rollout_engine/rules/action_file.h"
#include "rollout_engine/rules/limits.h"

namespace sluice {
namespace {

constexpr YamlLimits kFileLimits{.bytes_max = limits::kRuleFileBytesMax,
                                 .depth_max = limits::kRuleFileDepthMax,
                                 .nodes_max = limits::kRuleFileNodesMax};
// What devices and engine say to each other, and what Sluice says of itself.
constexpr std::string_view kDevicePlane = "sluice-dev/#";
constexpr std::string_view kOperatorPlane = "sluice/#";

std::string At(const std::string& path, int line) {
  return path + ", line " + std::to_string(line);
}

/// "30s", "10m": a whole number and its unit.
std::optional<std::int64_t> ParseDuration(std::string_view text) {
  std::int64_t count = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(read.ptr,
                              static_cast<std::size_t>(text.data() + text.size() - read.ptr));
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 5> kUnits = {
      {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
  const auto found =
      std::ranges::find(kUnits, unit, &std::pair<std::string_view, std::int64_t>::first);
  if (read.ec != std::errc() || found == kUnits.end() || count < 0 ||
      count > limits::kRuleTimeMax / found->second) {
    return std::nullopt;
  }
  return count * found->second;
}

Status ReadDuration(const YamlReader& reader, std::string_view key, std::int64_t& value_ms) {
  std::string text;
  SLUICE_TRY(reader.Text(key, text));
  if (reader.Find(key) == nullptr) return {};
  const std::optional<std::int64_t> ms = ParseDuration(text);
  if (!ms || *ms < limits::kRuleTimeMin || *ms > limits::kRuleTimeMax) {
    return reader.Complain(ErrorCode::kCfgRange, key,
                           Shown(text) +
                               "; allowed 1s to 7d, as 30s, "
                               "10m, 2h");
  }
  value_ms = *ms;
  return {};
}

/// The whole meaning of a node, without comments, layout and line numbers.
void AppendCanonical(const YamlNode& node, std::string& text) {
  if (node.kind == YamlNode::Kind::kNull) {
    text += "~";
  } else if (node.kind == YamlNode::Kind::kScalar) {
    text += (node.quoted ? "q" : "p") + std::to_string(node.text.size()) + ":" + node.text;
  } else {
    text += node.kind == YamlNode::Kind::kMap ? "{" : "[";
    for (const YamlEntry& entry : node.entries) {
      text += std::to_string(entry.key.size()) + ":" + entry.key + "=";
      AppendCanonical(entry.value, text);
    }
    for (const YamlNode& item : node.items) AppendCanonical(item, text);
    text += node.kind == YamlNode::Kind::kMap ? "}" : "]";
  }
}

Status ReadTrigger(const YamlReader& rule_reader, Rule& rule) {
  SLUICE_TRY(rule_reader.Require("on"));
  SLUICE_ASSIGN(const YamlReader reader,
                YamlReader::Open(rule_reader.Find("on")->value, rule_reader.PathOf("on"),
                                 {"topic", "format", "retained"}));
  SLUICE_TRY(reader.Require("topic"));
  SLUICE_TRY(reader.Text("topic", rule.pattern));
  auto pattern = ParseTopicPattern(rule.pattern);
  if (!pattern) return reader.Complain(pattern.error().code, "topic", pattern.error().text);
  rule.topic = std::move(*pattern);
  SLUICE_TRY(reader.OneOf<RuleFormat>(
      "format", {{"json", RuleFormat::kJson}, {"text", RuleFormat::kText}}, rule.format));
  bool ignored = true;  // the only choice: what is retained is old news
  SLUICE_TRY(reader.OneOf<bool>("retained", {{"ignore", true}}, ignored));
  const std::string& filter = rule.topic.filter;
  if (FiltersOverlap(filter, kDevicePlane)) {
    return reader.Complain(ErrorCode::kRuleLoop, "topic",
                           Shown(rule.pattern) +
                               " covers topics of devices (sluice-dev/); write "
                               "the first level out");
  }
  if (filter.starts_with("sluice/") && !FiltersOverlap(filter, "sluice/v1/trigger/+") &&
      !FiltersOverlap(filter, "sluice/v1/server/+/event")) {
    return reader.Complain(ErrorCode::kRuleLoop, "topic",
                           Shown(rule.pattern) +
                               " is the engine's own word; of sluice/ there are "
                               "sluice/v1/trigger/NAME and "
                               "sluice/v1/server/NAME/event");
  }
  if (filter.starts_with("$share/") || filter.starts_with("$queue/")) {
    return reader.Complain(ErrorCode::kTopic, "topic",
                           "a shared subscription; every engine hears everything");
  }
  return {};
}

Status ReadCondition(const YamlReader& reader, Rule& rule) {
  SLUICE_TRY(reader.Text("when", rule.when_text));
  if (reader.Find("when") == nullptr) {
    if (reader.Find("for") == nullptr) return {};
    return reader.Complain(ErrorCode::kCfgIncomplete, "for", "what must hold so long? add `when`");
  }
  auto when = Expression::ParseCondition(rule.when_text, rule.topic.captures);
  if (!when) return reader.Complain(when.error().code, "when", when.error().text);
  rule.when = std::move(*when);
  return {};
}

Status ReadOncePer(const YamlReader& rule_reader, const TemplateNames& names, Rule& rule) {
  const YamlEntry* const entry = rule_reader.Find("once_per");
  if (entry == nullptr) return {};
  SLUICE_ASSIGN(const YamlReader reader,
                YamlReader::Open(entry->value, rule_reader.PathOf("once_per"), {"key", "every"}));
  SLUICE_TRY(reader.Require("every"));
  OncePer once;
  SLUICE_TRY(ReadDuration(reader, "every", once.every_ms));
  std::string key;
  SLUICE_TRY(reader.Text("key", key));
  auto read = TextTemplate::Parse(key, names);
  if (!read) return reader.Complain(read.error().code, "key", read.error().text);
  once.key = std::move(*read);
  rule.once_per = std::move(once);
  return {};
}

Status ReadActions(const YamlReader& reader, const TemplateNames& names, Rule& rule) {
  SLUICE_TRY(reader.Require("do"));
  const YamlNode& list = reader.Find("do")->value;
  if (list.kind != YamlNode::Kind::kSequence) {
    return reader.Complain(ErrorCode::kYamlType, "do", "expected a list of actions");
  }
  if (list.items.empty() || list.items.size() > limits::kActionsPerRuleMax) {
    return reader.Complain(ErrorCode::kCfgRange, "do",
                           std::to_string(list.items.size()) + " actions; allowed 1 to " +
                               std::to_string(limits::kActionsPerRuleMax));
  }
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    const std::string path = reader.PathOf("do") + "[" + std::to_string(i) + "]";
    SLUICE_ASSIGN(ActionSpec action, ReadAction(list.items[i], path, names, rule.allow_start));
    rule.actions.push_back(std::move(action));
  }
  return {};
}

Result<Rule> ReadRule(const YamlNode& node, const std::string& path) {
  SLUICE_ASSIGN(const YamlReader reader,
                YamlReader::Open(node, path,
                                 {"name", "on", "when", "for", "once_per", "do", "on_error", "mode",
                                  "allow_start"}));
  Rule rule;
  rule.line = node.line;
  SLUICE_TRY(reader.Require("name"));
  SLUICE_TRY(reader.Text("name", rule.name));
  if (!IsTopicLevel(rule.name) || rule.name.size() > limits::kRuleNameMax) {
    return reader.Complain(ErrorCode::kBadId, "name",
                           Shown(rule.name) + "; allowed [A-Za-z0-9_-]{1,48}");
  }
  SLUICE_TRY(ReadTrigger(reader, rule));
  SLUICE_TRY(ReadCondition(reader, rule));
  SLUICE_TRY(ReadDuration(reader, "for", rule.for_ms));
  SLUICE_TRY(reader.Boolean("allow_start", rule.allow_start));
  SLUICE_TRY(reader.OneOf<OnRuleError>(
      "on_error", {{"log", OnRuleError::kLog}, {"publish", OnRuleError::kPublish}}, rule.on_error));
  SLUICE_TRY(reader.OneOf<RuleMode>(
      "mode",
      {{"enforce", RuleMode::kEnforce}, {"dry_run", RuleMode::kDryRun}, {"off", RuleMode::kOff}},
      rule.mode));
  const TemplateNames names{rule.name, rule.topic.captures};
  SLUICE_TRY(ReadOncePer(reader, names, rule));
  SLUICE_TRY(ReadActions(reader, names, rule));
  std::string canonical;
  AppendCanonical(node, canonical);
  rule.digest = Sha256(AsBytes(canonical));
  return rule;
}

/// What `topic` may become, as a filter: a level with a value in it may be anything.
std::string AsFilter(const TextTemplate& topic) {
  const std::string written = topic.With("+");
  std::string filter;
  for (const std::string_view level : LevelsOf(written)) {
    if (!filter.empty() || level.data() != written.data()) filter += '/';
    filter += level.find('+') == std::string_view::npos ? level : std::string_view("+");
  }
  return filter;
}

Status CheckPublishTopic(const TextTemplate& topic, const RuleSet& set, const std::string& where) {
  if (topic.With("").find_first_of("+#") != std::string::npos) {
    return Fail(ErrorCode::kTopic, where + ": wildcards are not published to; write a topic");
  }
  const std::string filter = AsFilter(topic);
  if (filter.starts_with('$') || FiltersOverlap(filter, kOperatorPlane) ||
      FiltersOverlap(filter, kDevicePlane)) {
    return Fail(ErrorCode::kRuleLoop,
                where +
                    ": sluice/, sluice-dev/ and $ are not for rules; write another first level "
                    "out");
  }
  for (const Rule& rule : set.rules) {
    if (!FiltersOverlap(filter, rule.topic.filter)) continue;
    return Fail(ErrorCode::kRuleLoop, where + ": rule " + rule.name + " listens to " +
                                          Shown(rule.pattern) +
                                          ", so rules would set each other off; publish elsewhere");
  }
  return {};
}

Status CheckLoops(const RuleSet& set) {
  for (const Rule& rule : set.rules) {
    for (const ActionSpec& action : rule.actions) {
      if (action.kind != ActionKind::kPublish) continue;
      SLUICE_TRY(CheckPublishTopic(
          action.topic, set,
          At("rule " + rule.name, rule.line) + ": publish " + Shown(action.topic.With("${...}"))));
    }
  }
  return {};
}

}  // namespace

Result<RuleSet> ParseRuleFile(std::string_view text) {
  SLUICE_ASSIGN(const YamlNode root, ParseYaml(text, kFileLimits));
  SLUICE_ASSIGN(const YamlReader reader, YamlReader::Open(root, "", {"rules_version", "rules"}));
  SLUICE_TRY(reader.Require("rules_version"));
  int version = 0;
  SLUICE_TRY(reader.Whole("rules_version", {.low = 1, .high = 1}, version));
  SLUICE_TRY(reader.Require("rules"));
  const YamlNode& list = reader.Find("rules")->value;
  if (list.kind != YamlNode::Kind::kSequence) {
    return reader.Complain(ErrorCode::kYamlType, "rules", "expected a list of rules");
  }
  if (list.items.size() > limits::kRulesMax) {
    return reader.Complain(
        ErrorCode::kCfgRange, "rules",
        std::to_string(list.items.size()) + " rules; allowed " + std::to_string(limits::kRulesMax));
  }
  RuleSet set;
  std::map<std::string, int> lines;
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    const std::string path = "rules[" + std::to_string(i) + "]";
    SLUICE_ASSIGN(Rule rule, ReadRule(list.items[i], path));
    const auto [first, is_new] = lines.emplace(rule.name, rule.line);
    if (!is_new) {
      return Fail(ErrorCode::kCfgRange, At(path + ".name", rule.line) + ": " + Shown(rule.name) +
                                            " is the name of two rules (first at line " +
                                            std::to_string(first->second) + "); rename one");
    }
    set.rules.push_back(std::move(rule));
  }
  SLUICE_TRY(CheckLoops(set));
  return set;
}

}  // namespace sluice
