#include "rollout_engine/rules/expression.h"

#include <algorithm>
#include <cmath>

#include "rollout_engine/rules/expression_program.h"

namespace sluice {
namespace {

using Op = ExpressionOp;
using Kind = Value::Kind;

/// Recursion is as deep as the expression, which its parser has bounded.
class Evaluation {
 public:
  Evaluation(const ExpressionProgram& program, const Scope& scope)
      : program_(program), scope_(scope) {}

  [[nodiscard]] Value Of(std::uint32_t index) const {
    const ExpressionNode& node = program_.nodes[index];
    switch (node.op) {
      case Op::kLiteral:
        return node.type == ExpressionType::kText ? Value::Text(node.text) : node.literal;
      case Op::kPayload:
      case Op::kTopicLevel:
      case Op::kClientId:
      case Op::kClientName:
      case Op::kNow:
        return Reference(node);
      case Op::kList:
        return {};  // only `in` looks into one
      case Op::kAnd:
        return Value::Bool(IsTrue(node.children[0]) && IsTrue(node.children[1]));
      case Op::kOr:
        return Value::Bool(IsTrue(node.children[0]) || IsTrue(node.children[1]));
      case Op::kNot:
        return Value::Bool(!IsTrue(node.children[0]));
      case Op::kIn:
        return Value::Bool(IsIn(Of(node.children[0]), node.children[1]));
      case Op::kExists:
        return Value::Bool(!Of(node.children[0]).IsMissing());
      case Op::kMatches:
        return Value::Bool(Matches(Of(node.children[0]), *node.regex));
      case Op::kAbs:
      case Op::kMin:
      case Op::kMax:
        return Number(node);
      default:
        return Value::Bool(Compare(node.op, Of(node.children[0]), Of(node.children[1])));
    }
  }

  [[nodiscard]] Value Reference(const ExpressionNode& node) const {
    switch (node.op) {
      case Op::kPayload:
        return Path(node);
      case Op::kTopicLevel:
        return node.level < scope_.levels.size() ? Value::Text(scope_.levels[node.level]) : Value{};
      case Op::kClientId:
        return scope_.client_id ? Value::Text(*scope_.client_id) : Value{};
      case Op::kClientName:
        return scope_.client_name ? Value::Text(*scope_.client_name) : Value{};
      default:
        return Value::Number(scope_.now_s);
    }
  }

 private:
  [[nodiscard]] bool IsTrue(std::uint32_t index) const { return Of(index).IsTrue(); }

  [[nodiscard]] Value Path(const ExpressionNode& node) const {
    if (scope_.payload == nullptr) return {};
    Value value = scope_.payload->root();
    for (const PathStep& step : node.path) {
      value =
          step.is_index ? Payload::Element(value, step.index) : Payload::Member(value, step.key);
    }
    return value;
  }

  static bool Compare(Op op, const Value& a, const Value& b) {
    if (a.IsMissing() || b.IsMissing()) return false;
    if (op == Op::kEqual) return AreEqual(a, b);
    if (op == Op::kNotEqual) return !AreEqual(a, b);
    if (a.kind != b.kind || (a.kind != Kind::kNumber && a.kind != Kind::kText)) return false;
    const auto order =
        a.kind == Kind::kNumber ? a.number <=> b.number : std::partial_ordering(a.text <=> b.text);
    switch (op) {
      case Op::kLess:
        return order < 0;
      case Op::kLessOrEqual:
        return order <= 0;
      case Op::kGreater:
        return order > 0;
      default:
        return order >= 0;
    }
  }

  [[nodiscard]] bool IsIn(const Value& value, std::uint32_t list) const {
    if (value.IsMissing()) return false;
    const ExpressionNode& node = program_.nodes[list];
    if (node.op != Op::kList) return Payload::Contains(Of(list), value);
    return std::ranges::any_of(node.children,
                               [&](std::uint32_t element) { return AreEqual(value, Of(element)); });
  }

  static bool Matches(const Value& value, const re2::RE2& regex) {
    return value.kind == Kind::kText &&
           re2::RE2::PartialMatch({value.text.data(), value.text.size()}, regex);
  }

  /// Missing as soon as one argument is no number.
  [[nodiscard]] Value Number(const ExpressionNode& node) const {
    Value result = Of(node.children[0]);
    if (result.kind != Kind::kNumber) return {};
    if (node.op == Op::kAbs) return Value::Number(std::abs(result.number));
    for (const std::uint32_t child : node.children) {
      const Value next = Of(child);
      if (next.kind != Kind::kNumber) return {};
      result.number = node.op == Op::kMin ? std::min(result.number, next.number)
                                          : std::max(result.number, next.number);
    }
    return result;
  }

  const ExpressionProgram& program_;
  const Scope& scope_;
};

}  // namespace

Value Expression::Evaluate(const Scope& scope) const {
  return Evaluation(*program_, scope).Of(program_->root);
}

std::vector<Expression::Reference> Expression::References(const Scope& scope) const {
  const Evaluation evaluation(*program_, scope);
  std::vector<const ExpressionNode*> nodes;
  for (const ExpressionNode& node : program_->nodes) {
    if (IsReference(node.op)) nodes.push_back(&node);
  }
  std::ranges::sort(nodes, {}, &ExpressionNode::column);
  std::vector<Reference> references;
  for (const ExpressionNode* node : nodes) {
    const auto same = [&](const Reference& other) { return other.text == node->text; };
    if (std::ranges::none_of(references, same))
      references.push_back({node->text, evaluation.Reference(*node)});
  }
  return references;
}

}  // namespace sluice
