// An expression after reading: nodes in one vector that name each other by number. Included by .cc
// files only.
#pragma once

#include <re2/re2.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "rollout_engine/rules/payload.h"

namespace sluice {

enum class ExpressionOp : std::uint8_t {
  // leaves
  kLiteral,
  kPayload,
  kTopicLevel,
  kClientId,
  kClientName,
  kNow,
  kList,
  // operators
  kAnd,
  kOr,
  kNot,
  kEqual,
  kNotEqual,
  kLess,
  kLessOrEqual,
  kGreater,
  kGreaterOrEqual,
  kIn,
  // functions
  kExists,
  kMatches,
  kAbs,
  kMin,
  kMax,
};

/// What is known before a message is there; kAny depends on the payload.
enum class ExpressionType : std::uint8_t { kAny, kNull, kBool, kNumber, kText, kList };

struct PathStep {
  std::string key;        // of a map, if not `is_index`
  std::size_t index = 0;  // of a list
  bool is_index = false;
};

struct ExpressionNode {
  ExpressionOp op = ExpressionOp::kLiteral;
  ExpressionType type = ExpressionType::kAny;
  std::size_t column = 0;                 // from 1
  std::vector<std::uint32_t> children;    // operands, arguments, elements
  Value literal;                          // kLiteral; a text is in `text`
  std::string text;                       // kLiteral; as written, of a reference
  std::vector<PathStep> path;             // kPayload
  std::size_t level = 0;                  // kTopicLevel
  std::shared_ptr<const re2::RE2> regex;  // kMatches
};

struct ExpressionProgram {
  std::vector<ExpressionNode> nodes;
  std::uint32_t root = 0;
};

inline bool IsReference(ExpressionOp op) {
  return op == ExpressionOp::kPayload || op == ExpressionOp::kTopicLevel ||
         op == ExpressionOp::kClientId || op == ExpressionOp::kClientName ||
         op == ExpressionOp::kNow;
}

}  // namespace sluice
