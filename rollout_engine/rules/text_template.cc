#include "rollout_engine/rules/text_template.h"

#include <algorithm>

#include "rollout_engine/config/yaml_reader.h"
#include "rollout_engine/rules/limits.h"

namespace sluice {

Result<TextTemplate> TextTemplate::Parse(std::string_view text, const TemplateNames& names) {
  if (text.size() > limits::kTemplateBytesMax) {
    return Fail(ErrorCode::kCfgRange, "a text of " + std::to_string(text.size()) +
                                          " bytes; allowed " +
                                          std::to_string(limits::kTemplateBytesMax));
  }
  TextTemplate result;
  const auto add_text = [&result](std::string_view literal) {
    if (literal.empty()) return;
    if (result.parts_.empty() || result.parts_.back().reference) result.parts_.emplace_back();
    result.parts_.back().text += literal;
  };
  while (true) {
    const std::size_t open = text.find("${");
    add_text(text.substr(0, open));
    if (open == std::string_view::npos) return result;
    const std::size_t close = text.find('}', open);
    if (close == std::string_view::npos) {
      return Fail(ErrorCode::kRuleExpr, Shown(text.substr(open)) + " does not end; add }");
    }
    const std::string_view inner = text.substr(open + 2, close - open - 2);
    if (inner == "rule.name") {
      add_text(names.rule);
    } else {
      auto reference = Expression::ParseReference(inner, names.captures);
      if (!reference) return Fail(reference.error().With(Shown("${" + std::string(inner) + "}")));
      result.parts_.push_back({std::string(inner), std::move(*reference)});
    }
    text.remove_prefix(close + 1);
  }
}

Status CheckRenderable(const Value& value, std::string_view reference) {
  if (value.IsMissing()) {
    return Fail(ErrorCode::kRuleValue,
                std::string(reference) + " is missing; say exists(...) in `when`");
  }
  if (value.IsScalar()) return {};
  return Fail(ErrorCode::kRuleValue,
              std::string(reference) + " is a list or a map; name one value of it");
}

Result<std::string> TextTemplate::Render(const Scope& scope, std::size_t bytes_max) const {
  std::string text;
  for (const Part& part : parts_) {
    if (!part.reference) {
      text += part.text;
    } else {
      const Value value = part.reference->Evaluate(scope);
      SLUICE_TRY(CheckRenderable(value, part.text));
      text += ScalarText(value);
    }
    if (text.size() > bytes_max) {
      return Fail(ErrorCode::kRuleValue,
                  "a text of more than " + std::to_string(bytes_max) + " bytes; name less");
    }
  }
  return text;
}

const Expression* TextTemplate::Alone() const {
  return parts_.size() == 1 && parts_[0].reference ? &*parts_[0].reference : nullptr;
}

std::string TextTemplate::With(std::string_view placeholder) const {
  std::string text;
  for (const Part& part : parts_) text += part.reference ? std::string(placeholder) : part.text;
  return text;
}

bool TextTemplate::HasValues() const {
  return std::ranges::any_of(parts_, [](const Part& part) { return part.reference.has_value(); });
}

}  // namespace sluice
