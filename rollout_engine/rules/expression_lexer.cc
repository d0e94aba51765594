#include "rollout_engine/rules/expression_lexer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/base/utf8.h"
#include "rollout_engine/config/yaml_reader.h"
#include "rollout_engine/rules/limits.h"

namespace sluice {
namespace {

using TokenKind = ExpressionToken::Kind;

// Longer ones first: "<=" is not "<" and "=".
constexpr std::array<std::string_view, 17> kSymbols = {
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", "[", "]", ",", ".", "-", "="};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWordStart(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool IsWordPart(char c) { return IsWordStart(c) || IsDigit(c); }

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  Result<std::vector<ExpressionToken>> Run() {
    while (true) {
      while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t'))
        ++at_;
      if (at_ == text_.size()) {
        tokens_.push_back({.kind = TokenKind::kEnd, .begin = at_, .end = at_});
        return std::move(tokens_);
      }
      SLUICE_TRY(Next());
    }
  }

 private:
  Status Next() {
    const char c = text_[at_];
    if (IsWordStart(c)) return TakeWord();
    if (IsDigit(c)) return TakeNumber();
    if (c == '"' || c == '\'') return TakeText(c);
    for (const std::string_view symbol : kSymbols) {
      if (text_.substr(at_).starts_with(symbol)) {
        Push(TokenKind::kSymbol, std::string(symbol), at_ + symbol.size());
        return {};
      }
    }
    const std::size_t length = std::max<std::size_t>(1, Utf8SequenceLength(text_.substr(at_)));
    return ExpressionError(at_, Shown(text_.substr(at_, length)) + " is not of the language");
  }

  Status TakeWord() {
    std::size_t end = at_;
    while (end < text_.size() && IsWordPart(text_[end])) ++end;
    Push(TokenKind::kWord, std::string(text_.substr(at_, end - at_)), end);
    return {};
  }

  /// Digits, then perhaps a fraction and an exponent. What is left of "1.x" is not a number.
  Status TakeNumber() {
    std::size_t end = SkipDigits(at_);
    bool is_whole = true;
    if (end + 1 < text_.size() && text_[end] == '.' && IsDigit(text_[end + 1])) {
      end = SkipDigits(end + 1);
      is_whole = false;
    }
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      std::size_t digits = end + 1;
      if (digits < text_.size() && (text_[digits] == '+' || text_[digits] == '-')) ++digits;
      end = SkipDigits(digits);
      is_whole = false;
      if (end == digits) return ExpressionError(at_, "a number without its exponent");
    }
    const std::string_view digits = text_.substr(at_, end - at_);
    double number = 0;
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    const bool continues = end < text_.size() && IsWordPart(text_[end]);
    const bool octal = digits.size() > 1 && digits[0] == '0' && IsDigit(digits[1]);
    if (read.ec != std::errc() || continues || octal) {
      return ExpressionError(at_, "not a number as JSON has it");
    }
    Push(TokenKind::kNumber, std::string(digits), end);
    tokens_.back().number = number;
    tokens_.back().is_whole = is_whole;
    return {};
  }

  Status TakeText(char quote) {
    std::string content;
    for (std::size_t i = at_ + 1; i < text_.size();) {
      const char c = text_[i];
      if (c == quote) {
        Push(TokenKind::kText, std::move(content), i + 1);
        return {};
      }
      if (c == '\\') {
        if (i + 1 == text_.size()) break;
        SLUICE_ASSIGN(const char plain, Unescape(i));
        content += plain;
        i += 2;
        continue;
      }
      const std::size_t length = Utf8SequenceLength(text_.substr(i));
      if (length == 0 || static_cast<unsigned char>(c) < 0x20) {
        return ExpressionError(i, "a text holds UTF-8 without control characters; write \\n, \\t");
      }
      content += text_.substr(i, length);
      i += length;
    }
    return ExpressionError(at_, "a text that does not end; add " + std::string(1, quote));
  }

  Result<char> Unescape(std::size_t at) const {
    const char c = text_[at + 1];
    if (c == 'n') return '\n';
    if (c == 't') return '\t';
    if (c == 'r') return '\r';
    if (c == '\\' || c == '"' || c == '\'' || c == '/') return c;
    return ExpressionError(at, "an escape that is none of \\\\ \\\" \\' \\/ \\n \\r \\t");
  }

  [[nodiscard]] std::size_t SkipDigits(std::size_t from) const {
    while (from < text_.size() && IsDigit(text_[from])) ++from;
    return from;
  }

  void Push(TokenKind kind, std::string text, std::size_t end) {
    tokens_.push_back({.kind = kind, .text = std::move(text), .begin = at_, .end = end});
    at_ = end;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<ExpressionToken> tokens_;
};

}  // namespace

tl::unexpected<Error> ExpressionError(std::size_t begin, std::string_view text) {
  return Fail(ErrorCode::kRuleExpr,
              "column " + std::to_string(begin + 1) + ": " + std::string(text));
}

Result<std::vector<ExpressionToken>> LexExpression(std::string_view text) {
  if (text.size() > limits::kExpressionBytesMax) {
    return Fail(ErrorCode::kRuleExpr, "the expression has " + std::to_string(text.size()) +
                                          " bytes, allowed " +
                                          std::to_string(limits::kExpressionBytesMax));
  }
  return Lexer(text).Run();
}

}  // namespace sluice
