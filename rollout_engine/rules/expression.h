// The expressions of rules: typed, without loops and without assignment; read once, evaluated for
// each message that a rule's topic matches.
//
// A subset of CEL where that costs nothing: literals, payload.a.b[0], topic.N, captures by name,
// client.id, client.username, now; == != < <= > >= in && || ! and or not; exists() matches() abs()
// min() max(). A comparison with something that is not there is false.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "rollout_engine/rules/payload.h"
#include "rollout_engine/rules/topic_pattern.h"

namespace sluice {

/// What one message offers to expressions. All of it outlives the values that come from it.
struct Scope {
  const Payload* payload = nullptr;               // nullptr = missing
  std::span<const std::string_view> levels{};     // of the topic
  std::optional<std::string_view> client_id{};    // of an event of the broker's plugin
  std::optional<std::string_view> client_name{};  // its user name
  double now_s = 0;                               // wall clock, seconds since 1970 UTC
};

struct ExpressionProgram;

class Expression {
 public:
  /// A condition: its value is true or false. `captures` are the names that may stand for levels.
  /// E_RULE_EXPR: "column N: what is wrong".
  static Result<Expression> ParseCondition(std::string_view text,
                                           const std::vector<Capture>& captures);
  /// Only a reference, as in "${...}": payload.a, topic.1, a capture, client.id, now.
  static Result<Expression> ParseReference(std::string_view text,
                                           const std::vector<Capture>& captures);

  /// Thread-safe.
  [[nodiscard]] Value Evaluate(const Scope& scope) const;
  [[nodiscard]] bool IsTrue(const Scope& scope) const { return Evaluate(scope).IsTrue(); }

  struct Reference {
    std::string text;  // as it was written
    Value value;
  };
  /// What the expression refers to and what that is now, in order of writing: for people.
  [[nodiscard]] std::vector<Reference> References(const Scope& scope) const;

 private:
  explicit Expression(std::shared_ptr<const ExpressionProgram> program)
      : program_(std::move(program)) {}
  std::shared_ptr<const ExpressionProgram> program_;
};

}  // namespace sluice
