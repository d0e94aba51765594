// A text with values in it: "line=${line}". In ${...} stands a reference of the expression
// language, or rule.name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "rollout_engine/rules/expression.h"

namespace sluice {

/// What a template may name.
struct TemplateNames {
  std::string_view rule;
  const std::vector<Capture>& captures;
};

class TextTemplate {
 public:
  TextTemplate() = default;
  /// E_RULE_EXPR, E_CFG_RANGE when it is too long.
  static Result<TextTemplate> Parse(std::string_view text, const TemplateNames& names);

  /// E_RULE_VALUE for a value that is missing, a list or a map, and for more than `bytes_max`.
  [[nodiscard]] Result<std::string> Render(const Scope& scope, std::size_t bytes_max) const;
  /// The value itself when the template is one reference and nothing else: numbers stay numbers.
  [[nodiscard]] const Expression* Alone() const;
  /// The text with every value as `placeholder`: what can be said before a message is there.
  [[nodiscard]] std::string With(std::string_view placeholder) const;
  [[nodiscard]] bool HasValues() const;

 private:
  struct Part {
    std::string text;  // literal, or the reference as it was written
    std::optional<Expression> reference;
  };
  std::vector<Part> parts_;
};

/// A value that a template may write. E_RULE_VALUE.
Status CheckRenderable(const Value& value, std::string_view reference);

}  // namespace sluice
