#include "rollout_engine/rules/payload_template.h"

#include "rollout_engine/rules/limits.h"

namespace sluice {
namespace {

std::string Quoted(std::string_view text) { return JsonText(Value::Text(text)); }

/// YAML's plain scalar means what JSON means by it; everything else is a text.
bool IsPlainJson(const YamlNode& scalar) {
  if (scalar.quoted) return false;
  if (scalar.text == "true" || scalar.text == "false" || scalar.text == "null") return true;
  const auto json = Payload::ParseJson(scalar.text);
  return json && json->root().kind == Value::Kind::kNumber;
}

tl::unexpected<Error> AtLine(const Error& error, int line) {
  return Fail(error.With("line " + std::to_string(line)));
}

}  // namespace

Result<PayloadTemplate> PayloadTemplate::Parse(const YamlNode& node, const TemplateNames& names) {
  PayloadTemplate result;
  SLUICE_ASSIGN(result.root_, result.Add(node, names));
  return result;
}

Result<std::size_t> PayloadTemplate::Add(const YamlNode& yaml, const TemplateNames& names) {
  if (nodes_.size() >= limits::kPayloadTemplateNodesMax) {
    return AtLine(
        {ErrorCode::kCfgRange,
         "a payload of more than " + std::to_string(limits::kPayloadTemplateNodesMax) + " values"},
        yaml.line);
  }
  const std::size_t index = nodes_.size();
  nodes_.emplace_back();
  Node node;
  if (yaml.kind == YamlNode::Kind::kNull) {
    node.plain = "null";
  } else if (yaml.kind == YamlNode::Kind::kScalar) {
    if (IsPlainJson(yaml)) {
      node.plain = yaml.text;
    } else {
      auto text = TextTemplate::Parse(yaml.text, names);
      if (!text) return AtLine(text.error(), yaml.line);
      node.kind = Node::Kind::kText;
      node.text = std::move(*text);
    }
  } else {
    const bool is_map = yaml.kind == YamlNode::Kind::kMap;
    node.kind = is_map ? Node::Kind::kMap : Node::Kind::kList;
    for (const YamlEntry& entry : yaml.entries) {
      SLUICE_ASSIGN(const std::size_t child, Add(entry.value, names));
      node.children.push_back({entry.key, child});
    }
    for (const YamlNode& item : yaml.items) {
      SLUICE_ASSIGN(const std::size_t child, Add(item, names));
      node.children.push_back({"", child});
    }
  }
  nodes_[index] = std::move(node);
  return index;
}

Result<std::string> PayloadTemplate::Render(const Scope& scope) const {
  const Node& root = nodes_[root_];
  if (root.kind == Node::Kind::kText) return root.text.Render(scope, limits::kRenderedBytesMax);
  std::string json;
  SLUICE_TRY(Append(root_, scope, json));
  return json;
}

// As deep as the file, which its reader has bounded.
Status PayloadTemplate::Append(std::size_t index, const Scope& scope, std::string& json) const {
  const Node& node = nodes_[index];
  if (node.kind == Node::Kind::kPlain) {
    json += node.plain;
  } else if (node.kind == Node::Kind::kText) {
    if (const Expression* const reference = node.text.Alone()) {
      const Value value = reference->Evaluate(scope);
      SLUICE_TRY(CheckRenderable(value, node.text.With("a value of the payload")));
      json += JsonText(value);
    } else {
      SLUICE_ASSIGN(const std::string text, node.text.Render(scope, limits::kRenderedBytesMax));
      json += Quoted(text);
    }
  } else {
    const bool is_map = node.kind == Node::Kind::kMap;
    json += is_map ? '{' : '[';
    bool first = true;
    for (const Entry& entry : node.children) {
      if (!first) json += ',';
      first = false;
      if (is_map) json += Quoted(entry.key) + ":";
      SLUICE_TRY(Append(entry.child, scope, json));
    }
    json += is_map ? '}' : ']';
  }
  if (json.size() <= limits::kRenderedBytesMax) return {};
  return Fail(ErrorCode::kRuleValue, "a payload of more than " +
                                         std::to_string(limits::kRenderedBytesMax) +
                                         " bytes; publish less");
}

}  // namespace sluice
