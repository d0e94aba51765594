// Splits an expression into its words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"

namespace sluice {

struct ExpressionToken {
  enum class Kind : std::uint8_t { kEnd, kWord, kNumber, kText, kSymbol };
  Kind kind = Kind::kEnd;
  std::string text;       // the word, the symbol, or the content of a text
  double number = 0;      // kNumber
  bool is_whole = false;  // kNumber: digits only
  std::size_t begin = 0;  // byte in the expression
  std::size_t end = 0;
};

/// E_RULE_EXPR at that byte: "column N: text".
tl::unexpected<Error> ExpressionError(std::size_t begin, std::string_view text);

/// Ends with a kEnd. E_RULE_EXPR: too long, an unknown character, an open text, a bad number.
Result<std::vector<ExpressionToken>> LexExpression(std::string_view text);

}  // namespace sluice
