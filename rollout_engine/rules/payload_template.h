// What a rule publishes: the YAML below `payload:` as JSON, with values in its texts.
#pragma once

#include <string>
#include <vector>

#include "rollout_engine/config/yaml_tree.h"
#include "rollout_engine/rules/text_template.h"

namespace sluice {

class PayloadTemplate {
 public:
  /// A text stays a text; a map or list becomes JSON. E_CFG_RANGE, E_RULE_EXPR, with the line.
  static Result<PayloadTemplate> Parse(const YamlNode& node, const TemplateNames& names);

  /// E_RULE_VALUE as TextTemplate::Render; at most kRenderedBytesMax.
  [[nodiscard]] Result<std::string> Render(const Scope& scope) const;

 private:
  struct Entry {
    std::string key;
    std::size_t child = 0;
  };
  struct Node {
    enum class Kind : std::uint8_t { kPlain, kText, kMap, kList };
    Kind kind = Kind::kPlain;
    std::string plain;            // kPlain: JSON as it is, a number, true, false or null
    TextTemplate text;            // kText
    std::vector<Entry> children;  // kMap, kList
  };
  Result<std::size_t> Add(const YamlNode& node, const TemplateNames& names);
  Status Append(std::size_t node, const Scope& scope, std::string& json) const;

  std::vector<Node> nodes_;
  std::size_t root_ = 0;
};

}  // namespace sluice
